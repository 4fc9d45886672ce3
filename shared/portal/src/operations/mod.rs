//! The operations: one file per use case. Each operation is a plain async function over [`Ports`] and, if needed, a queue
//! or the mail service.

pub mod accesses;
pub mod breaker;
pub mod bulk;
pub mod bulk_run;
pub mod change_email;
pub mod choice;
pub mod close;
mod commit;
pub mod deliver;
pub mod invite;
pub mod mail_event;
pub mod notify;
pub mod patient;
pub mod practice;
pub mod register;
pub mod reinvite;
pub mod revoke;
pub mod search;
pub mod status;
pub mod support;
pub mod sweep;
pub mod timeline;
pub mod track_login;

use crate::{
    idempotency::{KeyReused, KeyedRequest, RememberedRequest},
    ids::{PatientId, RecordKey, RequestId},
    panel::StatusPanel,
    ports::{Clock, CommitOutcome, Consistency, Hint, Loaded, PortalStore, Ports, Queue, QueueError, StoreError},
    practice::Practice,
    record::{Change, PortalRecord},
    refusal::PatientCommandRefusal,
    scope::TenantScope,
    timeline::ChangeContext,
};

/// How often a command that lost a race may read the record and decide again. Each lost race is another command's success.
const MAX_ROUNDS: u32 = 8;

/// A precondition of the request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Precondition {
    /// The client's version is out of date (`If-Match`).
    #[error("the record has another version")]
    VersionConflict,
    /// The client used its `Idempotency-Key` for another request.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
}

/// Why an operation failed. `R` is the operation's refusal type.
#[derive(Debug, thiserror::Error)]
pub enum OperationError<R> {
    /// A rule refused the command; nothing was changed.
    #[error(transparent)]
    Refused(R),
    /// A precondition of the request failed; nothing was changed.
    #[error(transparent)]
    Precondition(#[from] Precondition),
    /// The store failed; a retry of the same request is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<R> From<KeyReused> for OperationError<R> {
    fn from(reused: KeyReused) -> Self {
        Self::Precondition(reused.into())
    }
}

/// The result of a command after which a mail is sent.
#[derive(Debug)]
pub struct Enqueued {
    /// The patient's current status.
    pub panel: StatusPanel,
    /// The queue's error, if it did not accept the hint. The command is committed anyway: the record is the truth, and the
    /// sweep sends the hint again within minutes. Log it, and do not show it.
    pub unqueued: Option<QueueError>,
}

/// A request to change one patient's record, verified by the edge.
#[derive(Clone, Debug)]
pub struct Command<'request> {
    /// The practice and the user on whose behalf it is made.
    pub scope: &'request TenantScope,
    /// The patient.
    pub patient: &'request PatientId,
    /// The request's id.
    pub request: &'request RequestId,
    /// The version that the client expects (`If-Match`), if given.
    pub if_match: Option<u64>,
    /// The keyed request, if the client gave an `Idempotency-Key`.
    pub keyed: Option<KeyedRequest>,
}

/// The change that a command made, if any, and the panel after it.
type Executed = (Option<Change>, StatusPanel);

/// The outcome of reading, deciding and writing once.
enum Attempt<R> {
    /// The change is written.
    Written(Executed),
    /// The store refused the address. It has decided on strong reads, and has counted the refusal.
    AddressRefused(R),
    /// Nothing was to be written.
    Unwritten(Result<Executed, OperationError<R>>),
    /// Another write was first.
    Stale,
}

