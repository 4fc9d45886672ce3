//! Adapters to AWS services, HTTP requests and responses, configuration and start of the functions.

pub mod aws;
pub mod bootstrap;
pub mod cause;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod http;
pub mod job_queue;
pub mod mail_tags;
pub mod mailer;
pub mod metrics;
pub mod queue;
pub mod ses_events;
pub mod sqs;
pub mod store;
pub mod telemetry;
pub mod user_pool;

/// The SDK, for tests that create tables. No other crate may depend on it.
#[cfg(feature = "testing")]
pub use aws_sdk_dynamodb;
