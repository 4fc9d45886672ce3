//! The SQS queue between commands and the sender, and the format of its messages.
//!
//! A message is a hint and contains ids only. The SDK adds the trace id of the invocation that sends it, which SQS
//! delivers as the attribute `AWSTraceHeader`.

use aws_sdk_sqs::{
    Client,
    types::{BatchResultErrorEntry, SendMessageBatchRequestEntry},
};
use portal::{
    ids::{InvalidId, InvitationId, PatientId, PracticeId, RecordKey},
    ports::{Hint, InvitationMessage, Queue, QueueError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The message format that this version writes and reads.
pub(crate) const SCHEMA: u32 = 1;
/// The maximum number of messages in one SQS call.
const BATCH_MAX_MESSAGES: usize = 10;

/// The body of a message. Unknown members are ignored, so a member can be added without a new schema version. A change
/// of meaning needs a new schema version.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    schema: u32,
    practice: String,
    patient: String,
    #[serde(flatten)]
    target: Target,
}

/// What the hint is about, as a member of the body with this name. A sender that does not know the member cannot read the
/// message, which then stays in the queue for a newer sender.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Target {
    InvitationId(String),
    Notices {},
}

/// The member that all schema versions have.
#[derive(Deserialize)]
struct SchemaVersion {
    schema: u32,
}

/// A message body cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// It is not JSON, or a member is missing or has the wrong type.
    #[error("the message has an invalid structure")]
    Shape(#[source] serde_json::Error),
    /// Another version wrote it.
    #[error("the message has the unknown schema {0}")]
    Schema(u32),
    /// It contains an invalid id.
    #[error("the message contains an invalid id")]
    Id(#[source] InvalidId),
}

/// Writes the body of a message.
///
/// # Errors
/// If serialization fails, which it does not for ids.
pub fn to_body(hint: &Hint) -> Result<String, serde_json::Error> {
    let (RecordKey { practice, patient }, target) = match hint {
        Hint::Invitation(message) => (&message.key, Target::InvitationId(message.invitation.to_string())),
        Hint::Notices(key) => (key, Target::Notices {}),
    };
    let body = Body { schema: SCHEMA, practice: practice.to_string(), patient: patient.to_string(), target };
    serde_json::to_string(&body)
}

/// Reads the body of a message.
///
/// # Errors
/// [`MessageError`], which never quotes the body.
pub fn from_body(body: &str) -> Result<Hint, MessageError> {
    let body: Body = read(body)?;
    let key = RecordKey {
        practice: PracticeId::parse(&body.practice).map_err(MessageError::Id)?,
        patient: PatientId::parse(&body.patient).map_err(MessageError::Id)?,
    };
    Ok(match body.target {
        Target::InvitationId(id) => {
            let invitation = InvitationId::parse(&id).map_err(MessageError::Id)?;
            Hint::Invitation(InvitationMessage { key, invitation })
        }
        Target::Notices {} => Hint::Notices(key),
    })
}

/// Reads any type of body with the schema of this version.
pub(crate) fn read<B: DeserializeOwned>(body: &str) -> Result<B, MessageError> {
    let SchemaVersion { schema } = serde_json::from_str(body).map_err(MessageError::Shape)?;
    if schema != SCHEMA {
        return Err(MessageError::Schema(schema));
    }
    serde_json::from_str(body).map_err(MessageError::Shape)
}

/// SQS rejected messages of a batch.
#[derive(Debug, thiserror::Error)]
#[error("{count} messages were rejected, the first with {code}")]
struct Rejected {
    count: usize,
    code: String,
}

/// The SQS queue.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// The queue at a URL.
    #[must_use]
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    async fn send_one(&self, hint: &Hint) -> Result<(), QueueError> {
        let body = to_body(hint).map_err(queue_error)?;
        self.client.send_message().queue_url(&self.url).message_body(body).send().await.map_err(queue_error)?;
        Ok(())
    }

    async fn send_batch(&self, hints: &[Hint]) -> Result<(), QueueError> {
        let entries = hints.iter().enumerate().map(|(number, hint)| {
            let body = to_body(hint).map_err(queue_error)?;
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(body)
                .build()
                .map_err(queue_error)
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let batch = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = batch.send().await.map_err(queue_error)?;
        match answer.failed() {
            [] => Ok(()),
            failed @ [first, ..] => {
                Err(queue_error(Rejected { count: failed.len(), code: BatchResultErrorEntry::code(first).to_owned() }))
            }
        }
    }
}

pub(crate) fn queue_error(error: impl std::error::Error + Send + Sync + 'static) -> QueueError {
    QueueError(Box::new(error))
}

impl Queue for SqsQueue {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        let mut outcome = Ok(());
        for batch in hints.chunks(BATCH_MAX_MESSAGES) {
            let sent = match batch {
                [one] => self.send_one(one).await,
                many => self.send_batch(many).await,
            };
            // After the failure of a batch, the other batches are sent nevertheless.
            outcome = outcome.and(sent);
        }
        outcome
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
