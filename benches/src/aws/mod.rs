//! A fake AWS on loopback: one TLS endpoint for all services, which counts the calls.

pub mod dynamodb;
mod ses;
pub mod sqs;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    header::HeaderValue,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::{net::TcpListener, task::JoinHandle};

use self::dynamodb::Dynamo;
pub use self::ses::Mail;
use crate::{ca::Authority, template::Template};

/// The access key that requests must be signed with.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// The calls to AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Calls by operation.
    pub calls: BTreeMap<String, u64>,
    /// Connections, each with its TLS handshake.
    pub connections: u64,
    /// Bytes of the requests' bodies.
    pub bytes_sent: u64,
    /// Bytes of the answers' bodies.
    pub bytes_received: u64,
    /// Read units that DynamoDB would bill.
    pub read_units: f64,
    /// Write units that DynamoDB would bill, indexes included.
    pub write_units: f64,
}

/// The services and their data.
pub struct Cloud {
    dynamo: Dynamo,
    sqs: Mutex<sqs::Sqs>,
    ses: Mutex<ses::Ses>,
    counts: Mutex<Counts>,
}

/// The services behind their endpoint. Dropping it closes the endpoint.
pub struct Aws {
    address: SocketAddr,
    cloud: Arc<Cloud>,
    server: JoinHandle<()>,
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An answer of a service: the status and the JSON body.
struct Answer {
    status: u16,
    body: String,
}

impl Aws {
    /// Starts the services, with an empty table.
    ///
    /// # Errors
    /// If the table cannot be created or no port is free.
    pub async fn start(authority: &Authority, template: &Template) -> Result<Self> {
        let cloud = Arc::new(Cloud {
            dynamo: Dynamo::with_table(&template.table()?)?,
            sqs: Mutex::default(),
            ses: Mutex::default(),
            counts: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(serve(listener, authority.clone(), Arc::clone(&cloud)));
        Ok(Self { address, cloud, server })
    }

    /// The URL of every service.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The table.
    #[must_use]
    pub fn dynamo(&self) -> &Dynamo {
        &self.cloud.dynamo
    }

    /// The calls since the last call of this function.
    #[must_use]
    pub fn take_counts(&self) -> Counts {
        std::mem::take(&mut lock(&self.cloud.counts))
    }

    /// The bodies of the messages that were sent since the last call of this function.
    #[must_use]
    pub fn take_messages(&self) -> Vec<String> {
        lock(&self.cloud.sqs).take()
    }

    /// The mails that were accepted since the last call of this function.
    #[must_use]
    pub fn take_mails(&self) -> Vec<Mail> {
        lock(&self.cloud.ses).take()
    }
}

async fn serve(listener: TcpListener, authority: Authority, cloud: Arc<Cloud>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, cloud) = (authority.acceptor.clone(), Arc::clone(&cloud));
        tokio::spawn(async move {
            if stream.set_nodelay(true).is_err() {
                return;
            }
            lock(&cloud.counts).connections += 1;
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| answer(&cloud, request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // The connection ends when the client closes it.
            drop(connection.await);
        });
    }
}

/// Answers a request as the service that it names.
async fn answer(cloud: &Cloud, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(Response::new(Full::default())) };
    let body = body.to_bytes();
    // The public health check of DynamoDB, which is unsigned and free.
    if parts.method == Method::GET && parts.uri.path() == "/" {
        return Ok(Response::new(Full::from("healthy: dynamodb.us-east-1.amazonaws.com ")));
    }
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = header("authorization").starts_with(&format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/"));
    let (service, operation) = match header("x-amz-target").split_once('.') {
        Some((service, operation)) => (service, operation),
        None => ("", parts.uri.path()),
    };
    let (name, answer) = match (signed, service, operation) {
        (false, ..) => ("unsigned".to_owned(), refusal(403, "MissingAuthenticationTokenException")),
        (true, "DynamoDB_20120810", operation) => {
            let answer = cloud.dynamo.answer(operation, &body);
            let mut counts = lock(&cloud.counts);
            counts.read_units += answer.read_units;
            counts.write_units += answer.write_units;
            (operation.to_owned(), Answer { status: answer.status, body: answer.body })
        }
        (true, "AmazonSQS", operation) => (operation.to_owned(), lock(&cloud.sqs).answer(operation, &body)),
        (true, "", "/v2/email/outbound-emails") => ("SendEmail".to_owned(), lock(&cloud.ses).answer(&body)),
        (true, ..) => (format!("unknown {service} {operation}"), refusal(400, "UnknownOperationException")),
    };
    {
        let mut counts = lock(&cloud.counts);
        *counts.calls.entry(name).or_default() += 1;
        counts.bytes_sent += length(&body);
        counts.bytes_received += length(answer.body.as_bytes());
    }
    let content_type = if service.is_empty() { "application/json" } else { "application/x-amz-json-1.0" };
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", content_type)
        .header("x-amzn-requestid", "4VVJQ1AVP3C7A6N2NDRJ2NQ9IBVV4KQNSO5AEMVJF66Q9ASUAAJG");
    if service.starts_with("DynamoDB") {
        let checksum = crc32fast::hash(answer.body.as_bytes());
        response = response.header("x-amz-crc32", HeaderValue::from(checksum));
    }
    Ok(response.body(Full::from(answer.body)).unwrap_or_default())
}

fn refusal(status: u16, kind: &str) -> Answer {
    Answer { status, body: format!(r#"{{"__type":"com.amazon.coral.service#{kind}","message":"{kind}"}}"#) }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
