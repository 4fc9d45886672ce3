//! Batches of SQS messages, as Lambda delivers them to the functions.
//!
//! A wrong response loses mails: Lambda deletes every message that the response does not name, and all messages if the
//! response has a wrong key or `null`. Therefore the response has the type that the Lambda team maintains, this is the
//! only place that builds it, and tests check its bytes.

use std::{future::Future, panic::AssertUnwindSafe};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::{FutureExt as _, future::join_all};
use tracing::Instrument as _;

use crate::queue::MessageError;

/// The outcome of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageOutcome {
    /// The message is deleted.
    Done,
    /// The message is delivered again, until the queue moves it to the dead-letter queue.
    Retry,
}

/// Handles all messages of a batch concurrently and returns those that Lambda has to deliver again.
///
/// Messages do not affect each other. A message that cannot be read, or whose handler panics, is delivered again. `read`
/// parses a body. The handler records the id of the invitation or the job in the current span, as `invitation` or `job`.
pub async fn process_batch<M, F, Fut>(
    event: SqsEvent,
    read: impl Fn(&str) -> Result<M, MessageError>,
    handler: F,
) -> SqsBatchResponse
where
    F: Fn(M) -> Fut,
    Fut: Future<Output = MessageOutcome>,
{
    let outcomes = join_all(event.records.iter().map(|message| handle(message, &read, &handler))).await;
    let failed = event.records.iter().zip(outcomes).filter(|(_, outcome)| *outcome == MessageOutcome::Retry);
    let mut answer = SqsBatchResponse::default();
    // SQS gives every message an id. If one had none, an empty id would make Lambda deliver the whole batch again, while
    // no id would delete the message.
    answer.set_failures(failed.map(|(message, _)| message.message_id.clone().unwrap_or_default()));
    answer
}

async fn handle<M, F, Fut>(
    message: &SqsMessage,
    read: &impl Fn(&str) -> Result<M, MessageError>,
    handler: &F,
) -> MessageOutcome
where
    F: Fn(M) -> Fut,
    Fut: Future<Output = MessageOutcome>,
{
    let span = tracing::info_span!(
        "message",
        message = message.message_id,
        trace = message.attributes.get("AWSTraceHeader"),
        invitation = tracing::field::Empty,
        job = tracing::field::Empty,
    );
    let outcome = async {
        let body = message.body.as_deref().unwrap_or_default();
        match read(body) {
            Ok(message) => handler(message).await,
            Err(error) => {
                tracing::error!(%error, "message cannot be read");
                MessageOutcome::Retry
            }
        }
    };
    // The panic hook has logged the panic.
    AssertUnwindSafe(outcome.instrument(span)).catch_unwind().await.unwrap_or(MessageOutcome::Retry)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use portal::ports::Hint;
    use serde_json::{Value, json};
    use tokio::sync::Barrier;

    use super::*;
    use crate::queue;

    fn record(id: &str, body: &str) -> Value {
        json!({
            "messageId": id,
            "receiptHandle": "handle",
            "body": body,
            "attributes": { "ApproximateReceiveCount": "1", "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793" },
            "messageAttributes": {},
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:invitations",
            "awsRegion": "us-east-1",
        })
    }

    fn invitation(id: &str) -> String {
        format!(r#"{{"schema":1,"practice":"oak","patient":"p-1","invitationId":"{id}"}}"#)
    }

    fn event(records: &[Value]) -> SqsEvent {
        serde_json::from_value(json!({ "Records": records })).unwrap()
    }

    async fn answer<F, Fut>(records: &[Value], handler: F) -> String
    where
        F: Fn(Hint) -> Fut,
        Fut: Future<Output = MessageOutcome>,
    {
        serde_json::to_string(&process_batch(event(records), queue::from_body, handler).await).unwrap()
    }

    async fn done(_hint: Hint) -> MessageOutcome {
        MessageOutcome::Done
    }

    async fn retry(_hint: Hint) -> MessageOutcome {
        MessageOutcome::Retry
    }

    #[tokio::test]
    async fn an_answer_without_failures_is_an_empty_list() {
        let good = [record("m-1", &invitation("i-1"))];
        assert_eq!(answer(&good, done).await, r#"{"batchItemFailures":[]}"#);
        assert_eq!(answer(&[], retry).await, r#"{"batchItemFailures":[]}"#);
    }

    #[tokio::test]
    async fn an_answer_names_the_messages_to_deliver_again() {
        let both = [record("m-1", &invitation("i-1")), record("m-2", &invitation("i-2"))];
        let golden = r#"{"batchItemFailures":[{"itemIdentifier":"m-1"},{"itemIdentifier":"m-2"}]}"#;
        assert_eq!(answer(&both, retry).await, golden);
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_read_fails_alone() {
        let mut no_body = record("m-4", "");
        no_body["body"] = Value::Null;
        let mixed = [
            record("m-1", &invitation("i-1")),
            record("m-2", "poison"),
            record("m-3", r#"{"schema":2}"#),
            no_body,
            record("m-5", &invitation("i-5")),
        ];
        let handled = Cell::new(0);
        let golden =
            r#"{"batchItemFailures":[{"itemIdentifier":"m-2"},{"itemIdentifier":"m-3"},{"itemIdentifier":"m-4"}]}"#;
        let count = |hint| {
            handled.set(handled.get() + 1);
            done(hint)
        };
        assert_eq!(answer(&mixed, count).await, golden);
        assert_eq!(handled.get(), 2);
    }

    #[tokio::test]
    async fn a_message_whose_handler_panics_fails_alone() {
        let both = [record("m-1", &invitation("i-1")), record("m-2", &invitation("i-2"))];
        let golden = r#"{"batchItemFailures":[{"itemIdentifier":"m-2"}]}"#;
        let assert_first = |hint: &Hint| {
            assert!(matches!(hint, Hint::Invitation(message) if message.invitation.as_str() == "i-1"));
        };
        let in_the_call = |hint: Hint| {
            assert_first(&hint);
            done(hint)
        };
        assert_eq!(answer(&both, in_the_call).await, golden);
        let in_the_future = async |hint: Hint| {
            assert_first(&hint);
            MessageOutcome::Done
        };
        assert_eq!(answer(&both, in_the_future).await, golden);
    }

    #[tokio::test]
    async fn messages_are_handled_concurrently() {
        let records: Vec<_> = (0..10).map(|number| record(&format!("m-{number}"), &invitation("i-1"))).collect();
        let all_running = Barrier::new(10);
        let meet = async |_hint: Hint| {
            all_running.wait().await;
            MessageOutcome::Done
        };
        assert_eq!(answer(&records, meet).await, r#"{"batchItemFailures":[]}"#);
    }

    #[tokio::test]
    async fn a_message_without_an_id_is_not_lost() {
        let mut nameless = record("", &invitation("i-1"));
        nameless["messageId"] = Value::Null;
        assert_eq!(answer(&[nameless.clone()], done).await, r#"{"batchItemFailures":[]}"#);
        assert_eq!(answer(&[nameless], retry).await, r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#);
    }
}
