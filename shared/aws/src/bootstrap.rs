//! The start of a function: its logs, its configuration, and the loop that handles events.

use std::{fmt, future::Future};

use chrono::{DateTime, Utc};
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    config::{Environment, FromEnvironment},
    telemetry,
};

#[cfg(panic = "abort")]
compile_error!("a panic must unwind: the functions catch it, so that one message of a batch cannot fail the others");

/// Starts logging and reads the function's configuration. Must be called once, before anything else.
///
/// `function` is the name of the function's crate: `module_path!()` in its `main`.
///
/// # Errors
/// If logging has been started before, or a variable is missing or invalid.
pub fn start<C: FromEnvironment>(function: &'static str) -> Result<C, lambda_runtime::Error> {
    let environment = Environment::process();
    telemetry::start(function, environment.log_level().as_deref())?;
    Ok(C::from_environment(&environment)?)
}

/// Handles events, one at a time, as long as Lambda keeps the process. After an error, Lambda delivers the event again
/// as configured for the event source.
///
/// # Errors
/// If the Lambda runtime API is unreachable.
pub async fn serve_events<F, Fut, E, A, D>(handler: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(LambdaEvent<E>) -> Fut,
    Fut: Future<Output = Result<A, D>>,
    E: DeserializeOwned,
    A: Serialize,
    D: Into<Diagnostic> + fmt::Display,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(async |event| handler(event).await.map_err(DisplayOnly))).await
}

/// An error whose `Debug` output is its `Display` output. The runtime logs `Debug`, which would include the causes, and
/// causes can quote personal data: unparsed input or answers of AWS.
struct DisplayOnly<E>(E);

impl<E: fmt::Display> fmt::Debug for DisplayOnly<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Into<Diagnostic>> From<DisplayOnly<E>> for Diagnostic {
    fn from(error: DisplayOnly<E>) -> Self {
        error.0.into()
    }
}

/// The time at which Lambda stops the invocation.
#[must_use]
pub fn deadline(context: &Context) -> DateTime<Utc> {
    let millis = i64::try_from(context.deadline).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The AWS account of the function. `None` if the invocation has no function ARN.
#[must_use]
pub fn account(context: &Context) -> Option<&str> {
    // arn:aws:lambda:<region>:<account>:function:<name>
    context.invoked_function_arn.split(':').nth(4).filter(|account| !account.is_empty())
}

#[cfg(test)]
mod tests {
    use portal::ports::StoreError;

    use super::*;

    #[test]
    fn the_runtime_logs_the_message_of_an_error_without_its_causes() {
        let quoting = serde_json::from_str::<u8>("\"jose@example.com\"").unwrap_err();
        assert!(format!("{quoting:?}").contains("jose"), "the runtime would log this");
        let error = lambda_runtime::Error::from(StoreError::Corrupt(quoting.into()));
        assert_eq!(format!("{:?}", DisplayOnly(error)), "an item cannot be read");
    }

    #[test]
    fn a_deadline_is_milliseconds_since_1970() {
        let mut context = Context::default();
        context.deadline = 1_700_000_000_123;
        assert_eq!(deadline(&context).timestamp_millis(), 1_700_000_000_123);
        context.deadline = u64::MAX;
        assert_eq!(deadline(&context), DateTime::<Utc>::MAX_UTC);
    }

    #[test]
    fn the_account_comes_from_the_function_arn() {
        let mut context = Context::default();
        for (arn, expected) in [
            ("arn:aws:lambda:us-east-1:123456789012:function:portal-mail-events", Some("123456789012")),
            ("arn:aws-us-gov:lambda:us-gov-west-1:210987654321:function:portal:live", Some("210987654321")),
            ("arn:aws:lambda:us-east-1::function:portal", None),
            ("", None),
        ] {
            arn.clone_into(&mut context.invoked_function_arn);
            assert_eq!(account(&context), expected, "{arn}");
        }
    }
}
