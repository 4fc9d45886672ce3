//! The clients of AWS services.
//!
//! This module sets what all clients share: the behaviour version of the SDK (pinned, so that an SDK update does not
//! change it), timeouts and retries. An adapter with other needs overrides them itself, such as the mailer.
//!
//! Region and credentials come from the environment of the function. The SDK's own search for them would cost every
//! cold start time and memory: `docs/adr/0018-reaching-aws.md`.

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

/// The timeout for opening a connection: as long as one attempt may last. A lost first packet is sent again only after one
/// second (RFC 6298).
const CONNECT_TIMEOUT: Duration = ATTEMPT_TIMEOUT;
/// The timeout of one attempt of a call.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a start waits for its first connection. Lambda permits 10 s for a start.
const START_TIMEOUT: Duration = Duration::from_secs(4);

/// Creates clients that share their connections. Create each client once and keep it.
#[derive(Clone, Debug)]
pub struct Aws {
    sdk: SdkConfig,
    connector: SharedHttpConnector,
}

impl Aws {
    /// Takes region, credentials and endpoint from the environment. Loads the trusted certificates of the machine.
    #[must_use]
    pub fn new(environment: AwsEnvironment) -> Self {
        let AwsEnvironment { region, credentials, endpoint } = environment;
        let connector = connector();
        let mut sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(client_with(connector.clone()))
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(3)
                    // The services answer within milliseconds, and a function that answers a request has 10 s in total.
                    .with_initial_backoff(Duration::from_millis(50))
                    .with_max_backoff(Duration::from_secs(1)),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .operation_timeout(Duration::from_secs(6))
                    .build(),
            )
            // It guards long transfers. Every answer here is one short body under a timeout.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        sdk.set_endpoint_url(endpoint);
        Self { sdk: sdk.build(), connector }
    }

    /// A DynamoDB client with an open connection.
    pub async fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        // If this fails, the first request opens the connection.
        let opened = tokio::time::timeout(START_TIMEOUT, self.open_dynamodb()).await;
        if !matches!(opened, Ok(Ok(()))) {
            tracing::warn!("DynamoDB connection not opened at start");
        }
        aws_sdk_dynamodb::Client::new(&self.sdk)
    }

    /// Opens the connection to DynamoDB before the first request needs it: during a start, Lambda gives a function a whole
    /// processor, and afterwards only a share in proportion to its memory. The request is DynamoDB's public health check,
    /// which is unsigned and free.
    async fn open_dynamodb(&self) -> Result<(), BoxError> {
        let params = Params::builder()
            .set_region(self.sdk.region().map(ToString::to_string))
            .set_endpoint(self.sdk.endpoint_url().map(ToOwned::to_owned));
        let endpoint = DefaultResolver::new().resolve_endpoint(&params.build()?).await?;
        let answer = self.connector.call(HttpRequest::get(endpoint.url())?).await?;
        // The connection is kept only if the answer is read completely.
        ByteStream::new(answer.into_body()).collect().await?;
        Ok(())
    }

    /// The queue of hints for the sender.
    #[must_use]
    pub fn queue(&self, url: QueueUrl) -> SqsQueue {
        SqsQueue::new(aws_sdk_sqs::Client::new(&self.sdk), url.into())
    }

    /// The queue of bulk job runs.
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

/// One connector for all clients. The SDK would create several, and each would load all trusted certificates, which takes
/// most of the time of a cold start. Therefore the connect timeouts of single clients have no effect.
fn connector() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let tls = Provider::Rustls(CryptoMode::AwsLc);
    SharedHttpConnector::new(Connector::builder().connector_settings(settings).tls_provider(tls).build())
}

fn client_with(connector: SharedHttpConnector) -> SharedHttpClient {
    http_client_fn(move |_, _| connector.clone())
}

/// The HTTP client of the functions, for tests that configure services themselves.
#[cfg(any(test, feature = "testing"))]
#[must_use]
pub fn http_client() -> SharedHttpClient {
    client_with(connector())
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    fn aws_at(endpoint: &str) -> Aws {
        Aws::new(AwsEnvironment {
            region: "us-east-1".to_owned(),
            credentials: Credentials::new("key", "secret", None, None, "test"),
            endpoint: Some(endpoint.to_owned()),
        })
    }

    /// Answers requests on one connection and returns their first lines. A second connection gets no answer.
    async fn answer_requests(listener: TcpListener, requests: usize) -> Vec<String> {
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
    async fn the_first_request_uses_the_connection_that_the_start_opened() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = aws_at(&format!("http://{}", listener.local_addr().unwrap()));
        let server = tokio::spawn(answer_requests(listener, 2));
        let dynamodb = aws.dynamodb().await;
        dynamodb.list_tables().send().await.unwrap();
        assert_eq!(server.await.unwrap(), ["GET / HTTP/1.1", "POST / HTTP/1.1"]);
    }

    #[tokio::test]
    async fn a_function_starts_although_the_table_is_unreachable() {
        aws_at("http://127.0.0.1:1").dynamodb().await;
    }

    #[test]
    fn the_shared_settings_are_explicit() {
        let aws = aws_at("http://127.0.0.1:1");
        assert_eq!(aws.sdk.region().map(Region::as_ref), Some("us-east-1"));
        assert_eq!(aws.sdk.endpoint_url(), Some("http://127.0.0.1:1"));
        let retries = aws.sdk.retry_config().unwrap();
        assert_eq!(retries.max_attempts(), 3);
        let timeouts = aws.sdk.timeout_config().unwrap();
        assert_eq!(timeouts.connect_timeout(), Some(Duration::from_secs(2)));
        assert_eq!(timeouts.operation_attempt_timeout(), Some(Duration::from_secs(2)));
        assert_eq!(timeouts.operation_timeout(), Some(Duration::from_secs(6)));
    }
}
