//! The request on the wire, and every outcome: responses of SES, and connection failures on a real socket.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use aws_sdk_sesv2::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use portal::{ids::MessageId, profile::Language, states::NoticeKind};
use serde_json::{Value, json};

use super::{samples::*, *};
use crate::aws::http_client;

/// Long enough for a busy machine. No test waits for it.
const LONG_TIMEOUT: Duration = Duration::from_secs(20);

fn mailer(endpoint: SocketAddr, timeout: Duration) -> SesMailer {
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        // The setting of the other clients. The mailer must ignore it.
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .endpoint_url(format!("http://{endpoint}"))
        .http_client(http_client())
        .build();
    SesMailer::with_timeout(&sdk, settings(), timeout)
}

fn settings() -> MailSettings {
    MailSettings {
        from: EmailAddress::parse("portal@mail.example.com").unwrap(),
        configuration_set: "invitations".into(),
        portal: portal(),
    }
}

/// Reads one HTTP request and returns its first line and body.
fn read_request(stream: &mut TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    let head = loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "the client disconnected");
        bytes.extend_from_slice(&chunk[..count]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let headers = String::from_utf8(bytes[..head].to_vec()).unwrap().to_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = bytes[head + 4..].to_vec();
    let received = body.len();
    body.resize(length, 0);
    stream.read_exact(&mut body[received..]).unwrap();
    (headers.lines().next().unwrap().to_owned(), serde_json::from_slice(&body).unwrap())
}

/// Starts a server in place of SES. `serve` gets the first connection; a second connection is refused.
fn start_server<T: Send + 'static>(serve: impl FnOnce(TcpStream) -> T + Send + 'static) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        drop(listener);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        serve(stream)
    });
    (address, server)
}

/// The result of the server. It may wait until the client disconnects, which needs the runtime of this thread.
async fn join<T: Send + 'static>(server: JoinHandle<T>) -> T {
    tokio::task::spawn_blocking(|| server.join().unwrap()).await.unwrap()
}

/// Sends the sample mail and answers with a status, an error code and a body. Returns the outcome and the request.
async fn answered(status: u16, code: &str, body: &str) -> (SendOutcome, (String, Value)) {
    answered_mail(&mail(Language::English), status, code, body).await
}

async fn answered_mail(mail: &InvitationMail, status: u16, code: &str, body: &str) -> (SendOutcome, (String, Value)) {
    answered_by(status, code, body, async |mailer| mailer.send(mail).await).await
}

/// Sends any mail and answers with a status, an error code and a body.
async fn answered_by(
    status: u16,
    code: &str,
    body: &str,
    send: impl AsyncFnOnce(SesMailer) -> SendOutcome,
) -> (SendOutcome, (String, Value)) {
    let answer = format!(
        "HTTP/1.1 {status} X\r\nx-amzn-errortype: {code}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (address, server) = start_server(move |mut stream| {
        let request = read_request(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        request
    });
    let outcome = send(mailer(address, LONG_TIMEOUT)).await;
    (outcome, join(server).await)
}

fn error_body(message: &str) -> String {
    json!({ "message": message }).to_string()
}

#[tokio::test]
async fn an_accepted_mail_has_this_request_and_its_message_id() {
    let body = r#"{"MessageId":"0100018f-6a1b-4a52-000000"}"#;
    let (outcome, (line, request)) = answered(200, "", body).await;
    assert_eq!(outcome, SendOutcome::Accepted(MessageId::parse("0100018f-6a1b-4a52-000000").unwrap()));
    assert_eq!(line, "post /v2/email/outbound-emails http/1.1");

    assert_eq!(request["FromEmailAddress"], "\"Oak Medicine\" <portal@mail.example.com>");
    assert_eq!(request["Destination"], json!({ "ToAddresses": ["jose.patient@example.com"] }));
    assert_eq!(request["ConfigurationSetName"], "invitations");
    assert_eq!(
        request["EmailTags"],
        json!([
            { "Name": "invitation", "Value": "i-1" },
            { "Name": "attempt", "Value": "2" },
            { "Name": "record", "Value": "b2FrI3AtMTAwMQ" },
        ])
    );
    let simple = &request["Content"]["Simple"];
    assert_eq!(simple["Subject"], json!({ "Data": "Your invitation to open an account", "Charset": "UTF-8" }));
    let unsubscribe = "<https://portal.example.com/v1/unsubscribe?t=bGlua19pZF9vZl8xNg>";
    assert_eq!(
        simple["Headers"],
        json!([
            { "Name": "List-Unsubscribe", "Value": unsubscribe },
            { "Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click" },
        ])
    );
    for part in ["Text", "Html"] {
        assert_eq!(simple["Body"][part]["Charset"], "UTF-8");
        let body = simple["Body"][part]["Data"].as_str().unwrap();
        assert!(body.contains(&format!("https://portal.example.com/activate#{}", token_text())));
    }
    // The secret is in no other place.
    let (_, secret) = token_text().split_once('.').map(|(id, secret)| (id.to_owned(), secret.to_owned())).unwrap();
    assert_eq!(request.to_string().matches(&secret).count(), 2);
}

