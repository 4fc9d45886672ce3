//! What the holder of a mailed link can do: look at it, register, decline, ask for a new one, stop the reminders.
//!
//! Nobody has signed in here: the token is what permits it, and a date of birth what tells the patient from whoever
//! else reads the mail. Every unusable link gets the same refusal.

use chrono::NaiveDate;

use super::{MOST_ROUNDS, OperationError, claims_nothing};
use crate::{
    email::EmailAddress,
    idempotency::KeyedRequest,
    ids::{AccountId, LinkId, RequestId},
    link::Token,
    ports::{Clock, CommitOutcome, Entropy, Hint, InvitationMessage, LinkStore, Ports, Queue, QueueError, StoreError},
    record::{Account, Change, PortalRecord, RevokeReason, account::Registration},
    refusal::{LinkRefusal, NewLinkRefusal, RegisterRefusal},
    text::DisplayName,
    timeline::{Act, Actor, Role},
};

/// What the holder of a link presents.
#[derive(Clone, Debug)]
pub struct Holder<'request> {
    /// The link's token.
    pub token: &'request Token,
    /// Which request.
    pub request: &'request RequestId,
    /// The request as its client may repeat it (`Idempotency-Key`), if it gave a key.
    pub keyed: Option<KeyedRequest>,
}

/// What a usable link shows before a date of birth is given: enough to trust it, nothing about the patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPreview {
    /// Who invites.
    pub practice_name: DisplayName,
    /// The invited address, masked.
    pub masked_email: String,
}

/// A new account: what an identity provider needs to create the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The opaque id that the identity provider keeps.
    pub account: AccountId,
    /// The login's address.
    pub email: EmailAddress,
}

/// Looks at a link. Changes nothing, however often: scanners look at links too.
///
/// # Errors
/// [`LinkRefusal::LinkNotUsable`], [`OperationError::Store`].
pub async fn check(
    ports: &Ports<'_, impl LinkStore>,
    token: &Token,
) -> Result<LinkPreview, OperationError<LinkRefusal>> {
    let unusable = || OperationError::Refused(LinkRefusal::LinkNotUsable);
    let loaded = ports.store.load_linked(&token.link).await?;
    let (record, practice) = loaded.record.zip(loaded.practice).ok_or_else(unusable)?;
    record.usable_link(token, ports.clock.now()).map_err(OperationError::Refused)?;
    let invitation = record.invitation.as_ref().ok_or_else(unusable)?;
    Ok(LinkPreview { practice_name: practice.settings.name, masked_email: invitation.email.masked() })
}

/// Opens the account, if the date of birth is the patient's. It is counted, and the count committed, before it is
/// compared: however many guess at once, no more are compared than were counted.
///
/// A repetition of the request that opened it gets the same account.
///
/// # Errors
/// [`RegisterRefusal`], [`OperationError::Store`].
pub async fn register(
    ports: &Ports<'_, impl LinkStore>,
    entropy: &dyn Entropy,
    holder: &Holder<'_>,
    date_of_birth: NaiveDate,
) -> Result<Registered, OperationError<RegisterRefusal>> {
    let Ports { store, clock } = *ports;
    let refused = |refusal| Err(OperationError::Refused(refusal));
    let account = entropy.account_id();
    let counted = holder.carry_out(ports, |record, act| Ok(record.count_guess(holder.token, act)?));
    let mut record = match counted.await? {
        HolderOutcome::CarriedOut(change) => change.after,
        HolderOutcome::Repeated(record) => return Ok(registered(*record)?),
    };
    for _ in 0..MOST_ROUNDS {
        let (change, wrong) =
            match record.register(date_of_birth, account.clone(), holder.keyed.as_ref(), holder.act(clock)) {
                Registration::Registered(change) => (change, false),
                Registration::Locked(change) => (change, true),
                Registration::Mismatch => return refused(RegisterRefusal::DateOfBirthMismatch),
                Registration::NotUsable if holder.asked_before(&record, clock) => return Ok(registered(record)?),
                Registration::NotUsable => return refused(RegisterRefusal::LinkNotUsable),
            };
        match store.commit(&change).await? {
            CommitOutcome::Committed if wrong => return refused(RegisterRefusal::DateOfBirthMismatch),
            CommitOutcome::Committed => return Ok(registered(change.after)?),
            CommitOutcome::Stale => {}
            CommitOutcome::EmailInUse { .. } => return Err(claims_nothing().into()),
        }
        let newer = store.load_linked(&holder.token.link).await?.record;
        let Some(newer) = newer else { return refused(RegisterRefusal::LinkNotUsable) };
        record = newer;
    }
    Err(StoreError::Busy.into())
}

/// The holder does not want the invitation, or is not the one it is for. Not an opt-out: a stranger may hold a
/// misdirected link.
///
/// # Errors
/// [`LinkRefusal::LinkNotUsable`], [`OperationError::Store`].
pub async fn decline(
    ports: &Ports<'_, impl LinkStore>,
    holder: &Holder<'_>,
    reason: RevokeReason,
) -> Result<(), OperationError<LinkRefusal>> {
    holder.carry_out(ports, |record, act| record.decline(holder.token, reason, act)).await?;
    Ok(())
}

