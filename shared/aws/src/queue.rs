//! The queue between commands and the sender: SQS, and the format of its messages.
//!
//! A message is a hint and carries ids only. It names the trace of the request that sent it without our doing: the
//! SDK hands the invocation's trace id to SQS, which gives it back as the message's `AWSTraceHeader`.

use aws_sdk_sqs::{
    Client,
    types::{BatchResultErrorEntry, SendMessageBatchRequestEntry},
};
use portal::{
    ids::{InvalidId, InvitationId, PatientId, PracticeId, RecordKey},
    ports::{Hint, InvitationMessage, Queue, QueueError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The format that this version writes and reads.
pub(crate) const SCHEMA: u32 = 1;
/// How many messages SQS takes in one call.
const BATCH_MAX_MESSAGES: usize = 10;

/// A message's body. Members that are not known here are let through, so that one can be added without a new schema;
/// a change of meaning needs a new one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    schema: u32,
    practice: String,
    patient: String,
    #[serde(flatten)]
    waits: Waits,
}

/// What may wait: the member of this name. A sender that does not know of one cannot read the message, and leaves it
/// to one that does.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Waits {
    InvitationId(String),
    Notices {},
}

/// The one member that every schema has.
#[derive(Deserialize)]
struct Versioned {
    schema: u32,
}

/// A message's body is not what this version can read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// It is not JSON, or a member is missing or of another type.
    #[error("the message has another shape")]
    Shape(#[source] serde_json::Error),
    /// It was written by a newer version, or by none.
    #[error("the message has schema {0}, which is not known here")]
    Schema(u32),
    /// An id is not one.
    #[error("the message names something that is no id")]
    Id(#[source] InvalidId),
}

/// Writes a message's body.
///
/// # Errors
/// If it cannot be JSON, which ids always can.
pub fn to_body(hint: &Hint) -> Result<String, serde_json::Error> {
    let (RecordKey { practice, patient }, waits) = match hint {
        Hint::Invitation(message) => (&message.key, Waits::InvitationId(message.invitation.to_string())),
        Hint::Notices(key) => (key, Waits::Notices {}),
    };
    let body = Body { schema: SCHEMA, practice: practice.to_string(), patient: patient.to_string(), waits };
    serde_json::to_string(&body)
}

/// Reads a received message's body.
///
/// # Errors
/// [`MessageError`]; the body is never quoted in it.
pub fn from_body(body: &str) -> Result<Hint, MessageError> {
    let body: Body = read(body)?;
    let key = RecordKey {
        practice: PracticeId::parse(&body.practice).map_err(MessageError::Id)?,
        patient: PatientId::parse(&body.patient).map_err(MessageError::Id)?,
    };
    Ok(match body.waits {
        Waits::InvitationId(id) => {
            let invitation = InvitationId::parse(&id).map_err(MessageError::Id)?;
            Hint::Invitation(InvitationMessage { key, invitation })
        }
        Waits::Notices {} => Hint::Notices(key),
    })
}

/// Reads a body of this version's schema, whatever it is about.
pub(crate) fn read<B: DeserializeOwned>(body: &str) -> Result<B, MessageError> {
    let Versioned { schema } = serde_json::from_str(body).map_err(MessageError::Shape)?;
    if schema != SCHEMA {
        return Err(MessageError::Schema(schema));
    }
    serde_json::from_str(body).map_err(MessageError::Shape)
}

/// SQS did not take some of a batch.
#[derive(Debug, thiserror::Error)]
#[error("{count} of the messages were not taken, the first for {code}")]
struct NotTaken {
    count: usize,
    code: String,
}

/// An SQS queue.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// Takes a client and the queue's URL.
    #[must_use]
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    async fn send_one(&self, hint: &Hint) -> Result<(), QueueError> {
        let body = to_body(hint).map_err(boxed)?;
        self.client.send_message().queue_url(&self.url).message_body(body).send().await.map_err(boxed)?;
        Ok(())
    }

    async fn send_batch(&self, hints: &[Hint]) -> Result<(), QueueError> {
        let entries = hints.iter().enumerate().map(|(number, hint)| {
            let body = to_body(hint).map_err(boxed)?;
            SendMessageBatchRequestEntry::builder().id(number.to_string()).message_body(body).build().map_err(boxed)
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let batch = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = batch.send().await.map_err(boxed)?;
        match answer.failed() {
            [] => Ok(()),
            failed @ [first, ..] => {
                Err(boxed(NotTaken { count: failed.len(), code: BatchResultErrorEntry::code(first).to_owned() }))
            }
        }
    }
}

pub(crate) fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> QueueError {
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
            // One batch's failure keeps none of the others from being sent.
            outcome = outcome.and(sent);
        }
        outcome
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