#[tokio::test]
async fn a_notice_has_this_request() {
    for (kind, name) in [
        (NoticeKind::AddressRemoved, "address-removed"),
        (NoticeKind::AddressAdded, "address-added"),
        (NoticeKind::AccountClosed, "account-closed"),
        (NoticeKind::AccountReopened, "account-reopened"),
    ] {
        let mail = notice(kind, Language::Spanish);
        let answer = r#"{"MessageId":"n-1"}"#;
        let (outcome, (_, request)) = answered_by(200, "", answer, async |mailer| mailer.notify(&mail).await).await;
        assert_eq!(outcome, SendOutcome::Accepted(MessageId::parse("n-1").unwrap()));
        assert_eq!(request["FromEmailAddress"], "\"Oak Medicine\" <portal@mail.example.com>");
        assert_eq!(request["Destination"], json!({ "ToAddresses": ["jose.patient@example.com"] }));
        assert_eq!(request["ConfigurationSetName"], "invitations");
        assert_eq!(request["EmailTags"], json!([{ "Name": "notice", "Value": name }]), "no tags of an invitation");
        let simple = &request["Content"]["Simple"];
        assert_eq!(simple["Subject"], json!({ "Data": "Un cambio en su cuenta", "Charset": "UTF-8" }));
        assert_eq!(simple["Headers"], Value::Null, "there is nothing to unsubscribe from");
        for part in ["Text", "Html"] {
            assert_eq!(simple["Body"][part]["Charset"], "UTF-8");
            assert!(simple["Body"][part]["Data"].as_str().unwrap().contains("martes 5 de mayo de 2026"));
        }
    }
}

#[tokio::test]
async fn error_responses_to_a_notice_are_classified() {
    let mail = notice(NoticeKind::AddressAdded, Language::English);
    for (status, code, expected) in [
        (429, "TooManyRequestsException", SendOutcome::Throttled),
        (400, "SendingPausedException", SendOutcome::Paused),
        (400, "MessageRejected", SendOutcome::Refused),
        (500, "InternalServiceErrorException", SendOutcome::Unknown),
    ] {
        let body = error_body("irrelevant");
        let answered = answered_by(status, code, &body, async |mailer| mailer.notify(&mail).await).await;
        assert_eq!(answered.0, expected, "{status} {code}");
    }
}

#[tokio::test]
async fn a_spanish_mail_is_sent_in_utf8() {
    let (_, (_, request)) = answered_mail(&mail(Language::Spanish), 200, "", r#"{"MessageId":"m"}"#).await;
    let simple = &request["Content"]["Simple"];
    assert_eq!(simple["Subject"]["Data"], "Su invitación para abrir una cuenta");
    assert!(simple["Body"]["Text"]["Data"].as_str().unwrap().contains("sábado 9 de mayo de 2026"));
}

#[tokio::test]
async fn a_success_without_a_message_id_is_unknown() {
    for body in ["{}", r#"{"MessageId":""}"#, r#"{"MessageId":"<a b>"}"#, "not json", ""] {
        assert_eq!(answered(200, "", body).await.0, SendOutcome::Unknown, "{body}");
    }
}

#[tokio::test]
async fn error_responses_are_classified() {
    let verified =
        "Email address is not verified. The following identities failed the check in region US-EAST-1: a@b.example";
    for (status, code, message, expected) in [
        (429, "TooManyRequestsException", "Maximum sending rate exceeded.", SendOutcome::Throttled),
        (429, "", "", SendOutcome::Throttled),
        (400, "ThrottlingException", "Rate exceeded", SendOutcome::Throttled),
        (429, "TooManyRequestsException", "Daily message quota exceeded.", SendOutcome::Paused),
        (400, "LimitExceededException", "", SendOutcome::Paused),
        (400, "SendingPausedException", "", SendOutcome::Paused),
        (400, "AccountSuspendedException", "", SendOutcome::Paused),
        (400, "MailFromDomainNotVerifiedException", "", SendOutcome::Paused),
        (400, "MessageRejected", verified, SendOutcome::Paused),
        (404, "NotFoundException", "Configuration set <x> does not exist.", SendOutcome::Paused),
        (403, "AccessDeniedException", "", SendOutcome::Paused),
        (400, "ExpiredTokenException", "", SendOutcome::Paused),
        (403, "", "", SendOutcome::Paused),
        (400, "MessageRejected", "Transaction failed", SendOutcome::Refused),
        (400, "BadRequestException", "Missing final '@domain'", SendOutcome::Refused),
        (413, "RequestEntityTooLargeException", "", SendOutcome::Refused),
        (408, "RequestTimeoutException", "", SendOutcome::Unknown),
        (500, "InternalServiceErrorException", "", SendOutcome::Unknown),
        (503, "ThrottlingException", "", SendOutcome::Unknown),
        (502, "", "", SendOutcome::Unknown),
        (302, "", "", SendOutcome::Unknown),
    ] {
        assert_eq!(answered(status, code, &error_body(message)).await.0, expected, "{status} {code}");
    }
}

#[tokio::test]
async fn a_response_of_a_proxy_is_classified_by_its_status() {
    let page = "<html>gateway</html>";
    for (status, expected) in [
        (429, SendOutcome::Throttled),
        (400, SendOutcome::Refused),
        (403, SendOutcome::Paused),
        (500, SendOutcome::Unknown),
        (504, SendOutcome::Unknown),
    ] {
        assert_eq!(answered(status, "", page).await.0, expected, "{status}");
    }
}

#[tokio::test]
async fn a_refused_connection_sent_no_mail() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(mailer(address, LONG_TIMEOUT).send(&mail(Language::English)).await, SendOutcome::Throttled);
}

