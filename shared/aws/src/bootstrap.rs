//! Starting a function: logs, environment, the SDK's configuration, and the loop that takes events.
//!
//! What every AWS call has in common is decided here: the SDK's behaviour version (pinned, so that an update changes
//! nothing by itself), timeouts and retries. An adapter that needs others says so itself, as the mailer does.

use std::{fmt, future::Future, time::Duration};

use aws_config::{
    BehaviorVersion, ConfigLoader, SdkConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use chrono::{DateTime, Utc};
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    config::Environment,
    job_queue::SqsJobQueue,
    mailer::{MailSettings, SesMailer},
    queue::SqsQueue,
    telemetry,
};

/// Starts a function: its logs, then what it needs to reach AWS. To be called once, first thing.
///
/// `function` is the function's own crate, which its `main` knows as `module_path!()`.
///
/// # Errors
/// If logging has been started before.
pub async fn start(function: &'static str) -> Result<(Environment, Aws), lambda_runtime::Error> {
    let environment = Environment::process();
    telemetry::start(function, environment.log_level().as_deref())?;
    Ok((environment, Aws::load(defaults()).await))
}

/// How AWS is reached. Gives out clients, each of which is to be built once and kept: it holds the connections.
#[derive(Clone, Debug)]
pub struct Aws {
    sdk: SdkConfig,
}

impl Aws {
    async fn load(loader: ConfigLoader) -> Self {
        Self { sdk: loader.load().await }
    }

    /// A client of the table.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk)
    }

    /// The queue of invitations to mail.
    #[must_use]
    pub fn queue(&self, url: String) -> SqsQueue {
        SqsQueue::new(aws_sdk_sqs::Client::new(&self.sdk), url)
    }

    /// The queue that bulk jobs go on by.
    #[must_use]
    pub fn job_queue(&self, url: String) -> SqsJobQueue {
        SqsJobQueue::new(aws_sdk_sqs::Client::new(&self.sdk), url)
    }

    /// The mail service.
    #[must_use]
    pub fn mailer(&self, settings: MailSettings) -> SesMailer {
        SesMailer::new(&self.sdk, settings)
    }
}

/// What every call has in common. Region, credentials and endpoint come from where Lambda puts them.
fn defaults() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(3)
                // The table and the queue are milliseconds away, and a function that answers a request has 10 s for it all.
                .with_initial_backoff(Duration::from_millis(50))
                .with_max_backoff(Duration::from_secs(1)),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(1))
                .operation_attempt_timeout(Duration::from_secs(2))
                .operation_timeout(Duration::from_secs(6))
                .build(),
        )
        // It watches over transfers that go on for long; every answer here is one short body under a timeout.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
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
    use aws_config::Region;
    use portal::ports::StoreError;

    use super::*;

    #[tokio::test]
    async fn what_every_call_has_in_common_is_explicit() {
        let aws = Aws::load(defaults().region(Region::from_static("us-east-1"))).await;
        let retries = aws.sdk.retry_config().unwrap();
        assert_eq!(retries.max_attempts(), 3);
        let timeouts = aws.sdk.timeout_config().unwrap();
        assert_eq!(timeouts.connect_timeout(), Some(Duration::from_secs(1)));
        assert_eq!(timeouts.operation_attempt_timeout(), Some(Duration::from_secs(2)));
        assert_eq!(timeouts.operation_timeout(), Some(Duration::from_secs(6)));
    }

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
