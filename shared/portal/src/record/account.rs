//! Registering with a link, logging in, and the account's address.

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    Account, Change, Choice, InvitationState, PortalRecord, RevokeReason,
    notices::{Notice, NoticeKind},
};
use crate::{
    email::EmailAddress,
    idempotency::KeyedRequest,
    ids::{AccountId, EventId, InvitationId},
    link::{Link, Token},
    policy::{MOST_GUESSES, REINVITE_GAP},
    practice::Practice,
    refusal::{ChangeEmailRefusal, LinkRefusal, LoginRefusal, NewLinkRefusal, ReinviteRefusal},
    timeline::{Act, EventKind},
};

impl PortalRecord {
    /// The link that this token opens.
    ///
    /// # Errors
    /// [`LinkRefusal::LinkNotUsable`], whatever the matter is: a stranger must not learn which.
    pub fn usable_link(&self, token: &Token, now: DateTime<Utc>) -> Result<&Link, LinkRefusal> {
        let link = self.link.as_ref().filter(|link| link.id == token.link).ok_or(LinkRefusal::LinkNotUsable)?;
        let opens = link.opens_with(&token.secret, now);
        let wanted = self.choice == Choice::In && self.account == Account::None;
        if opens && wanted && link.guesses < MOST_GUESSES { Ok(link) } else { Err(LinkRefusal::LinkNotUsable) }
    }

    /// Counts a date of birth that is about to be compared. It must be committed before [`PortalRecord::register`]
    /// compares: however many guess at once, only as many as were counted are compared.
    ///
    /// # Errors
    /// As [`PortalRecord::usable_link`].
    pub fn count_guess(&self, token: &Token, act: Act) -> Result<Change, LinkRefusal> {
        let guesses = self.usable_link(token, act.at)?.guesses + 1;
        Ok(self.change(act, EventKind::DateOfBirthChecked { guesses }, |after| {
            if let Some(link) = &mut after.link {
                link.guesses = guesses;
            }
        }))
    }

    /// Compares the date of birth that [`PortalRecord::count_guess`] counted, and opens the account if it is right.
    ///
    /// A wrong one changes nothing more, except that the last one permitted locks the link.
    ///
    /// The link is used up by it, and gone; only after a request with a key it stays where it is, opening nothing, so
    /// that a client that lost the answer can find the record by it once more.
    #[must_use]
    pub fn register(
        &self,
        date_of_birth: NaiveDate,
        id: AccountId,
        keyed: Option<&KeyedRequest>,
        act: Act,
    ) -> Registration {
        let Some((invitation, link)) = self.invitation.as_ref().zip(self.link.as_ref()) else {
            return Registration::NotUsable;
        };
        if self.choice != Choice::In || self.account != Account::None {
            return Registration::NotUsable;
        }
        if self.profile.date_of_birth.is_none_or(|real| *real.expose() != date_of_birth) {
            if link.guesses < MOST_GUESSES {
                return Registration::Mismatch;
            }
            return Registration::Locked(Box::new(self.revoked(invitation.id.clone(), RevokeReason::Locked, act)));
        }
        let (at, email, receipt) = (act.at, invitation.email.clone(), invitation.receipt().cloned());
        let change = self.change(act, EventKind::Registered, |after| {
            after.set_invitation_state(InvitationState::Consumed { at, receipt });
            after.account = Account::Active { id, email, registered_at: at, last_login_at: at, last_login_event: None };
            after.link = after.link.take().filter(|_| keyed.is_some());
            after.next_action = None;
        });
        Registration::Registered(Box::new(change.remembering(keyed)))
    }

    /// The holder of the link declines the invitation or is somebody else. Not an opt-out: a stranger may hold a
    /// misdirected link.
    ///
    /// # Errors
    /// As [`PortalRecord::usable_link`].
    pub fn decline(&self, token: &Token, reason: RevokeReason, act: Act) -> Result<Change, LinkRefusal> {
        self.usable_link(token, act.at)?;
        let invitation = self.invitation.as_ref().ok_or(LinkRefusal::LinkNotUsable)?.id.clone();
        Ok(self.revoked(invitation, reason, act))
    }