#[tokio::test]
async fn a_failed_tls_handshake_sent_no_mail() {
    let (address, server) = start_server(drop);
    let mut mailer = mailer(address, LONG_TIMEOUT);
    let tls = mailer.client.config().to_builder().endpoint_url(format!("https://{address}")).build();
    mailer.client = Client::from_conf(tls);
    assert_eq!(mailer.send(&mail(Language::English)).await, SendOutcome::Throttled);
    join(server).await;
}

#[tokio::test]
async fn a_connection_that_ends_after_the_request_is_unknown_and_not_retried() {
    // A second attempt would find the port closed, and the outcome would be `Throttled`.
    let (address, server) = start_server(|mut stream| read_request(&mut stream));
    assert_eq!(mailer(address, LONG_TIMEOUT).send(&mail(Language::English)).await, SendOutcome::Unknown);
    join(server).await;
}

#[tokio::test]
async fn a_connection_that_ends_before_the_request_is_read_is_unknown() {
    let (address, server) = start_server(drop);
    assert_eq!(mailer(address, LONG_TIMEOUT).send(&mail(Language::English)).await, SendOutcome::Unknown);
    join(server).await;
}

#[tokio::test]
async fn an_incomplete_response_is_unknown() {
    let (address, server) = start_server(|mut stream| {
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"Mess").unwrap();
    });
    assert_eq!(mailer(address, LONG_TIMEOUT).send(&mail(Language::English)).await, SendOutcome::Unknown);
    join(server).await;
}

#[tokio::test]
async fn a_timeout_is_unknown() {
    let short = Duration::from_millis(300);
    let (address, server) = start_server(|mut stream| {
        read_request(&mut stream);
        // Until the client disconnects.
        stream.read(&mut [0; 1]).unwrap()
    });
    assert_eq!(mailer(address, short).send(&mail(Language::English)).await, SendOutcome::Unknown);
    assert_eq!(join(server).await, 0);
}

#[test]
fn the_client_makes_one_attempt_of_five_seconds() {
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .build();
    let mailer = SesMailer::new(&sdk, settings());
    let config = mailer.client.config();
    assert_eq!(config.retry_config().unwrap().max_attempts(), 1);
    let timeouts = config.timeout_config().unwrap();
    assert_eq!(timeouts.operation_timeout(), Some(Duration::from_secs(5)));
}

#[test]
fn a_sender_name_is_quoted_or_encoded() {
    let address = EmailAddress::parse("portal@mail.example.com").unwrap();
    let line = |name: &str| from_line(&DisplayName::parse(name).unwrap(), &address).unwrap();
    assert_eq!(line("Oak"), "Oak <portal@mail.example.com>");
    assert_eq!(line("Dr. Lee"), "\"Dr. Lee\" <portal@mail.example.com>");
    // "Clínica Núñez"
    assert_eq!(line("Cl\u{ed}nica N\u{fa}\u{f1}ez"), "=?utf-8?b?Q2zDrW5pY2EgTsO6w7Fleg==?= <portal@mail.example.com>");
    for name in ["Lee & Sons, Family Medicine (East)", "O'Brien", "=?utf-8?q?x?=", "李医生诊所", "a, b"] {
        let line = line(name);
        assert!(line.starts_with("=?utf-8?b?") && line.ends_with("?= <portal@mail.example.com>"), "{line}");
    }
}

#[test]
fn a_long_sender_name_is_one_line_of_ascii() {
    let address = EmailAddress::parse("portal@mail.example.com").unwrap();
    for name in ["a b".repeat(33), "\u{f1}".repeat(100), "\u{1f333}".repeat(100)] {
        let line = from_line(&DisplayName::parse(&name).unwrap(), &address).unwrap();
        assert!(line.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{line}");
        assert!(line.split(' ').all(|word| word.len() <= 75), "an encoded word has at most 75 characters: {line}");
    }
}
