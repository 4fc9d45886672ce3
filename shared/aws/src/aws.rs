//! How AWS is reached.
//!
//! What every call has in common is decided here: the SDK's behaviour version (pinned, so that an update changes
//! nothing by itself), timeouts and retries. An adapter that needs others says so itself, as the mailer does.
//!
//! The SDK could find region and credentials by itself, in a dozen places. A function has them in its environment and
//! nowhere else, and looking elsewhere costs each cold start time and memory: `docs/adr/0018-reaching-aws.md`.

use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::{
    config::{
        BehaviorVersion, StalledStreamProtectionConfig,
        endpoint::{DefaultResolver, Params, ResolveEndpoint as _},
    },
    error::BoxError,
};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
};
use aws_smithy_types::{byte_stream::ByteStream, retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};

use crate::{
    config::{AwsEnvironment, BulkQueueUrl, MailSettings, QueueUrl},
    job_queue::SqsJobQueue,
    mailer::SesMailer,
    queue::SqsQueue,
};

/// How long a connection may take to come about. AWS is in the same region.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

/// Gives out clients, each of which is to be built once and kept. They share their connections.
#[derive(Clone, Debug)]
pub struct Aws {
    sdk: SdkConfig,
    connector: SharedHttpConnector,
}

impl Aws {
    /// Reaches AWS as the environment says. Reads the certificates that the machine trusts.
    #[must_use]
    pub fn new(environment: AwsEnvironment) -> Self {
        let AwsEnvironment { region, credentials, endpoint } = environment;
        let connector = connector();
        let mut sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(client_of(connector.clone()))
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
        Self { sdk: sdk.build(), connector }
    }

    /// A client of the table, with its connection open.
    pub async fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        // Should it not come about in time, the first request opens one.
        let opened = tokio::time::timeout(CONNECT_PATIENCE, self.open_dynamodb()).await;
        if !matches!(opened, Ok(Ok(()))) {
            tracing::warn!("no connection to the table yet");
        }
        aws_sdk_dynamodb::Client::new(&self.sdk)
    }

    /// Opens the connection to the table before the first request needs it: Lambda lets a start have a whole processor,
    /// and a request only the share that its memory stands for. What is asked is DynamoDB's own question for its health:
    /// unsigned, for everybody, and no call that is counted.
    async fn open_dynamodb(&self) -> Result<(), BoxError> {
        let params = Params::builder()
            .set_region(self.sdk.region().map(ToString::to_string))
            .set_endpoint(self.sdk.endpoint_url().map(ToOwned::to_owned));
        let endpoint = DefaultResolver::new().resolve_endpoint(&params.build()?).await?;
        let answer = self.connector.call(HttpRequest::get(endpoint.url())?).await?;
        // Only a connection whose answer was read to its end is kept.
        ByteStream::new(answer.into_body()).collect().await?;
        Ok(())
    }

    /// The queue of invitations to mail.
    #[must_use]
    pub fn queue(&self, url: QueueUrl) -> SqsQueue {
        SqsQueue::new(aws_sdk_sqs::Client::new(&self.sdk), url.into())
    }

    /// The queue that bulk jobs go on by.
    #[must_use]
    pub fn job_queue(&self, url: BulkQueueUrl) -> SqsJobQueue {
        SqsJobQueue::new(aws_sdk_sqs::Client::new(&self.sdk), url.into())
    }

    /// The mail service.
    #[must_use]
    pub fn mailer(&self, settings: MailSettings) -> SesMailer {
        SesMailer::new(&self.sdk, settings)
    }
}

/// One connector for every client. The SDK's own client makes one for each service and one more to try whether it can,
/// and each of them works through all the certificates that the machine trusts: that is most of a cold start. Time limits for
/// connecting that a service asks for are therefore not heeded.
fn connector() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_PATIENCE).build();
    let tls = Provider::Rustls(CryptoMode::AwsLc);
    SharedHttpConnector::new(Connector::builder().connector_settings(settings).tls_provider(tls).build())
}

fn client_of(connector: SharedHttpConnector) -> SharedHttpClient {
    http_client_fn(move |_, _| connector.clone())
}

/// How the functions speak HTTP, for tests that configure services by themselves.
#[cfg(any(test, feature = "testing"))]
#[must_use]
pub fn http_client() -> SharedHttpClient {
    client_of(connector())
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    fn at(endpoint: &str) -> Aws {
        Aws::new(AwsEnvironment {
            region: "us-east-1".to_owned(),
            credentials: Credentials::new("key", "secret", None, None, "test"),
            endpoint: Some(endpoint.to_owned()),
        })
    }

    /// Answers every request on one connection, and gives the first lines of all. Nobody answers a second connection.
    async fn answers(listener: TcpListener, requests: usize) -> Vec<String> {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut lines = Vec::new();
        while lines.len() < requests {
            let mut bytes = vec![0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            lines.push(text.lines().next().unwrap_or_default().to_owned());
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        }
        lines
    }

    #[tokio::test]
    async fn the_first_request_finds_the_connection_open() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = at(&format!("http://{}", listener.local_addr().unwrap()));
        let server = tokio::spawn(answers(listener, 2));
        let dynamodb = aws.dynamodb().await;
        dynamodb.list_tables().send().await.unwrap();
        assert_eq!(server.await.unwrap(), ["GET / HTTP/1.1", "POST / HTTP/1.1"]);
    }

    #[tokio::test]
    async fn a_table_out_of_reach_keeps_no_function_from_starting() {
        at("http://127.0.0.1:1").dynamodb().await;
    }

    #[test]
    fn what_every_call_has_in_common_is_explicit() {
        let aws = at("http://127.0.0.1:1");
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
