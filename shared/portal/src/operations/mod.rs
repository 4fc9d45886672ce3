//! What the functions do: one file a use case, each a plain async function over [`Ports`] and, where it needs one, a
//! queue or the mail service.

pub mod breaker;
pub mod bulk;
pub mod bulk_run;
pub mod change_email;
pub mod choice;
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
pub mod sweep;
pub mod timeline;
pub mod track_login;

use crate::{
    idempotency::{KeyReused, KeyedRequest, RememberedRequest},
    ids::{PatientId, RecordKey, RequestId},
    panel::StatusPanel,
    ports::{Clock, CommitOutcome, Hint, Loaded, PortalStore, Ports, Queue, QueueError, StoreError},
    practice::Practice,
    record::{Change, PortalRecord},
    refusal::PatientCommandRefusal,
    scope::TenantScope,
    timeline::Act,
};

/// How often a command that lost a race reads again and decides anew. Each lost race is another command's success.
const MOST_ROUNDS: u32 = 8;

/// A condition of the request itself does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Precondition {
    /// The client decided on a version that has passed (`If-Match`).
    #[error("the record has another version")]
    VersionConflict,
    /// The client used its `Idempotency-Key` for another request.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
}

/// Why an operation gives no result. `R` is what its rules can refuse.
#[derive(Debug, thiserror::Error)]
pub enum OperationError<R> {
    /// A rule said no; nothing was changed.
    #[error(transparent)]
    Refused(R),
    /// A condition of the request does not hold; nothing was changed.
    #[error(transparent)]
    Precondition(#[from] Precondition),
    /// The store could not do it; a retry of the same request is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<R> From<KeyReused> for OperationError<R> {
    fn from(reused: KeyReused) -> Self {
        Self::Precondition(reused.into())
    }
}

/// What came of a command that a mail follows.
#[derive(Debug)]
pub struct Enqueued {
    /// Where the patient stands now.
    pub panel: StatusPanel,
    /// The queue did not take the hint. The command is carried out all the same: the record is the truth, the queue is a
    /// hint, and the sweep gives it again within minutes. To be logged, not to be shown.
    pub unqueued: Option<QueueError>,
}

/// A request to act on one patient, as the edge has verified it.
#[derive(Clone, Debug)]
pub struct Command<'request> {
    /// On whose behalf.
    pub scope: &'request TenantScope,
    /// On which patient.
    pub patient: &'request PatientId,
    /// Which request.
    pub request: &'request RequestId,
    /// The version that the client decided on (`If-Match`), if it said.
    pub if_match: Option<u64>,
    /// The command as its client may repeat it (`Idempotency-Key`), if it gave a key.
    pub keyed: Option<KeyedRequest>,
}

impl Command<'_> {
    fn act(&self, clock: &dyn Clock) -> Act {
        Act { at: clock.now(), actor: self.scope.actor().clone(), request: self.request.clone() }
    }

    /// The earlier time that this command was carried out.
    fn earlier<'record>(
        &self,
        record: &'record PortalRecord,
        clock: &dyn Clock,
    ) -> Result<Option<&'record RememberedRequest>, KeyReused> {
        self.keyed.as_ref().map_or(Ok(None), |keyed| record.earlier(keyed, clock.now()))
    }

    /// Commits a change of this command's patient, and of no other.
    async fn commit(&self, store: &impl PortalStore, change: &Change) -> Result<CommitOutcome, StoreError> {
        if change.after.key != self.scope.record(self.patient) {
            return Err(StoreError::Corrupt("a command changes another patient's record".into()));
        }
        store.commit(change).await
    }

    /// Reads the record, lets `decide` make the change, commits it, and starts over when another command was first.
    ///
    /// No change if there is nothing to change, or this command was carried out before: only the panel, as it is now.
    async fn carry_out<R: PatientCommandRefusal>(
        &self,
        ports: &Ports<'_, impl PortalStore>,
        decide: impl Fn(&PortalRecord, Option<&Practice>, Act) -> Result<Option<Change>, R>,
    ) -> Result<(Option<Change>, StatusPanel), OperationError<R>> {
        let Ports { store, clock } = *ports;
        let panel = |record: &PortalRecord, practice: Option<&Practice>| {
            StatusPanel::from_record(record, practice, self.scope.actor().role, clock.now())
        };
        for _ in 0..MOST_ROUNDS {
            let Loaded { practice, record } = store.load(self.scope, self.patient).await?;
            let record = record.ok_or(OperationError::Refused(R::PATIENT_NOT_FOUND))?;
            if self.earlier(&record, clock)?.is_some() {
                return Ok((None, panel(&record, practice.as_ref())));
            }
            if self.if_match.is_some_and(|version| version != record.version) {
                return Err(Precondition::VersionConflict.into());
            }
            let decided = decide(&record, practice.as_ref(), self.act(clock)).map_err(OperationError::Refused)?;
            let Some(change) = decided else {
                return Ok((None, panel(&record, practice.as_ref())));
            };
            let change = change.remembering(self.keyed.as_ref());
            match self.commit(store, &change).await? {
                CommitOutcome::Committed => {
                    let panel = panel(&change.after, practice.as_ref());
                    return Ok((Some(change), panel));
                }
                CommitOutcome::Stale => {}
                CommitOutcome::EmailInUse { holder } => {
                    return Err(
                        R::email_in_use(holder).map_or_else(|| claims_nothing().into(), OperationError::Refused)
                    );
                }
            }
        }
        Err(StoreError::Busy.into())
    }

    /// The same, and hints the sender at what it is to mail. A repeat needs no hint: should the first one's have been
    /// lost, the sweep sends it again.
    async fn carry_out_and_hint<R: PatientCommandRefusal>(
        &self,
        ports: &Ports<'_, impl PortalStore>,
        queue: &impl Queue,
        decide: impl Fn(&PortalRecord, Option<&Practice>, Act) -> Result<Option<Change>, R>,
        hint: impl FnOnce(RecordKey) -> Hint,
    ) -> Result<Enqueued, OperationError<R>> {
        let (change, panel) = self.carry_out(ports, decide).await?;
        let unqueued = match change {
            Some(change) => queue.send(&[hint(change.after.key)]).await.err(),
            None => None,
        };
        Ok(Enqueued { panel, unqueued })
    }
}

/// The fault of a store that finds an address taken for a change that claims none.
fn claims_nothing() -> StoreError {
    StoreError::Corrupt("a change that claims no address was refused for one".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryStore, samples};

    #[tokio::test]
    async fn a_command_writes_no_record_but_its_own_patients() {
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
