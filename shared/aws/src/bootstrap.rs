//! Starting a function: its logs and its environment, and the loop that takes events.

use std::{fmt, future::Future};

use chrono::{DateTime, Utc};
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    config::{Environment, FromEnvironment},
    telemetry,
};

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

/// Works events, one at a time, for as long as Lambda keeps the process. An error makes
/// Lambda deliver the event again, as the event source is configured.
///
/// # Errors
/// If Lambda's runtime API cannot be reached.
pub async fn serve_events<F, Fut, E, A, D>(handler: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(LambdaEvent<E>) -> Fut,
    Fut: Future<Output = Result<A, D>>,
    E: DeserializeOwned,
    A: Serialize,
    D: Into<Diagnostic> + fmt::Display,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(async |event| handler(event).await.map_err(Terse))).await
}

/// An error that is shown by its own words only. The runtime logs an error's `Debug`, which goes down to its causes,
/// and they quote: what could not be parsed, or what AWS answered.
struct Terse<E>(E);

impl<E: fmt::Display> fmt::Debug for Terse<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Into<Diagnostic>> From<Terse<E>> for Diagnostic {
    fn from(error: Terse<E>) -> Self {
        error.0.into()
    }
}

/// When Lambda will stop this invocation.
#[must_use]
pub fn deadline(context: &Context) -> DateTime<Utc> {
    let millis = i64::try_from(context.deadline).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The AWS account that the function runs in; `None` if Lambda does not say.
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
    fn the_runtime_logs_an_error_by_its_own_words() {
        let quoting = serde_json::from_str::<u8>("\"jose@example.com\"").unwrap_err();
        assert!(format!("{quoting:?}").contains("jose"), "this is what it would log");
        let error = lambda_runtime::Error::from(StoreError::Corrupt(quoting.into()));
        assert_eq!(format!("{:?}", Terse(error)), "an item cannot be read");
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
    fn an_account_is_that_of_the_functions_name() {
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
