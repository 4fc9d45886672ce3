//! A fake SES: an HTTP server on this machine that accepts, refuses or loses mails as [`SesFaults`] says.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
};

use aws_types::SdkConfig;
use chrono::{DateTime, Utc};
use portal::{email::EmailAddress, link::Token, ports::Clock as _, testing::TestClock};
use portal_aws::{
    aws::http_client,
    aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider},
    config::{MailSettings, PortalUrl},
    mailer::SesMailer,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{chance::Seed, shared::Shared};

/// What goes wrong at SES.
#[derive(Clone, Debug)]
pub(crate) struct SesFaults {
    pub(crate) seed: Seed,
    /// Percentage of the mails that are answered 429.
    pub(crate) throttled_percent: u64,
    /// Percentage of the mails that are accepted while the connection is cut before the answer.
    pub(crate) cut_percent: u64,
    /// Mails accepted in a second at most. The others are answered 429.
    pub(crate) max_per_second: usize,
    /// Start and end of a pause of sending.
    pub(crate) paused: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl SesFaults {
    /// Nothing goes wrong.
    pub(crate) const fn none(seed: Seed) -> Self {
        Self { seed, throttled_percent: 0, cut_percent: 0, max_per_second: usize::MAX, paused: None }
    }
}

/// A mail that SES accepted.
#[derive(Clone, Debug)]
pub(crate) struct AcceptedMail {
    pub(crate) invitation: String,
    pub(crate) attempt: u32,
    pub(crate) token: Token,
    pub(crate) at: DateTime<Utc>,
}

/// What SES has done so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct SesHistory {
    pub(crate) accepted: Vec<AcceptedMail>,
    pub(crate) cut: usize,
    pub(crate) throttled: usize,
    pub(crate) paused: usize,
}

impl SesHistory {
    /// Copies beyond the first one of each invitation.
    pub(crate) fn duplicates(&self) -> usize {
        self.accepted.len() - self.invitations().len()
    }

    pub(crate) fn invitations(&self) -> HashSet<&str> {
        self.accepted.iter().map(|mail| mail.invitation.as_str()).collect()
    }

    /// Most mails accepted in one second.
    pub(crate) fn most_per_second(&self) -> usize {
        let mut seconds = BTreeMap::<_, usize>::new();
        for mail in &self.accepted {
            *seconds.entry(mail.at.timestamp()).or_default() += 1;
        }
        seconds.into_values().max().unwrap_or_default()
    }
}

/// The fake SES.
#[derive(Debug)]
pub(crate) struct Ses {
    faults: SesFaults,
    clock: Shared<TestClock>,
    history: Mutex<SesHistory>,
}

enum Answer {
    Accept,
    AcceptAndCut,
    Refuse(u16, &'static str),
}

impl Ses {
    /// Starts it and returns it with a mailer that calls it.
    pub(crate) async fn start(clock: Shared<TestClock>, faults: SesFaults) -> (Arc<Self>, SesMailer) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let ses = Arc::new(Self { faults, clock, history: Mutex::default() });
        let server = ses.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(server.clone(), stream));
            }
        });
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test")))
            .endpoint_url(endpoint)
            .http_client(http_client())
            .build();
        let settings = MailSettings {
            from: EmailAddress::parse("portal@mail.example.com").unwrap(),
            configuration_set: "invitations".to_owned(),
            portal: PortalUrl::parse("https://portal.example.com").unwrap(),
        };
        (ses, SesMailer::with_long_timeout(&sdk, settings))
    }

    pub(crate) fn history(&self) -> SesHistory {
        self.history.lock().unwrap().clone()
    }

    fn decide(&self, history: &SesHistory, mail: &AcceptedMail) -> Answer {
        let SesFaults { seed, throttled_percent, cut_percent, max_per_second, paused } = &self.faults;
        let key = |what| format!("{what}-{}-{}", mail.invitation, mail.attempt);
        if paused.is_some_and(|(from, until)| (from..until).contains(&mail.at)) {
            return Answer::Refuse(400, "SendingPausedException");
        }
        let this_second =
            history.accepted.iter().rev().take_while(|it| it.at.timestamp() == mail.at.timestamp()).count();
        if this_second >= *max_per_second || seed.hits(*throttled_percent, &key("throttled")) {
            return Answer::Refuse(429, "TooManyRequestsException");
        }
        if seed.hits(*cut_percent, &key("cut")) { Answer::AcceptAndCut } else { Answer::Accept }
    }

    /// The answer to a request; `None` if the connection is cut instead.
    fn answer(&self, request: &Value) -> Option<String> {
        let mail = self.read(request);
        let mut history = self.history.lock().unwrap();
        let (status, code, body) = match self.decide(&history, &mail) {
            Answer::AcceptAndCut => {
                history.cut += 1;
                history.accepted.push(mail);
                return None;
            }
            Answer::Accept => {
                history.accepted.push(mail);
                (200, "", json!({ "MessageId": format!("message-{}", history.accepted.len()) }))
            }
            Answer::Refuse(status, code) => {
                *(if status == 429 { &mut history.throttled } else { &mut history.paused }) += 1;
                (status, code, json!({ "message": "a simulated fault" }))
            }
        };
        let body = body.to_string();
        Some(format!(
            "HTTP/1.1 {status} X\r\nx-amzn-errortype: {code}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn read(&self, request: &Value) -> AcceptedMail {
        let tag = |name| {
            let tags = request["EmailTags"].as_array().unwrap();
            tags.iter().find(|tag| tag["Name"] == name).unwrap()["Value"].as_str().unwrap()
        };
        let text = request["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap();
        let (_, link) = text.split_once("/activate#").unwrap();
        AcceptedMail {
            invitation: tag("invitation").to_owned(),
            attempt: tag("attempt").parse().unwrap(),
            token: Token::parse(link.split_whitespace().next().unwrap()).unwrap(),
            at: self.clock.now(),
        }
    }
}

/// Answers the requests of one connection. A sender that dies closes it at any point.
async fn serve(ses: Arc<Ses>, mut stream: TcpStream) {
    let mut received = Vec::new();
    while let Some(request) = next_request(&mut stream, &mut received).await {
        let Some(answer) = ses.answer(&request) else { return };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The body of the connection's next request. `None` once the client has closed the connection.
async fn next_request(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<Value> {
    loop {
        if let Some(head) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let headers = String::from_utf8(received[..head].to_vec()).unwrap().to_lowercase();
            let length: usize =
                headers.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            let end = head + 4 + length;
            if received.len() >= end {
                let request = serde_json::from_slice(&received[head + 4..end]).unwrap();
                received.drain(..end);
                return Some(request);
            }
        }
        if stream.read_buf(received).await.unwrap_or_default() == 0 {
            return None;
        }
    }
}