    /// The holder of a link, expired or not, asks for a new one; it goes to the same address only.
    ///
    /// # Errors
    /// [`NewLinkRefusal::TooSoon`]; for every other reason [`NewLinkRefusal::LinkNotUsable`], since the holder
    /// must learn nothing about the patient.
    pub fn new_link(
        &self,
        practice: &Practice,
        token: &Token,
        id: InvitationId,
        act: Act,
    ) -> Result<Change, NewLinkRefusal> {
        let link = self.link.as_ref().filter(|link| link.id == token.link).ok_or(NewLinkRefusal::LinkNotUsable)?;
        if !link.was_mailed_with(&token.secret) || link.guesses >= MOST_GUESSES {
            return Err(NewLinkRefusal::LinkNotUsable);
        }
        self.reinvite(practice, None, id, act).map_err(|refusal| match refusal {
            // A mail was requested moments ago and is on its way.
            ReinviteRefusal::SendInProgress => {
                NewLinkRefusal::TooSoon { retry_after_secs: REINVITE_GAP.num_seconds().unsigned_abs() }
            }
            ReinviteRefusal::TooSoon { retry_after_secs } => NewLinkRefusal::TooSoon { retry_after_secs },
            ReinviteRefusal::PortalNotActivated
            | ReinviteRefusal::AlreadyRegistered
            | ReinviteRefusal::PatientInactive
            | ReinviteRefusal::OptedOut
            | ReinviteRefusal::DateOfBirthMissing
            | ReinviteRefusal::PatientNotFound
            | ReinviteRefusal::NotInvited
            | ReinviteRefusal::AddressSuppressed
            | ReinviteRefusal::EmailInUse { .. } => NewLinkRefusal::LinkNotUsable,
        })
    }

    /// The patient logged in: the record as it is then, or `None` if the report changes nothing, because a login as
    /// late is known or because the latest one is of this very event, whatever time it gives now. Only the latest login
    /// and its event are kept, and they are no entry of the history.
    ///
    /// # Errors
    /// [`LoginRefusal::NotRegistered`] without an active account.
    pub fn track_login(&self, login: &Login) -> Result<Option<Self>, LoginRefusal> {
        let mut after = self.clone();
        let Account::Active { last_login_at, last_login_event, .. } = &mut after.account else {
            return Err(LoginRefusal::NotRegistered);
        };
        if login.at <= *last_login_at || last_login_event.as_ref() == Some(&login.event) {
            return Ok(None);
        }
        *last_login_at = login.at;
        *last_login_event = Some(login.event.clone());
        Ok(Some(after))
    }

    /// Customer Care changes the account's address, of which both the old one and the new one are told. Whether the new
    /// one is free is the store's to say. `None` if it is the account's already: then nobody is told anything.
    ///
    /// # Errors
    /// As [`PortalRecord::may_change_email`].
    pub fn change_account_email(&self, new: &EmailAddress, act: Act) -> Result<Option<Change>, ChangeEmailRefusal> {
        let old = self.email_to_change(act.actor.role)?;
        if old == new {
            return Ok(None);
        }
        self.may_change_email(act.actor.role)?;
        let at = act.at;
        let notices = [(NoticeKind::AddressRemoved, old), (NoticeKind::AddressAdded, new)];
        let notices = notices.map(|(kind, to)| Notice { kind, to: to.clone(), at });
        Ok(Some(self.change(act, EventKind::AccountEmailChanged, |after| {
            if let Account::Active { email, .. } = &mut after.account {
                *email = new.clone();
            }
            // Whoever repeats the registration from the old mailbox must not be told the new address.
            after.link = None;
            after.notify(notices, at);
        })))
    }
}

/// A report that somebody logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The event that is reported. Repeated reports have the same one.
    pub event: EventId,
    /// When.
    pub at: DateTime<Utc>,
}

/// What came of comparing a date of birth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is right: the account is open.
    Registered(Box<Change>),
    /// It is wrong, and may be tried again.
    Mismatch,
    /// It is wrong for the last time: the link is locked, the record stays.
    Locked(Box<Change>),
    /// Meanwhile the link has stopped working.
    NotUsable,
}
