//! A fake SQS: accepts messages and keeps them.

use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::{Answer, refusal};

/// The messages that were sent.
#[derive(Default)]
pub(super) struct Sqs {
    messages: Vec<String>,
    sent: u64,
}

/// The URL of the queue at this endpoint.
#[must_use]
pub fn queue_url(endpoint: &str) -> String {
    format!("{endpoint}/123456789012/portal-invitations")
}

impl Sqs {
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.messages)
    }

    pub(super) fn answer(&mut self, operation: &str, body: &[u8]) -> Answer {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let answer = match operation {
            "SendMessage" => self.keep(&request).map(|sent| sent.to_string()),
            "SendMessageBatch" => {
                let entries = request.get("Entries").and_then(Value::as_array).into_iter().flatten();
                let sent = entries.map(|entry| self.keep(entry));
                sent.collect::<Option<Vec<_>>>().map(|sent| json!({ "Successful": sent, "Failed": [] }).to_string())
            }
            _ => None,
        };
        answer.map_or_else(|| refusal(400, "UnsupportedOperation"), |body| Answer { status: 200, body })
    }

    /// Keeps a message. One of a batch has an `Id`.
    fn keep(&mut self, entry: &Value) -> Option<Value> {
        let body = entry.get("MessageBody")?.as_str()?;
        let checksum = hexadecimal(&Md5::digest(body));
        self.messages.push(body.to_owned());
        self.sent += 1;
        let id = format!("219f8380-5770-4cc2-8c3e-{:012x}", self.sent);
        let mut sent = json!({ "MD5OfMessageBody": checksum, "MessageId": id });
        if let Some((entry, sent)) = entry.get("Id").zip(sent.as_object_mut()) {
            sent.insert("Id".to_owned(), entry.clone());
        }
        Some(sent)
    }
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
