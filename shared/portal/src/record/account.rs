//! Transitions of the account: registration with a link, logins, changes of the account's address, closing and reopening.

use chrono::{DateTime, NaiveDate, Utc};

use super::{Account, Change, Choice, InvitationState, Notice, PortalRecord, guards::Recipient};
use crate::states::{NoticeKind, RevokeReason};
use crate::{
    email::EmailAddress,
    idempotency::KeyedRequest,
    ids::{AccountId, EventId, InvitationId},
    link::{Link, Token},
    policy::{MAIL_GAP, MAIL_WINDOW, MAX_BIRTH_DATE_ATTEMPTS, MAX_DAILY_BIRTH_DATE_ATTEMPTS, round_up_to_secs},
    practice::Practice,
    refusal::{
        ChangeEmailRefusal, CloseRefusal, LinkRefusal, LoginRefusal, NewLinkRefusal, RegisterRefusal, ReinviteRefusal,
        ReopenRefusal,
    },
    text::CloseReason,
    timeline::{ChangeContext, EventKind},
};

impl PortalRecord {
    /// The link that this token opens, if it is usable.
    ///
    /// # Errors
    /// [`LinkRefusal::LinkNotUsable`] for every reason, because an unauthorised person must not learn the reason.
    pub fn usable_link(&self, token: &Token, now: DateTime<Utc>) -> Result<&Link, LinkRefusal> {
        let link = self.link.as_ref().filter(|link| link.id == token.link).ok_or(LinkRefusal::LinkNotUsable)?;
        let opens = link.opens_with(&token.secret, now);
        let wanted = self.choice == Choice::In && self.account == Account::None;
        if opens && wanted && link.birth_date_attempts < MAX_BIRTH_DATE_ATTEMPTS {
            Ok(link)
        } else {
            Err(LinkRefusal::LinkNotUsable)
        }
    }

    /// Counts an attempt to give the date of birth. The change must be committed before [`PortalRecord::register`] compares
    /// the date. So concurrent requests cannot compare more dates than were counted.
    ///
    /// # Errors
    /// As [`PortalRecord::usable_link`], and [`RegisterRefusal::TooSoon`] after [`MAX_DAILY_BIRTH_DATE_ATTEMPTS`].
    pub fn count_birth_date_attempt(&self, token: &Token, context: ChangeContext) -> Result<Change, RegisterRefusal> {
        let at = context.at;
        let birth_date_attempts = self.usable_link(token, at)?.birth_date_attempts + 1;
        let attempts = &self.recent_birth_date_attempts;
        if let Some(oldest) = attempts.iter().rev().nth(MAX_DAILY_BIRTH_DATE_ATTEMPTS - 1)
            && *oldest + MAIL_WINDOW > at
        {
            return Err(RegisterRefusal::TooSoon { retry_after_secs: round_up_to_secs(*oldest + MAIL_WINDOW - at) });
        }
        Ok(self.change(context, EventKind::DateOfBirthChecked { birth_date_attempts }, |after| {
            if let Some(link) = &mut after.link {
                link.birth_date_attempts = birth_date_attempts;
            }
            after.recent_birth_date_attempts.retain(|earlier| *earlier + MAIL_WINDOW > at);
            after.recent_birth_date_attempts.push(at);
        }))
    }