/// Sends a new link to the address that this one was mailed to, also when this one has expired. Gives the queue's
/// error, to be logged: the sweep queues the mail within minutes.
///
/// # Errors
/// [`NewLinkRefusal`], [`OperationError::Store`].
pub async fn new_link(
    ports: &Ports<'_, impl LinkStore>,
    queue: &impl Queue,
    entropy: &dyn Entropy,
    holder: &Holder<'_>,
) -> Result<Option<QueueError>, OperationError<NewLinkRefusal>> {
    let id = entropy.invitation_id(ports.clock.now());
    let practice = ports.store.load_linked(&holder.token.link).await?.practice;
    let practice = practice.ok_or(OperationError::Refused(NewLinkRefusal::LinkNotUsable))?;
    let ask = |record: &PortalRecord, act| {
        Ok(record.new_link(&practice, holder.token, id.clone(), act)?.remembering(holder.keyed.as_ref()))
    };
    match holder.carry_out(ports, ask).await? {
        HolderOutcome::CarriedOut(change) => {
            let hint = Hint::Invitation(InvitationMessage { key: change.after.key, invitation: id.clone() });
            Ok(queue.send(&[hint]).await.err())
        }
        HolderOutcome::Repeated(_) => Ok(None),
    }
}

/// Stops the reminders of the record that has this link (RFC 8058). The id alone permits it: it is in no mail but the
/// patient's, and the worst it can do is to spare them a mail. Says nothing about whether there was such a link.
///
/// # Errors
/// [`StoreError`]
pub async fn stop_reminders(
    ports: &Ports<'_, impl LinkStore>,
    link: &LinkId,
    request: &RequestId,
) -> Result<(), StoreError> {
    let Ports { store, clock } = *ports;
    for _ in 0..MOST_ROUNDS {
        let record = store.load_linked(link).await?.record;
        let Some(change) = record.and_then(|record| record.stop_reminders(act(clock, request))) else { return Ok(()) };
        match store.commit(&change).await? {
            CommitOutcome::Committed => return Ok(()),
            CommitOutcome::Stale => {}
            CommitOutcome::EmailInUse { .. } => return Err(claims_nothing()),
        }
    }
    Err(StoreError::Busy)
}

/// What came of a request of a link's holder.
enum HolderOutcome {
    /// It was carried out, now.
    CarriedOut(Box<Change>),
    /// It was carried out before; the record is as it is now.
    Repeated(Box<PortalRecord>),
}

impl Holder<'_> {
    fn act(&self, clock: &dyn Clock) -> Act {
        act(clock, self.request)
    }

    /// Whether this very request was carried out before. Only whoever was mailed the link may know.
    fn asked_before(&self, record: &PortalRecord, clock: &dyn Clock) -> bool {
        let link = record.link.as_ref().filter(|link| link.id == self.token.link);
        let mailed = link.is_some_and(|link| link.was_mailed_with(&self.token.secret));
        let Some(keyed) = self.keyed.as_ref().filter(|_| mailed) else { return false };
        // The same key with another date of birth is another guess, and gets no other answer than any.
        record.earlier(keyed, clock.now()).is_ok_and(|earlier| earlier.is_some())
    }

    /// Reads the record, lets `decide` make the change, commits it, and starts over when somebody else was first.
    async fn carry_out<R: From<LinkRefusal>>(
        &self,
        ports: &Ports<'_, impl LinkStore>,
        decide: impl Fn(&PortalRecord, Act) -> Result<Change, R>,
    ) -> Result<HolderOutcome, OperationError<R>> {
        let Ports { store, clock } = *ports;
        let unusable = || OperationError::Refused(LinkRefusal::LinkNotUsable.into());
        for _ in 0..MOST_ROUNDS {
            let record = store.load_linked(&self.token.link).await?.record.ok_or_else(unusable)?;
            if self.asked_before(&record, clock) {
                return Ok(HolderOutcome::Repeated(Box::new(record)));
            }
            let change = decide(&record, self.act(clock)).map_err(OperationError::Refused)?;
            match store.commit(&change).await? {
                CommitOutcome::Committed => return Ok(HolderOutcome::CarriedOut(Box::new(change))),
                CommitOutcome::Stale => {}
                // Another patient's profile has come to carry the address: staff must sort it out.
                CommitOutcome::EmailInUse { .. } => return Err(unusable()),
            }
        }
        Err(StoreError::Busy.into())
    }
}

fn act(clock: &dyn Clock, request: &RequestId) -> Act {
    Act { at: clock.now(), actor: Actor::unnamed(Role::Patient), request: request.clone() }
}

fn registered(record: PortalRecord) -> Result<Registered, StoreError> {
    match record.account {
        Account::Active { id, email, .. } => Ok(Registered { account: id, email }),
        Account::None | Account::Deactivated { .. } => {
            Err(StoreError::Corrupt("a registration opened no account".into()))
        }
    }
}
