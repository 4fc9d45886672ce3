//! Classes of SDK errors.

use std::error::Error;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::CancellationReason,
};
use portal::ports::StoreError;

/// Why a call failed, by what a retry can achieve.
#[derive(Debug)]
pub(super) enum CallError {
    /// A throttle, or a conflict with another transaction. A retry may succeed.
    Busy,
    /// No answer, or a server error. A retry may succeed, or find that the first attempt had succeeded.
    Transient(Box<dyn Error + Send + Sync>),
    /// A missing permission, a missing table or an invalid request. A retry would fail again.
    Permanent(Box<dyn Error + Send + Sync>),
}

impl CallError {
    /// Classifies the error of a call. Failed conditions are not errors and are handled by the caller.
    pub(super) fn from_sdk<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if error.code().is_some_and(is_busy_exception) {
            return Self::Busy;
        }
        let unanswered =
            matches!(error, SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_));
        let service_fault = error.raw_response().is_some_and(|response| response.status().is_server_error());
        if unanswered || service_fault { Self::Transient(error.into()) } else { Self::Permanent(error.into()) }
    }

    /// Classifies why a transaction was cancelled. `None` if failed conditions are the only reason.
    ///
    /// With a conflict or a throttle among the reasons, the failed conditions are not reliable: the transaction has to be
    /// retried.
    pub(super) fn from_cancellation(reasons: &[CancellationReason]) -> Option<Self> {
        let codes = || reasons.iter().filter_map(CancellationReason::code);
        if codes().any(is_busy_reason) {
            return Some(Self::Busy);
        }
        let unknown = codes().find(|code| !matches!(*code, "None" | CONDITION_FAILED));
        unknown.map(|code| Self::Permanent(format!("the transaction was cancelled: {code}").into()))
    }
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Busy => Self::Busy,
            CallError::Transient(source) | CallError::Permanent(source) => Self::Unavailable(source),
        }
    }
}

/// The code of a failed condition.
pub(super) const CONDITION_FAILED: &str = "ConditionalCheckFailed";

fn is_busy_exception(code: &str) -> bool {
    matches!(
        code,
        "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ThrottlingException"
            | "TransactionConflictException"
            | "TransactionInProgressException"
    )
}

fn is_busy_reason(code: &str) -> bool {
    matches!(code, "ProvisionedThroughputExceeded" | "ThrottlingError" | "TransactionConflict")
}

/// The error for an item that is invalid, in the table or before it is written.
pub(super) fn corrupt(error: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::Corrupt(error.into())
}