    /// Compares the date of birth after [`PortalRecord::count_birth_date_attempt`] has counted the attempt, and opens the
    /// account if the date is right. A wrong date changes nothing, except that the last permitted one locks the link.
    ///
    /// Registration removes the link. Only after a keyed request the link stays in the record, unusable, so that a client
    /// that lost the answer can find the record by the link again.
    #[must_use]
    pub fn register(
        &self,
        date_of_birth: NaiveDate,
        id: AccountId,
        keyed: Option<&KeyedRequest>,
        context: ChangeContext,
    ) -> Registration {
        let Some((invitation, link)) = self.invitation.as_ref().zip(self.link.as_ref()) else {
            return Registration::NotUsable;
        };
        if self.choice != Choice::In || self.account != Account::None {
            return Registration::NotUsable;
        }
        if self.profile.date_of_birth.is_none_or(|actual| *actual.expose() != date_of_birth) {
            if link.birth_date_attempts < MAX_BIRTH_DATE_ATTEMPTS {
                return Registration::Mismatch;
            }
            return Registration::Locked(Box::new(self.revoked(invitation.id.clone(), RevokeReason::Locked, context)));
        }
        let (at, email, receipt) = (context.at, invitation.email.clone(), invitation.receipt().cloned());
        let change = self.change(context, EventKind::Registered, |after| {
            after.set_invitation_state(InvitationState::Consumed { at, receipt });
            after.account = Account::Active { id, email, registered_at: at, last_login: None };
            after.link = after.link.take().filter(|_| keyed.is_some());
            after.next_action = None;
        });
        Registration::Registered(Box::new(change.with_remembered_request(keyed)))
    }

    /// The holder of the link declines the invitation, or is not the patient. This is not an opt-out, because a link may have
    /// been sent to the wrong person.
    ///
    /// # Errors
    /// As [`PortalRecord::usable_link`].
    pub fn decline(&self, token: &Token, reason: RevokeReason, context: ChangeContext) -> Result<Change, LinkRefusal> {
        self.usable_link(token, context.at)?;
        let invitation = self.invitation.as_ref().ok_or(LinkRefusal::LinkNotUsable)?.id.clone();
        Ok(self.revoked(invitation, reason, context))
    }

    /// The holder of a link, expired or not, asks for a new link. It is sent only to the same address.
    ///
    /// # Errors
    /// [`NewLinkRefusal::TooSoon`]; for every other reason [`NewLinkRefusal::LinkNotUsable`], because the holder must learn
    /// nothing about the patient.
    pub fn new_link(
        &self,
        practice: &Practice,
        token: &Token,
        id: InvitationId,
        context: ChangeContext,
    ) -> Result<Change, NewLinkRefusal> {
        let link = self.link.as_ref().filter(|link| link.id == token.link).ok_or(NewLinkRefusal::LinkNotUsable)?;
        if !link.was_mailed_with(&token.secret) || link.birth_date_attempts >= MAX_BIRTH_DATE_ATTEMPTS {
            return Err(NewLinkRefusal::LinkNotUsable);
        }
        self.reinvite(practice, &Recipient::default(), id, context).map_err(|refusal| match refusal {
            // A mail was requested recently and has not been sent yet.
            ReinviteRefusal::SendInProgress => {
                NewLinkRefusal::TooSoon { retry_after_secs: MAIL_GAP.num_seconds().unsigned_abs() }
            }
            ReinviteRefusal::TooSoon { retry_after_secs } => NewLinkRefusal::TooSoon { retry_after_secs },
            ReinviteRefusal::PortalNotActivated
            | ReinviteRefusal::AlreadyRegistered
            | ReinviteRefusal::AccountClosed
            | ReinviteRefusal::PatientInactive
            | ReinviteRefusal::OptedOut
            | ReinviteRefusal::DateOfBirthMissing
            | ReinviteRefusal::PatientNotFound
            | ReinviteRefusal::NotInvited
            | ReinviteRefusal::AddressSuppressed
            | ReinviteRefusal::EmailInUse { .. }
            | ReinviteRefusal::TooManyRefusals { .. } => NewLinkRefusal::LinkNotUsable,
        })
    }

    /// Records a login and returns the record after it. `None` if the report changes nothing: a login at the same time or
    /// later is recorded already, or the latest login has the same event id, even with another time, or the login is older
    /// than the registration. Such a login belongs to an earlier account with this address. The record keeps only the latest
    /// login and its event id. A login is no entry of the timeline.
    ///
    /// # Errors
    /// [`LoginRefusal::NotRegistered`] without an active account.
    pub fn track_login(&self, login: &Login) -> Result<Option<Self>, LoginRefusal> {
        let mut after = self.clone();
        let Account::Active { registered_at, last_login, .. } = &mut after.account else {
            return Err(LoginRefusal::NotRegistered);
        };
        let is_known = |last: &Login| login.at <= last.at || login.event == last.event;
        if login.at < *registered_at || last_login.as_ref().is_some_and(is_known) {
            return Ok(None);
        }
        *last_login = Some(login.clone());
        Ok(Some(after))
    }

