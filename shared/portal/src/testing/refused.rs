//! What commands of different refusal types were refused for, as one type that tests can compare.

use std::fmt::Debug;

use crate::{
    idempotency::KeyReused,
    ids::PatientId,
    operations::{OperationError, Precondition},
    refusal::{Refusal, RefusalCode, RefusalDetail},
};

/// What a command was refused for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A rule said no.
    Rule(RefusalCode, RefusalDetail),
    /// A condition of the request did not hold.
    Precondition(Precondition),
}

impl Refused {
    /// The client decided on a version that has passed.
    pub const VERSION_CONFLICT: Self = Self::Precondition(Precondition::VersionConflict);
    /// The client used its key for another request.
    pub const KEY_REUSED: Self = Self::Precondition(Precondition::KeyReused(KeyReused));

    /// A rule that says nothing beside its code.
    #[must_use]
    pub const fn rule(code: RefusalCode) -> Self {
        Self::Rule(code, RefusalDetail::None)
    }

    /// Too soon by so many seconds.
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

/// What the command was refused for.
#[must_use]
#[expect(clippy::panic, reason = "a test that cannot go on has failed")]
pub fn refusal<T: Debug, R: Refusal>(result: Result<T, OperationError<R>>) -> Refused {
    match result {
        Err(OperationError::Refused(refusal)) => Refused::Rule(refusal.code(), refusal.detail()),
        Err(OperationError::Precondition(failed)) => Refused::Precondition(failed),
        other => panic!("not refused: {other:?}"),
    }
}
