//! What the SDK reports, classified once.

use std::error::Error;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::CancellationReason,
};
use portal::ports::StoreError;

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Too many requests, or another transaction at the same item: worth another try.
    Busy,
    /// No answer, or the service's fault: worth another try, which may find that the first one was carried out.
    Transient(Box<dyn Error + Send + Sync>),
    /// It would fail again: a permission, a missing table, a request that DynamoDB does not accept.
    Lasting(Box<dyn Error + Send + Sync>),
}

impl Trouble {
    /// Classifies what a call reported, conditions that did not hold excepted.
    pub(super) fn of<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if error.code().is_some_and(is_busy_exception) {
            return Self::Busy;
        }
        let unanswered =
            matches!(error, SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_));
        let service_fault = error.raw_response().is_some_and(|response| response.status().is_server_error());
        if unanswered || service_fault { Self::Transient(error.into()) } else { Self::Lasting(error.into()) }
    }

    /// Classifies why a transaction was cancelled; `None` if it is for conditions that did not hold, and nothing else.
    ///
    /// A conflict or a throttle says nothing about the conditions: the transaction is to be tried again, whatever
    /// else is reported beside it.
    pub(super) fn of_cancellation(reasons: &[CancellationReason]) -> Option<Self> {
        let codes = || reasons.iter().filter_map(CancellationReason::code);
        if codes().any(is_busy_reason) {
            return Some(Self::Busy);
        }
        let unknown = codes().find(|code| !matches!(*code, "None" | CONDITION_FAILED));
        unknown.map(|code| Self::Lasting(format!("the transaction was cancelled: {code}").into()))
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Busy => Self::Busy,
            Trouble::Transient(source) | Trouble::Lasting(source) => Self::Unavailable(source),
        }
    }
}

/// The code of a condition that did not hold.
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

/// An item, or what is to become one, is not as it should be.
pub(super) fn corrupt(error: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::Corrupt(error.into())
}
