//! One type for the refusals of all commands, so that tests can compare them.

use std::fmt::Debug;

use crate::{
    idempotency::KeyReused,
    ids::PatientId,
    operations::{OperationError, Precondition},
    refusal::{Refusal, RefusalCode, RefusalDetail},
};

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A rule refused it.
    Rule(RefusalCode, RefusalDetail),
    /// A precondition of the request failed.
    Precondition(Precondition),
}

impl Refused {
    /// The client's version is out of date.
    pub const VERSION_CONFLICT: Self = Self::Precondition(Precondition::VersionConflict);
    /// The client used its key for another request.
    pub const KEY_REUSED: Self = Self::Precondition(Precondition::KeyReused(KeyReused));

    /// A refusal without additional data.
    #[must_use]
    pub const fn rule(code: RefusalCode) -> Self {
        Self::Rule(code, RefusalDetail::None)
    }

    /// Too soon: retry after this number of seconds.
    #[must_use]
    pub const fn too_soon(retry_after_secs: u64) -> Self {
        Self::Rule(RefusalCode::TooSoon, RefusalDetail::RetryAfterSecs(retry_after_secs))
    }

    /// Another patient has the address.
    #[must_use]
    pub fn email_in_use(holder: Option<PatientId>) -> Self {
        Self::Rule(RefusalCode::EmailInUse, holder.map_or(RefusalDetail::None, RefusalDetail::Holder))
    }
}

/// Why the command was refused. Panics if it was not.
#[must_use]
#[expect(clippy::panic, reason = "a test that cannot go on has failed")]
pub fn refusal<T: Debug, R: Refusal>(result: Result<T, OperationError<R>>) -> Refused {
    match result {
        Err(OperationError::Refused(refusal)) => Refused::Rule(refusal.code(), refusal.detail()),
        Err(OperationError::Precondition(failed)) => Refused::Precondition(failed),
        other => panic!("not refused: {other:?}"),
    }
}
