use std::sync::{Arc, Mutex};

use aws_sdk_sqs::{
    operation::{
        send_message::{SendMessageError, SendMessageInput, SendMessageOutput},
        send_message_batch::{SendMessageBatchInput, SendMessageBatchOutput},
    },
    types::{SendMessageBatchResultEntry, error::QueueDoesNotExist},
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use proptest::prelude::*;

use super::*;

const URL: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/invitations";
const GOLDEN: &str = r#"{"schema":1,"practice":"oak","patient":"p-1001","invitationId":"i-1"}"#;
const GOLDEN_NOTICES: &str = r#"{"schema":1,"practice":"oak","patient":"p-1001","notices":{}}"#;

fn key() -> RecordKey {
    RecordKey { practice: PracticeId::parse("oak").unwrap(), patient: PatientId::parse("p-1001").unwrap() }
}

fn message(number: usize) -> Hint {
    let invitation = InvitationId::parse(&format!("i-{number}")).unwrap();
    Hint::Invitation(InvitationMessage { key: key(), invitation })
}

fn messages(count: usize) -> Vec<Hint> {
    (0..count).map(message).collect()
}

#[test]
fn a_message_has_this_format() {
    assert_eq!(to_body(&message(1)).unwrap(), GOLDEN);
    assert_eq!(from_body(GOLDEN).unwrap(), message(1));
    let notices = Hint::Notices(key());
    assert_eq!(to_body(&notices).unwrap(), GOLDEN_NOTICES);
    assert_eq!(from_body(GOLDEN_NOTICES).unwrap(), notices);
}

#[test]
fn unknown_members_are_ignored() {
    let body = GOLDEN.replace('}', r#","trace":"t-1"}"#);
    assert_eq!(from_body(&body).unwrap(), message(1));
    let body = GOLDEN_NOTICES.replace("{}", r#"{"most":1}"#).replace(r#""schema""#, r#""trace":["t-1"],"schema""#);
    assert_eq!(from_body(&body).unwrap(), Hint::Notices(key()));
}

#[test]
fn a_message_with_a_newer_schema_is_an_error() {
    let newer = r#"{"schema":2,"records":[]}"#;
    assert!(matches!(from_body(newer), Err(MessageError::Schema(2))));
}

#[test]
fn a_message_with_another_structure_is_an_error() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"schema":"1"}"#,
        r#"{"schema":-1}"#,
        r#"{"schema":1,"practice":"oak","patient":"p-1001"}"#,
        r#"{"schema":1,"practice":"oak","patient":1001,"invitationId":"i-1"}"#,
        r#"{"schema":1,"practice":"oak","patient":"p-1001","notices":true}"#,
        r#"{"schema":1,"practice":"oak","patient":"p-1001","reports":{}}"#,
        r#"{"schema":1,"notices":{}}"#,
        &GOLDEN[1..],
    ] {
        assert!(matches!(from_body(body), Err(MessageError::Shape(_))), "{body}");
    }
    for bad in ["", "a#b", "a/b"] {
        assert!(matches!(from_body(&GOLDEN.replace("p-1001", bad)), Err(MessageError::Id(_))), "{bad}");
    }
}

