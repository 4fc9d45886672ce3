//! A fake SES v2: accepts mails and keeps what identifies their patients.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, refusal};

/// An accepted mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// SES's id of the mail.
    pub message_id: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its text.
    pub text: String,
}

/// The accepted mails.
#[derive(Default)]
pub(super) struct Ses {
    mails: Vec<Mail>,
    sent: u64,
}

impl Ses {
    pub(super) fn take(&mut self) -> Vec<Mail> {
        std::mem::take(&mut self.mails)
    }

    pub(super) fn answer(&mut self, body: &[u8]) -> Answer {
        self.sent += 1;
        let message_id = format!("0100019df7e3a8f1-{:08x}-5a2b-4c3d-9e4f-{:012x}-000000", self.sent, self.sent);
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(mail) = read(&request, &message_id) else { return refusal(400, "BadRequestException") };
        self.mails.push(mail);
        Answer { status: 200, body: json!({ "MessageId": message_id }).to_string() }
    }
}

fn read(request: &Value, message_id: &str) -> Option<Mail> {
    let tag = |tag: &Value| Some((tag["Name"].as_str()?.to_owned(), tag["Value"].as_str()?.to_owned()));
    Some(Mail {
        message_id: message_id.to_owned(),
        tags: request["EmailTags"].as_array()?.iter().map(tag).collect::<Option<_>>()?,
        text: request.pointer("/Content/Simple/Body/Text/Data")?.as_str()?.to_owned(),
    })
}
