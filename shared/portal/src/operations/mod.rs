//! What the functions do: one file a use case, each a plain async function over the ports it needs.

pub mod breaker;
pub mod bulk;
pub mod bulk_run;
pub mod change_email;
pub mod choice;
pub mod deliver;
mod insist;
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
    idempotency::{KeyedRequest, RememberedRequest},
    ids::{PatientId, RecordKey, RequestId},
    panel::StatusPanel,
    ports::{Clock, CommitOutcome, Hint, Loaded, PortalStore, Queue, QueueError, StoreError},
    practice::Practice,
    record::{Change, PortalRecord},
    refusal::Refusal,
    scope::TenantScope,
    timeline::Act,
};

/// How often a command that lost a race reads again and decides anew. Each lost race is somebody else's success.
const MOST_ROUNDS: u32 = 8;

/// Why an operation gives no result.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// A rule said no; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not do it; a retry of the same request is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of a command that a mail follows.
#[derive(Debug)]
pub struct Hinted {
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
    fn act(&self, clock: &impl Clock) -> Act {
        Act { at: clock.now(), actor: self.scope.actor().clone(), request: self.request.clone() }
    }

    /// The earlier time that this very command was carried out.
    fn earlier<'record>(
        &self,
        record: &'record PortalRecord,
        clock: &impl Clock,
    ) -> Result<Option<&'record RememberedRequest>, Refusal> {
        self.keyed.as_ref().map_or(Ok(None), |keyed| record.earlier(keyed, clock.now()))
    }

    /// Reads the record, lets `decide` make the change, commits it, and starts over when somebody else was first.
    ///
    /// No change if there is nothing to change, or this very command was carried out before: only the panel, as it is
    /// now.
    async fn carry_out(
        &self,
        store: &impl PortalStore,
        clock: &impl Clock,
        decide: impl Fn(&PortalRecord, Option<&Practice>, Act) -> Result<Option<Change>, Refusal>,
    ) -> Result<(Option<Change>, StatusPanel), OperationError> {
        let panel = |record: &PortalRecord, practice: Option<&Practice>| {
            StatusPanel::of(record, practice, self.scope.actor().role, clock.now())
        };
        for _ in 0..MOST_ROUNDS {
            let Loaded { practice, record } = store.load(self.scope, self.patient).await?;
            let record = record.ok_or(Refusal::PatientNotFound)?;
            if self.earlier(&record, clock)?.is_some() {
                return Ok((None, panel(&record, practice.as_ref())));
            }
            if self.if_match.is_some_and(|version| version != record.version) {
                return Err(Refusal::VersionConflict.into());
            }
            let Some(change) = decide(&record, practice.as_ref(), self.act(clock))? else {
                return Ok((None, panel(&record, practice.as_ref())));
            };
            let change = change.remembering(self.keyed.as_ref());
            match store.commit(self.scope, &change).await? {
                CommitOutcome::Committed => {
                    let panel = panel(&change.after, practice.as_ref());
                    return Ok((Some(change), panel));
                }
                CommitOutcome::Stale => {}
                CommitOutcome::EmailInUse { holder } => {
                    return Err(Refusal::EmailInUse { holder }.into());
                }
            }
        }
        Err(StoreError::Busy.into())
    }

    /// The same, and hints the sender at what it is to mail. A repeat needs no hint: should the first one's have been
    /// lost, the sweep looks after it.
    async fn carry_out_and_hint(
        &self,
        store: &impl PortalStore,
        queue: &impl Queue,
        clock: &impl Clock,
        decide: impl Fn(&PortalRecord, Option<&Practice>, Act) -> Result<Option<Change>, Refusal>,
        hint: impl FnOnce(RecordKey) -> Hint,
    ) -> Result<Hinted, OperationError> {
        let (change, panel) = self.carry_out(store, clock, decide).await?;
        let unqueued = match change {
            Some(change) => queue.send(&[hint(change.after.key)]).await.err(),
            None => None,
        };
        Ok(Hinted { panel, unqueued })
    }
}