#[test]
fn errors_do_not_quote_the_body() {
    let error = from_body(r#"{"schema":"jose@example.com"}"#).unwrap_err();
    assert_eq!(error.to_string(), "the message has an invalid structure");
}

proptest! {
    #[test]
    fn reading_never_panics(body in "\\PC{0,80}") {
        let _message = from_body(&body);
    }

    #[test]
    fn reading_json_never_panics(schema in 0_u32..3, practice in "\\PC{0,70}", patient in "\\PC{0,70}", id in "\\PC{0,70}") {
        let body = serde_json::json!({ "schema": schema, "practice": practice, "patient": patient, "invitationId": id });
        if let Ok(Hint::Invitation(message)) = from_body(&body.to_string()) {
            prop_assert_eq!(message.key.practice.as_str(), practice);
            prop_assert_eq!(message.invitation.as_str(), id);
        }
    }

    #[test]
    fn a_written_message_can_be_read(practice in "[A-Za-z0-9._:-]{1,64}", patient in "[A-Za-z0-9._:-]{1,64}", id in "[A-Za-z0-9-]{1,64}") {
        let key = RecordKey { practice: PracticeId::parse(&practice).unwrap(), patient: PatientId::parse(&patient).unwrap() };
        let notices = Hint::Notices(key.clone());
        prop_assert_eq!(from_body(&to_body(&notices).unwrap()).unwrap(), notices);
        let message = Hint::Invitation(InvitationMessage { key, invitation: InvitationId::parse(&id).unwrap() });
        prop_assert_eq!(from_body(&to_body(&message).unwrap()).unwrap(), message);
    }
}

#[tokio::test]
async fn one_message_is_sent_with_one_plain_call() {
    let one = mock!(Client::send_message)
        .match_requests(|input: &SendMessageInput| {
            input.queue_url() == Some(URL) && input.message_body() == Some(GOLDEN)
        })
        .then_output(|| SendMessageOutput::builder().message_id("m-1").build());
    let client = mock_client!(aws_sdk_sqs, [&one]);
    SqsQueue::new(client, URL.into()).send(&[message(1)]).await.unwrap();
    assert_eq!(one.num_calls(), 1);
}

#[tokio::test]
async fn no_call_is_made_for_no_messages() {
    let no_rules: [&Rule; 0] = [];
    let client = mock_client!(aws_sdk_sqs, no_rules);
    SqsQueue::new(client, URL.into()).send(&[]).await.unwrap();
}

#[tokio::test]
async fn many_messages_are_sent_ten_per_call() {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sizes);
    let batch = mock!(Client::send_message_batch)
        .match_requests(move |input: &SendMessageBatchInput| {
            let ids: Vec<_> = input.entries().iter().map(|entry| entry.id().to_owned()).collect();
            let numbers: Vec<_> = (0..ids.len()).map(|number| number.to_string()).collect();
            seen.lock().unwrap().push(ids.len());
            ids == numbers && input.entries().iter().all(|entry| from_body(entry.message_body()).is_ok())
        })
        .then_output(|| {
            SendMessageBatchOutput::builder().set_successful(Some(vec![])).set_failed(Some(vec![])).build().unwrap()
        });
    let client = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&batch]);
    SqsQueue::new(client, URL.into()).send(&messages(25)).await.unwrap();
    assert_eq!(*sizes.lock().unwrap(), [10, 10, 5]);
}

#[tokio::test]
async fn a_rejected_message_is_an_error_and_the_rest_is_sent() {
    let partly = mock!(Client::send_message_batch).then_output(|| {
        let taken =
            SendMessageBatchResultEntry::builder().id("0").message_id("m").md5_of_message_body("0").build().unwrap();
        let failed =
            BatchResultErrorEntry::builder().id("1").code("InternalError").sender_fault(false).build().unwrap();
        SendMessageBatchOutput::builder().successful(taken).failed(failed).build().unwrap()
    });
    let last = mock!(Client::send_message).then_output(|| SendMessageOutput::builder().build());
    let client = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&partly, &last]);
    let error = SqsQueue::new(client, URL.into()).send(&messages(11)).await.unwrap_err();
    assert_eq!(error.to_string(), "the queue is unavailable");
    assert_eq!(error.0.to_string(), "1 messages were rejected, the first with InternalError");
    assert_eq!(last.num_calls(), 1);
}

#[tokio::test]
async fn a_missing_queue_is_an_error() {
    let gone = mock!(Client::send_message)
        .then_error(|| SendMessageError::QueueDoesNotExist(QueueDoesNotExist::builder().build()));
    let client = mock_client!(aws_sdk_sqs, [&gone]);
    assert!(SqsQueue::new(client, URL.into()).send(&[message(1)]).await.is_err());
}
