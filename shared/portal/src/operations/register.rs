//! What the holder of a mailed link can do: look at it, register, decline, ask for a new one, stop the reminders.
//!
//! Nobody has signed in here: the token is what permits it, and a date of birth what tells the patient from whoever
//! else reads the mail. Every unusable link gets the same refusal.

use chrono::NaiveDate;

use super::{MOST_ROUNDS, OperationError};
use crate::{
    email::EmailAddress,
    idempotency::KeyedRequest,
    ids::{AccountId, LinkId, RequestId},
    link::Token,
    ports::{Clock, CommitOutcome, Entropy, Hint, InvitationMessage, LinkStore, Queue, QueueError, StoreError},
    record::{Account, Change, PortalRecord, RevokeReason, account::Registration},
    refusal::Refusal,
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
/// [`Refusal::LinkNotUsable`], [`OperationError::Store`].
pub async fn check(store: &impl LinkStore, clock: &impl Clock, token: &Token) -> Result<LinkPreview, OperationError> {
    let loaded = store.load_linked(&token.link).await?;
    let (record, practice) = loaded.record.zip(loaded.practice).ok_or(Refusal::LinkNotUsable)?;
    record.usable_link(token, clock.now())?;
    let invitation = record.invitation.as_ref().ok_or(Refusal::LinkNotUsable)?;
    Ok(LinkPreview { practice_name: practice.settings.name, masked_email: invitation.email.masked() })
}

/// Opens the account, if the date of birth is the patient's. It is counted, and the count committed, before it is
/// compared: however many guess at once, no more are compared than were counted.
///
/// Whoever repeats the request that opened it gets the same account.
///
/// # Errors
/// [`Refusal::LinkNotUsable`], [`Refusal::DateOfBirthMismatch`], [`OperationError::Store`].
pub async fn register(
    store: &impl LinkStore,
    clock: &impl Clock,
    entropy: &impl Entropy,
    holder: &Holder<'_>,
    date_of_birth: NaiveDate,
) -> Result<Registered, OperationError> {
    let account = entropy.account_id();
    let counted = holder.carry_out(store, clock, |record, act| record.count_guess(holder.token, act));
    let mut record = match counted.await? {
        Carried::Out(change) => change.after,
        Carried::Before(record) => return registered(*record),
    };
    for _ in 0..MOST_ROUNDS {
        let (change, wrong) =
            match record.register(date_of_birth, account.clone(), holder.keyed.as_ref(), holder.act(clock)) {
                Registration::Registered(change) => (change, false),
                Registration::Locked(change) => (change, true),
                Registration::Mismatch => return Err(Refusal::DateOfBirthMismatch.into()),
                Registration::NotUsable if holder.asked_before(&record, clock) => return registered(record),
                Registration::NotUsable => return Err(Refusal::LinkNotUsable.into()),
            };
        match store.commit_linked(&change).await? {
            CommitOutcome::Committed if wrong => return Err(Refusal::DateOfBirthMismatch.into()),
            CommitOutcome::Committed => return registered(change.after),
            CommitOutcome::Stale => {}
            CommitOutcome::EmailInUse { .. } => return Err(claims_nothing().into()),
        }
        record = holder.load(store).await?;
    }
    Err(StoreError::Busy.into())
}

/// The holder does not want the invitation, or is not the one it is for. Not an opt-out: a stranger may hold a
/// misdirected link.
///
/// # Errors
/// [`Refusal::LinkNotUsable`], [`OperationError::Store`].
pub async fn decline(
    store: &impl LinkStore,
    clock: &impl Clock,
    holder: &Holder<'_>,
    reason: RevokeReason,
) -> Result<(), OperationError> {
    holder.carry_out(store, clock, |record, act| record.decline(holder.token, reason, act)).await?;
    Ok(())
}

/// Sends a new link to the address that this one was mailed to, also when this one has expired. Gives the queue's
/// error, to be logged: the sweep queues the mail within minutes.
///
/// # Errors
/// [`Refusal::LinkNotUsable`], [`Refusal::TooSoon`], [`OperationError::Store`].
pub async fn new_link(
    store: &impl LinkStore,
    queue: &impl Queue,
    clock: &impl Clock,
    entropy: &impl Entropy,
    holder: &Holder<'_>,
) -> Result<Option<QueueError>, OperationError> {
    let id = entropy.invitation_id(clock.now());
    let practice = store.load_linked(&holder.token.link).await?.practice.ok_or(Refusal::LinkNotUsable)?;
    let ask = |record: &PortalRecord, act| {
        Ok(record.new_link(&practice, holder.token, id.clone(), act)?.remembering(holder.keyed.as_ref()))
    };
    match holder.carry_out(store, clock, ask).await? {
        Carried::Out(change) => {
            let hint = Hint::Invitation(InvitationMessage { key: change.after.key, invitation: id.clone() });
            Ok(queue.send(&[hint]).await.err())
        }
        Carried::Before(_) => Ok(None),
    }
}

/// Stops the reminders of the record that has this link (RFC 8058). The id alone permits it: it is in no mail but the
/// patient's, and the worst it can do is to spare them a mail. Says nothing about whether there was such a link.
///
/// # Errors
/// [`StoreError`]
pub async fn stop_reminders(
    store: &impl LinkStore,
    clock: &impl Clock,
    link: &LinkId,
    request: &RequestId,
) -> Result<(), StoreError> {
    for _ in 0..MOST_ROUNDS {
        let record = store.load_linked(link).await?.record;
        let Some(change) = record.and_then(|record| record.stop_reminders(act(clock, request))) else { return Ok(()) };
        match store.commit_linked(&change).await? {
            CommitOutcome::Committed => return Ok(()),
            CommitOutcome::Stale => {}
            CommitOutcome::EmailInUse { .. } => return Err(claims_nothing()),
        }
    }
    Err(StoreError::Busy)
}

/// What came of a request.
enum Carried {
    /// It was carried out, now.
    Out(Box<Change>),
    /// It was carried out before; the record is as it is now.
    Before(Box<PortalRecord>),
}

impl Holder<'_> {
    fn act(&self, clock: &impl Clock) -> Act {
        act(clock, self.request)
    }

    async fn load(&self, store: &impl LinkStore) -> Result<PortalRecord, OperationError> {
        Ok(store.load_linked(&self.token.link).await?.record.ok_or(Refusal::LinkNotUsable)?)
    }

    /// Whether this very request was carried out before. Only whoever was mailed the link may know.
    fn asked_before(&self, record: &PortalRecord, clock: &impl Clock) -> bool {
        let link = record.link.as_ref().filter(|link| link.id == self.token.link);
        let mailed = link.is_some_and(|link| link.was_mailed_with(&self.token.secret));
        let Some(keyed) = self.keyed.as_ref().filter(|_| mailed) else { return false };
        // The same key with another date of birth is another guess, and gets no other answer than any.
        record.earlier(keyed, clock.now()).is_ok_and(|earlier| earlier.is_some())
    }

    /// Reads the record, lets `decide` make the change, commits it, and starts over when somebody else was first.
    async fn carry_out(
        &self,
        store: &impl LinkStore,
        clock: &impl Clock,
        decide: impl Fn(&PortalRecord, Act) -> Result<Change, Refusal>,
    ) -> Result<Carried, OperationError> {
        for _ in 0..MOST_ROUNDS {
            let record = self.load(store).await?;
            if self.asked_before(&record, clock) {
                return Ok(Carried::Before(Box::new(record)));
            }
            let change = decide(&record, self.act(clock))?;
            match store.commit_linked(&change).await? {
                CommitOutcome::Committed => return Ok(Carried::Out(Box::new(change))),
                CommitOutcome::Stale => {}
                // Another patient's profile has come to carry the address: staff must sort it out.
                CommitOutcome::EmailInUse { .. } => return Err(Refusal::LinkNotUsable.into()),
            }
        }
        Err(StoreError::Busy.into())
    }
}

fn act(clock: &impl Clock, request: &RequestId) -> Act {
    Act { at: clock.now(), actor: Actor::unnamed(Role::Patient), request: request.clone() }
}

fn registered(record: PortalRecord) -> Result<Registered, OperationError> {
    match record.account {
        Account::Active { id, email, .. } => Ok(Registered { account: id, email }),
        Account::None | Account::Deactivated { .. } => {
            Err(StoreError::Corrupt("a registration opened no account".into()).into())
        }
    }
}

fn claims_nothing() -> StoreError {
    StoreError::Corrupt("a change that claims no address was refused for one".into())
}