    /// Customer Care changes the account's address. Both the old and the new address get a notice. The store checks whether
    /// the new address is free. `None` if the account has this address already: then no notice is sent.
    ///
    /// # Errors
    /// As [`PortalRecord::may_change_email`].
    pub fn change_account_email(
        &self,
        new: &EmailAddress,
        context: ChangeContext,
    ) -> Result<Option<Change>, ChangeEmailRefusal> {
        let old = self.email_to_change(context.actor.role)?;
        if old == new {
            return Ok(None);
        }
        self.may_change_email(context.actor.role)?;
        let at = context.at;
        let notices = [(NoticeKind::AddressRemoved, old), (NoticeKind::AddressAdded, new)];
        let notices = notices.map(|(kind, to)| Notice { kind, to: to.clone(), at });
        Ok(Some(self.change(context, EventKind::AccountEmailChanged, |after| {
            if let Account::Active { email, .. } = &mut after.account {
                *email = new.clone();
            }
            // A repeated registration from the old mailbox must not show the new address.
            after.link = None;
            after.notify(notices, at);
        })))
    }

    /// Closes the account: no login is recorded, and the patient can be neither invited nor registered. The claim on the
    /// address remains. The account's address and the profile's get a notice.
    ///
    /// # Errors
    /// As [`PortalRecord::may_close`].
    pub fn close_account(&self, reason: CloseReason, context: ChangeContext) -> Result<Change, CloseRefusal> {
        self.may_close()?;
        let at = context.at;
        let notices = self.notices_to_patient(NoticeKind::AccountClosed, at);
        Ok(self.change(context, EventKind::AccountClosed { reason }, |after| {
            if let Account::Active { id, email, registered_at, last_login } = after.account.clone() {
                after.account = Account::Deactivated { id, email, registered_at, last_login };
            }
            // A repeated registration must not answer as if the account was open.
            after.link = None;
            after.notify(notices, at);
        }))
    }

    /// Customer Care opens the closed account again, as it was. The account's address and the profile's get a notice.
    ///
    /// # Errors
    /// As [`PortalRecord::may_reopen`].
    pub fn reopen_account(&self, context: ChangeContext) -> Result<Change, ReopenRefusal> {
        self.may_reopen(context.actor.role)?;
        let at = context.at;
        let notices = self.notices_to_patient(NoticeKind::AccountReopened, at);
        Ok(self.change(context, EventKind::AccountReopened, |after| {
            if let Account::Deactivated { id, email, registered_at, last_login } = after.account.clone() {
                after.account = Account::Active { id, email, registered_at, last_login };
            }
            after.notify(notices, at);
        }))
    }

    /// The notices of a change of the account: to its address, and to the profile's if that is another one.
    fn notices_to_patient(&self, kind: NoticeKind, at: DateTime<Utc>) -> Vec<Notice> {
        let account = match &self.account {
            Account::None => None,
            Account::Active { email, .. } | Account::Deactivated { email, .. } => Some(email),
        };
        let profile = self.profile.email.as_ref().filter(|email| Some(*email) != account);
        account.into_iter().chain(profile).map(|to| Notice { kind, to: to.clone(), at }).collect()
    }
}

/// A report that a patient logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The id of the reported event. Repeated reports have the same id.
    pub event: EventId,
    /// When the patient logged in.
    pub at: DateTime<Utc>,
}

/// The outcome of comparing a date of birth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The date is right: the account is open.
    Registered(Box<Change>),
    /// The date is wrong. Another attempt is permitted.
    Mismatch,
    /// The date is wrong and no attempt is left: the link is locked. The record remains.
    Locked(Box<Change>),
    /// The link has stopped working meanwhile.
    NotUsable,
}
