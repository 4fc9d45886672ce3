//! What the functions do: one file a use case, each a plain async function over the ports it needs.

pub mod change_email;
pub mod choice;
pub mod deliver;
pub mod invite;
pub mod notify;
pub mod patient;
pub mod practice;
pub mod register;
pub mod reinvite;
pub mod revoke;
pub mod status;
pub mod sweep;
pub mod track_login;

use crate::{
    ids::{PatientId, RequestId},
    panel::StatusPanel,
    ports::{Clock, CommitOutcome, Loaded, PortalStore, StoreError},
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
}

impl Command<'_> {
    fn act(&self, clock: &impl Clock) -> Act {
        Act { at: clock.now(), actor: self.scope.actor().clone(), request: self.request.clone() }
    }

    /// Reads the record, lets `decide` make the change, commits it, and starts over when somebody else was first.
    async fn carry_out(
        &self,
        store: &impl PortalStore,
        clock: &impl Clock,
        decide: impl Fn(&PortalRecord, Option<&Practice>, Act) -> Result<Change, Refusal>,
    ) -> Result<(Change, StatusPanel), OperationError> {
        for _ in 0..MOST_ROUNDS {
            let Loaded { practice, record } = store.load(self.scope, self.patient).await?;
            let record = record.ok_or(Refusal::PatientNotFound)?;
            if self.if_match.is_some_and(|version| version != record.version) {
                return Err(Refusal::VersionConflict.into());
            }
            let change = decide(&record, practice.as_ref(), self.act(clock))?;
            match store.commit(self.scope, &change).await? {
                CommitOutcome::Committed => {
                    let panel = StatusPanel::of(&change.after, practice.as_ref(), self.scope.actor().role, clock.now());
                    return Ok((change, panel));
                }
                CommitOutcome::Stale => {}
                CommitOutcome::EmailInUse { holder } => {
                    return Err(Refusal::EmailInUse { holder }.into());
                }
            }
        }
        Err(StoreError::Busy.into())
    }
}
