//! The SQS queue of bulk job runs, and the format of its messages: ids only, as in [`crate::queue`].

use aws_sdk_sqs::Client;
use chrono::TimeDelta;
use portal::{
    ids::{JobId, JobKey, PracticeId},
    ports::{JobQueue, QueueError},
};
use serde::{Deserialize, Serialize};

use crate::queue::{MessageError, SCHEMA, queue_error, read};

/// The maximum delay of a message in SQS.
const MAX_DELAY_SECS: i64 = 15 * 60;

/// The body of a message.
#[derive(Serialize, Deserialize)]
struct Body {
    schema: u32,
    practice: String,
    job: String,
}

/// Writes the body of a message.
///
/// # Errors
/// If serialization fails, which it does not for ids.
pub fn to_body(JobKey { practice, job }: &JobKey) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Body { schema: SCHEMA, practice: practice.to_string(), job: job.to_string() })
}

/// Reads the body of a message.
///
/// # Errors
/// [`MessageError`], which never quotes the body.
pub fn from_body(body: &str) -> Result<JobKey, MessageError> {
    let Body { practice, job, .. } = read(body)?;
    let practice = PracticeId::parse(&practice).map_err(MessageError::Id)?;
    Ok(JobKey { practice, job: JobId::parse(&job).map_err(MessageError::Id)? })
}

/// The SQS queue.
#[derive(Clone, Debug)]
pub struct SqsJobQueue {
    client: Client,
    url: String,
}

impl SqsJobQueue {
    /// The queue at a URL.
    #[must_use]
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

impl JobQueue for SqsJobQueue {
    async fn enqueue_run(&self, job: &JobKey, wait: TimeDelta) -> Result<(), QueueError> {
        let body = to_body(job).map_err(queue_error)?;
        // Rounded up, so that the lease of the job has expired when the message arrives.
        let secs = (wait + TimeDelta::milliseconds(999)).num_seconds().clamp(0, MAX_DELAY_SECS);
        let secs = i32::try_from(secs).unwrap_or_default();
        let message = self.client.send_message().queue_url(&self.url).message_body(body).delay_seconds(secs);
        message.send().await.map_err(queue_error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_sdk_sqs::operation::send_message::SendMessageOutput;
    use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
    use portal::testing::samples;

    use super::*;

    fn key() -> JobKey {
        samples::scope("oak").job(&samples::job_id("job-1"))
    }

    #[test]
    fn a_message_contains_ids_only_and_can_be_read() {
        let body = to_body(&key()).unwrap();
        assert_eq!(body, r#"{"schema":1,"practice":"oak","job":"job-1"}"#);
        assert_eq!(from_body(&body).unwrap(), key());
        assert_eq!(from_body(r#"{"schema":1,"practice":"oak","job":"job-1","more":1}"#).unwrap(), key());
    }

    #[test]
    fn an_invalid_message_is_an_error_that_does_not_quote_it() {
        for body in [
            "",
            "secret",
            "[]",
            r#"{"schema":1}"#,
            r#"{"schema":2,"practice":"oak","job":"job-1"}"#,
            r#"{"schema":1,"practice":"o#k","job":"secret"}"#,
            r#"{"schema":1,"practice":"oak","job":"secret#"}"#,
            r#"{"schema":1,"practice":"oak","patient":"p-1","invitationId":"i-1"}"#,
        ] {
            let error = from_body(body).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_delay_is_rounded_up_to_seconds_and_limited_to_the_maximum_of_sqs() {
        let delays = std::sync::Arc::new(Mutex::new(Vec::new()));
        let kept = delays.clone();
        let taken = mock!(Client::send_message).then_compute_response(move |request| {
            kept.lock().unwrap().push(request.delay_seconds);
            MockResponse::Output(SendMessageOutput::builder().build())
        });
        let client = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, &[&taken]);
        let queue = SqsJobQueue::new(client, "https://sqs.example.com/jobs".to_owned());
        for millis in [0, 1, 1_000, 45_500, 10_000_000, -5] {
            queue.enqueue_run(&key(), TimeDelta::milliseconds(millis)).await.unwrap();
        }
        assert_eq!(*delays.lock().unwrap(), [0, 1, 1, 46, 900, 0].map(Some));
    }
}
