//! The operations of the holder of a mailed link: check it, register, decline, request a new link, stop the reminders.
//!
//! The holder is not signed in. The token is the permission, and the date of birth distinguishes the patient from another
//! reader of the mail. Every unusable link gets the same refusal.

use chrono::NaiveDate;

use super::{MAX_ROUNDS, OperationError, unexpected_address_refusal};
use crate::{
    email::EmailAddress,
    idempotency::KeyedRequest,
    ids::{AccountId, LinkId, RequestId},
    link::Token,
    ports::{Clock, CommitOutcome, Entropy, Hint, InvitationMessage, LinkStore, Ports, Queue, QueueError, StoreError},
    record::{Account, Change, PortalRecord, account::Registration},
    refusal::{HolderRefusal, LinkRefusal, NewLinkRefusal, RegisterRefusal},
    states::RevokeReason,
    text::DisplayName,
    timeline::{Actor, ChangeContext, Role},
};

/// A request of the holder of a link.
#[derive(Clone, Debug)]
pub struct Holder<'request> {
    /// The link's token.
    pub token: &'request Token,
    /// The request's id.
    pub request: &'request RequestId,
    /// The keyed request, if the client gave an `Idempotency-Key`.
    pub keyed: Option<KeyedRequest>,
}

/// What a usable link shows before the holder gives a date of birth: enough to trust the link, nothing about the patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPreview {
    /// The name of the practice that invites.
    pub practice_name: DisplayName,
    /// The invited address, masked.
    pub masked_email: String,
}

/// A new account: the data that an identity provider needs to create the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The opaque id that the identity provider stores.
    pub account: AccountId,
    /// The login's address.
    pub email: EmailAddress,
}

/// Checks a link. Changes nothing, because mail scanners open links too.
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

/// Opens the account, if the date of birth is the patient's. The attempt is counted, and the count committed, before the
/// date is compared. So concurrent requests cannot compare more dates than were counted.
///
/// A repeat of the keyed request that opened the account returns the same account.
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
    let counted = holder.execute(ports, |record, context| record.count_birth_date_attempt(holder.token, context));
    let mut record = match counted.await? {
        HolderOutcome::Executed(change) => change.after,
        HolderOutcome::Repeated(record) => return Ok(registered(*record)?),
    };
    for _ in 0..MAX_ROUNDS {
        let (change, wrong) =
            match record.register(date_of_birth, account.clone(), holder.keyed.as_ref(), holder.context(clock)) {
                Registration::Registered(change) => (change, false),
                Registration::Locked(change) => (change, true),
                Registration::Mismatch => return refused(RegisterRefusal::DateOfBirthMismatch),
                Registration::NotUsable if holder.was_executed(&record, clock) => return Ok(registered(record)?),
                Registration::NotUsable => return refused(RegisterRefusal::LinkNotUsable),
            };
        match store.commit(&change).await? {
            CommitOutcome::Committed if wrong => return refused(RegisterRefusal::DateOfBirthMismatch),
            CommitOutcome::Committed => return Ok(registered(change.after)?),
            CommitOutcome::Stale => {}
            // Another patient has taken over the address after the claim lapsed.
            CommitOutcome::AddressRefused(_) => return refused(RegisterRefusal::LinkNotUsable),
        }
        let newer = store.load_linked(&holder.token.link).await?.record;
        let Some(newer) = newer else { return refused(RegisterRefusal::LinkNotUsable) };
        record = newer;
    }
    Err(StoreError::Busy.into())
}

/// The holder declines the invitation, or is not the patient. This is not an opt-out, because a link may have been sent to
/// the wrong person.
///
/// # Errors
/// [`LinkRefusal::LinkNotUsable`], [`OperationError::Store`].
pub async fn decline(
    ports: &Ports<'_, impl LinkStore>,
    holder: &Holder<'_>,
    reason: RevokeReason,
) -> Result<(), OperationError<LinkRefusal>> {
    holder.execute(ports, |record, context| record.decline(holder.token, reason, context)).await?;
    Ok(())
}

