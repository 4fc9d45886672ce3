//! A stand-in for SES: it speaks HTTP on this machine, and takes, refuses or loses mails as the weather is.

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

/// What SES does to mails.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    pub(crate) seed: Seed,
    /// Of a hundred mails so many are answered 429.
    pub(crate) throttled_percent: u64,
    /// Of a hundred mails so many are taken, and the connection is cut before the answer.
    pub(crate) cut_percent: u64,
    /// Mails taken in a second at most; what is above is answered 429.
    pub(crate) a_second: usize,
    /// From when until when sending is paused.
    pub(crate) paused: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Weather {
    /// Nothing goes wrong.
    pub(crate) const fn fair(seed: Seed) -> Self {
        Self { seed, throttled_percent: 0, cut_percent: 0, a_second: usize::MAX, paused: None }
    }
}

/// A mail that SES took.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) invitation: String,
    pub(crate) attempt: u32,
    pub(crate) token: Token,
    pub(crate) at: DateTime<Utc>,
}

/// What SES has done so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) taken: Vec<Taken>,
    pub(crate) cut: usize,
    pub(crate) throttled: usize,
    pub(crate) paused: usize,
}

impl Account {
    /// Copies beyond the first one of each invitation.
    pub(crate) fn duplicates(&self) -> usize {
        self.taken.len() - self.invitations().len()
    }

    pub(crate) fn invitations(&self) -> HashSet<&str> {
        self.taken.iter().map(|mail| mail.invitation.as_str()).collect()
    }

    /// Most mails taken in one second.
    pub(crate) fn most_a_second(&self) -> usize {
        let mut seconds = BTreeMap::<_, usize>::new();
        for mail in &self.taken {
            *seconds.entry(mail.at.timestamp()).or_default() += 1;
        }
        seconds.into_values().max().unwrap_or_default()
    }
}

/// The stand-in.
#[derive(Debug)]
pub(crate) struct Ses {
    weather: Weather,
    clock: Shared<TestClock>,
    account: Mutex<Account>,
}

enum Answer {
    Take,
    TakeAndCut,
    Refuse(u16, &'static str),
}

impl Ses {
    /// Opens it, with a mailer that leads there.
    pub(crate) async fn open(clock: Shared<TestClock>, weather: Weather) -> (Arc<Self>, SesMailer) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let ses = Arc::new(Self { weather, clock, account: Mutex::default() });
        let at_work = ses.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(at_work.clone(), stream));
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

    pub(crate) fn account(&self) -> Account {
        self.account.lock().unwrap().clone()
    }

    fn judge(&self, account: &Account, mail: &Taken) -> Answer {
        let Weather { seed, throttled_percent, cut_percent, a_second, paused } = &self.weather;
        let matter = |what| format!("{what}-{}-{}", mail.invitation, mail.attempt);
        if paused.is_some_and(|(from, until)| (from..until).contains(&mail.at)) {
            return Answer::Refuse(400, "SendingPausedException");
        }
        let this_second = account.taken.iter().rev().take_while(|it| it.at.timestamp() == mail.at.timestamp()).count();
        if this_second >= *a_second || seed.hits(*throttled_percent, &matter("throttled")) {
            return Answer::Refuse(429, "TooManyRequestsException");
        }
        if seed.hits(*cut_percent, &matter("cut")) { Answer::TakeAndCut } else { Answer::Take }
    }

    /// The answer to a request; `None` if the connection is cut instead.
    fn answer(&self, request: &Value) -> Option<String> {
        let mail = self.read(request);
        let mut account = self.account.lock().unwrap();
        let (status, code, body) = match self.judge(&account, &mail) {
            Answer::TakeAndCut => {
                account.cut += 1;
                account.taken.push(mail);
                return None;
            }
            Answer::Take => {
                account.taken.push(mail);
                (200, "", json!({ "MessageId": format!("message-{}", account.taken.len()) }))
            }
            Answer::Refuse(status, code) => {
                *(if status == 429 { &mut account.throttled } else { &mut account.paused }) += 1;
                (status, code, json!({ "message": "the weather" }))
            }
        };
        let body = body.to_string();
        Some(format!(
            "HTTP/1.1 {status} X\r\nx-amzn-errortype: {code}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn read(&self, request: &Value) -> Taken {
        let tag = |name| {
            let tags = request["EmailTags"].as_array().unwrap();
            tags.iter().find(|tag| tag["Name"] == name).unwrap()["Value"].as_str().unwrap()
        };
        let text = request["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap();
        let (_, link) = text.split_once("/activate#").unwrap();
        Taken {
            invitation: tag("invitation").to_owned(),
            attempt: tag("attempt").parse().unwrap(),
            token: Token::parse(link.split_whitespace().next().unwrap()).unwrap(),
            at: self.clock.now(),
        }
    }
}

/// Answers the requests of one connection. A sender that has died hangs up, at any point.
async fn serve(ses: Arc<Ses>, mut stream: TcpStream) {
    let mut received = Vec::new();
    while let Some(request) = next_request(&mut stream, &mut received).await {
        let Some(answer) = ses.answer(&request) else { return };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The body of the connection's next request; `None` once the client has hung up.
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
