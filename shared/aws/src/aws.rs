//! How AWS is reached.
//!
//! What every call has in common is decided here: the SDK's behaviour version (pinned, so that an update changes
//! nothing by itself), timeouts and retries. An adapter that needs others says so itself, as the mailer does.
//!
//! The SDK could find region and credentials by itself, in a dozen places. A function has them in its environment and
//! nowhere else, and looking elsewhere costs each cold start time and memory: `docs/adr/0018-reaching-aws.md`.

use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{BehaviorVersion, StalledStreamProtectionConfig};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};

use crate::{
    config::AwsEnvironment,
    mailer::{MailSettings, SesMailer},
    queue::SqsQueue,
};

/// How long a connection may take to come about. AWS is in the same region.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

/// Gives out clients, each of which is to be built once and kept. They share their connections.
#[derive(Clone, Debug)]
pub struct Aws {
    sdk: SdkConfig,
}

impl Aws {
    /// Reaches AWS as the environment says. Reads the certificates that the machine trusts.
    #[must_use]
    pub fn new(environment: AwsEnvironment) -> Self {
        let AwsEnvironment { region, credentials, endpoint } = environment;
        let mut sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(3)
                    // The table and the queue are milliseconds away, and a function that answers a request has 10 s for it all.
                    .with_initial_backoff(Duration::from_millis(50))
                    .with_max_backoff(Duration::from_secs(1)),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_PATIENCE)
                    .operation_attempt_timeout(Duration::from_secs(2))
                    .operation_timeout(Duration::from_secs(6))
                    .build(),
            )
            // It watches over transfers that go on for long; every answer here is one short body under a timeout.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        sdk.set_endpoint_url(endpoint);
        Self { sdk: sdk.build() }
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

    /// The mail service.
    #[must_use]
    pub fn mailer(&self, settings: MailSettings) -> SesMailer {
        SesMailer::new(&self.sdk, settings)
    }
}

/// One connector for every client. The SDK's own client makes one for each service and one more to try whether it can,
/// and each of them reads all the certificates that the machine trusts: that is most of a cold start. Timeouts of connections that a service asks for are therefore not heeded.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_PATIENCE).build();
    let tls = Provider::Rustls(CryptoMode::AwsLc);
    let connector = Connector::builder().connector_settings(settings).tls_provider(tls).build();
    let connector = SharedHttpConnector::new(connector);
    http_client_fn(move |_, _| connector.clone())
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;

    #[test]
    fn what_every_call_has_in_common_is_explicit() {
        let aws = Aws::new(AwsEnvironment {
            region: "us-east-1".to_owned(),
            credentials: Credentials::new("key", "secret", None, None, "test"),
            endpoint: Some("http://127.0.0.1:1".to_owned()),
        });
        assert_eq!(aws.sdk.region().map(Region::as_ref), Some("us-east-1"));
        assert_eq!(aws.sdk.endpoint_url(), Some("http://127.0.0.1:1"));
        let retries = aws.sdk.retry_config().unwrap();
        assert_eq!(retries.max_attempts(), 3);
        let timeouts = aws.sdk.timeout_config().unwrap();
        assert_eq!(timeouts.connect_timeout(), Some(Duration::from_secs(1)));
        assert_eq!(timeouts.operation_attempt_timeout(), Some(Duration::from_secs(2)));
        assert_eq!(timeouts.operation_timeout(), Some(Duration::from_secs(6)));
    }
}