/// Sends a new link to the address that this link was mailed to, even if this link has expired. Returns the queue's error,
/// if any, for the log: the sweep queues the mail within minutes.
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
    let decide = |record: &PortalRecord, context| {
        Ok(record
            .new_link(&practice, holder.token, id.clone(), context)?
            .with_remembered_request(holder.keyed.as_ref()))
    };
    match holder.execute(ports, decide).await? {
        HolderOutcome::Executed(change) => {
            let hint = Hint::Invitation(InvitationMessage { key: change.after.key, invitation: id.clone() });
            Ok(queue.send(&[hint]).await.err())
        }
        HolderOutcome::Repeated(_) => Ok(None),
    }
}

/// Stops the reminders of the record that has this link (RFC 8058). The link's id is enough permission: it is only in the
/// patient's mail, and misuse can only stop a reminder. The result does not show whether the link exists.
///
/// # Errors
/// [`StoreError`]
pub async fn stop_reminders(
    ports: &Ports<'_, impl LinkStore>,
    link: &LinkId,
    request: &RequestId,
) -> Result<(), StoreError> {
    let Ports { store, clock } = *ports;
    for _ in 0..MAX_ROUNDS {
        let record = store.load_linked(link).await?.record;
        let Some(change) = record.and_then(|record| record.stop_reminders(patient_context(clock, request))) else {
            return Ok(());
        };
        match store.commit(&change).await? {
            CommitOutcome::Committed => return Ok(()),
            CommitOutcome::Stale => {}
            CommitOutcome::AddressRefused(_) => return Err(unexpected_address_refusal()),
        }
    }
    Err(StoreError::Busy)
}

/// The outcome of a request of a link's holder.
enum HolderOutcome {
    /// The request was executed now.
    Executed(Box<Change>),
    /// The request was executed before. Contains the current record.
    Repeated(Box<PortalRecord>),
}

impl Holder<'_> {
    fn context(&self, clock: &dyn Clock) -> ChangeContext {
        patient_context(clock, self.request)
    }

    /// Whether this same request was executed before. Only a person to whom the link was mailed may learn that.
    fn was_executed(&self, record: &PortalRecord, clock: &dyn Clock) -> bool {
        let link = record.link.as_ref().filter(|link| link.id == self.token.link);
        let mailed = link.is_some_and(|link| link.was_mailed_with(&self.token.secret));
        let Some(keyed) = self.keyed.as_ref().filter(|_| mailed) else { return false };
        // The same key with another date of birth is a new attempt, and is answered like any other attempt.
        record.find_request(keyed, clock.now()).is_ok_and(|found| found.is_some())
    }

    /// Reads the record, lets `decide` make the change, and commits it. Starts again if another request was first.
    async fn execute<R: HolderRefusal>(
        &self,
        ports: &Ports<'_, impl LinkStore>,
        decide: impl Fn(&PortalRecord, ChangeContext) -> Result<Change, R>,
    ) -> Result<HolderOutcome, OperationError<R>> {
        let Ports { store, clock } = *ports;
        let unusable = || OperationError::Refused(LinkRefusal::LinkNotUsable.into());
        for _ in 0..MAX_ROUNDS {
            let record = store.load_linked(&self.token.link).await?.record.ok_or_else(unusable)?;
            if self.was_executed(&record, clock) {
                return Ok(HolderOutcome::Repeated(Box::new(record)));
            }
            let change = decide(&record, self.context(clock)).map_err(OperationError::Refused)?;
            match store.commit(&change).await? {
                CommitOutcome::Committed => return Ok(HolderOutcome::Executed(Box::new(change))),
                CommitOutcome::Stale => {}
                CommitOutcome::AddressRefused(refusal) => {
                    return Err(OperationError::Refused(R::from_address(refusal)));
                }
            }
        }
        Err(StoreError::Busy.into())
    }
}

/// The context of a change that the holder of a link makes now.
fn patient_context(clock: &dyn Clock, request: &RequestId) -> ChangeContext {
    ChangeContext { at: clock.now(), actor: Actor::from_role(Role::Patient), request: request.clone() }
}

fn registered(record: PortalRecord) -> Result<Registered, StoreError> {
    match record.account {
        Account::Active { id, email, .. } => Ok(Registered { account: id, email }),
        Account::None | Account::Deactivated { .. } => {
            Err(StoreError::Corrupt("a registration opened no account".into()))
        }
    }
}