impl Command<'_> {
    fn context(&self, clock: &dyn Clock) -> ChangeContext {
        ChangeContext { at: clock.now(), actor: self.scope.actor().clone(), request: self.request.clone() }
    }

    /// Finds the earlier execution of this command.
    fn find_request<'record>(
        &self,
        record: &'record PortalRecord,
        clock: &dyn Clock,
    ) -> Result<Option<&'record RememberedRequest>, KeyReused> {
        self.keyed.as_ref().map_or(Ok(None), |keyed| record.find_request(keyed, clock.now()))
    }

    /// Commits a change of this command's patient. A change of another patient is an error.
    async fn commit(&self, store: &impl PortalStore, change: &Change) -> Result<CommitOutcome, StoreError> {
        if change.after.key != self.scope.record(self.patient) {
            return Err(StoreError::Corrupt("a command changes another patient's record".into()));
        }
        store.commit(change).await
    }

    /// Reads the record, lets `decide` make the change, and commits it. Starts again if another command was first.
    ///
    /// Returns no change, only the current panel, if there is nothing to change or the command was executed before.
    async fn execute<R: PatientCommandRefusal>(
        &self,
        ports: &Ports<'_, impl PortalStore>,
        decide: impl Fn(&PortalRecord, Option<&Practice>, ChangeContext) -> Result<Option<Change>, R>,
    ) -> Result<Executed, OperationError<R>> {
        for round in 0..MAX_ROUNDS {
            // The first decision is made on a read at half the price. Whatever is written depends on what was read.
            let consistency = if round == 0 { Consistency::Eventual } else { Consistency::Strong };
            match self.attempt(ports, consistency, &decide).await? {
                Attempt::Written(written) => return Ok(written),
                Attempt::AddressRefused(refused) => return Err(OperationError::Refused(refused)),
                Attempt::Unwritten(decided) if consistency == Consistency::Strong => return decided,
                Attempt::Unwritten(_) | Attempt::Stale => {}
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Reads the record, decides, and commits the change, if there is one.
    async fn attempt<R: PatientCommandRefusal>(
        &self,
        ports: &Ports<'_, impl PortalStore>,
        consistency: Consistency,
        decide: impl Fn(&PortalRecord, Option<&Practice>, ChangeContext) -> Result<Option<Change>, R>,
    ) -> Result<Attempt<R>, StoreError> {
        let Ports { store, clock } = *ports;
        let panel = |record: &PortalRecord, practice: Option<&Practice>| {
            StatusPanel::from_record(record, practice, self.scope.actor().role, clock.now())
        };
        let Loaded { practice, record } = store.load(self.scope, self.patient, consistency).await?;
        let Some(record) = record else {
            return Ok(Attempt::Unwritten(Err(OperationError::Refused(R::PATIENT_NOT_FOUND))));
        };
        match self.find_request(&record, clock) {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(Attempt::Unwritten(Ok((None, panel(&record, practice.as_ref()))))),
            Err(reused) => return Ok(Attempt::Unwritten(Err(reused.into()))),
        }
        if self.if_match.is_some_and(|version| version != record.version) {
            return Ok(Attempt::Unwritten(Err(Precondition::VersionConflict.into())));
        }
        let change = match decide(&record, practice.as_ref(), self.context(clock)) {
            Ok(Some(change)) => change.with_remembered_request(self.keyed.as_ref()),
            Ok(None) => return Ok(Attempt::Unwritten(Ok((None, panel(&record, practice.as_ref()))))),
            Err(refused) => return Ok(Attempt::Unwritten(Err(OperationError::Refused(refused)))),
        };
        match self.commit(store, &change).await? {
            CommitOutcome::Committed => {
                let panel = panel(&change.after, practice.as_ref());
                Ok(Attempt::Written((Some(change), panel)))
            }
            CommitOutcome::Stale => Ok(Attempt::Stale),
            CommitOutcome::AddressRefused(refusal) => {
                R::from_address(refusal).map(Attempt::AddressRefused).ok_or_else(unexpected_address_refusal)
            }
        }
    }

    /// Executes the command like [`Self::execute`], and sends a hint to the sender. A repeated command needs no hint: if
    /// the first one was lost, the sweep sends it again.
    async fn execute_and_hint<R: PatientCommandRefusal>(
        &self,
        ports: &Ports<'_, impl PortalStore>,
        queue: &impl Queue,
        decide: impl Fn(&PortalRecord, Option<&Practice>, ChangeContext) -> Result<Option<Change>, R>,
        hint: impl FnOnce(RecordKey) -> Hint,
    ) -> Result<Enqueued, OperationError<R>> {
        let (change, panel) = self.execute(ports, decide).await?;
        let unqueued = match change {
            Some(change) => queue.send(&[hint(change.after.key)]).await.err(),
            None => None,
        };
        Ok(Enqueued { panel, unqueued })
    }
}

/// The fault of a store that refuses an address to a change that claims no address.
fn unexpected_address_refusal() -> StoreError {
    StoreError::Corrupt("a change that claims no address was refused for one".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryStore, samples};

    #[tokio::test]
    async fn a_command_writes_only_its_own_patients_record() {
        let store = MemoryStore::with_practices([samples::practice("lake"), samples::practice("hill")]);
        let (scope, patient, request) =
            (samples::scope("lake"), samples::patient_id("p-1"), samples::request_id("request-1"));
        let command = Command { scope: &scope, patient: &patient, request: &request, if_match: None, keyed: None };
        let before = store.contents();
        for key in [samples::key("hill", "p-1"), samples::key("lake", "p-2")] {
            let change = samples::new_patient(&key, samples::profile(None));
            assert!(matches!(command.commit(&store, &change).await, Err(StoreError::Corrupt(_))), "{key:?}");
        }
        assert_eq!(store.contents(), before);
        let own = samples::new_patient(&samples::key("lake", "p-1"), samples::profile(None));
        assert_eq!(command.commit(&store, &own).await.unwrap(), CommitOutcome::Committed);
    }
}
