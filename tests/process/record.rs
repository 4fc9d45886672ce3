//! Records in the states that only a fault at a certain moment leaves. A test cannot cause a fault at that moment from
//! outside. So it changes the record back to its state at that moment.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portal::{
    ids::{PatientId, PracticeId, RecordKey},
    policy::MAX_TRIES,
};
use portal_aws::{http::testing, mail_tags, store::keys};
use serde_json::{Map, Value, json};

use crate::{aws, client::Practice};

/// The record of a patient whose invitation has been sent.
pub(crate) struct Record<'practice> {
    practice: &'practice Practice,
    patient: &'practice str,
}

impl<'practice> Record<'practice> {
    pub(crate) fn new(practice: &'practice Practice, patient: &'practice str) -> Self {
        Self { practice, patient }
    }

    /// Sets the state after an invite whose message was lost: queued, never claimed.
    pub(crate) fn lose_message(&self) {
        self.update(
            "SET invitation_state = :queued, attempt = :none, tries_left = :all, next_action = :deliver \
             REMOVE sent_at, message_id, delivery, expires_at, first_sent_at, link_id, link_secrets, guesses",
            &json!({
                ":queued": { "S": "queued" }, ":none": { "N": "0" }, ":all": { "N": MAX_TRIES.to_string() },
                ":deliver": { "S": "deliver" },
            }),
        );
    }

    /// Sets the state after the death of a sender whose mail SES accepted: claimed, not stamped. `lease_ends_in_millis` is
    /// counted from the invitation.
    pub(crate) fn lose_stamp(&self, lease_ends_in_millis: i64) {
        self.update(
            "SET invitation_state = :sending, lease_until = queued_at + :lease, next_action = :deliver \
             REMOVE sent_at, message_id, delivery, first_sent_at",
            &json!({
                ":sending": { "S": "sending" }, ":lease": { "N": lease_ends_in_millis.to_string() },
                ":deliver": { "S": "deliver" },
            }),
        );
    }

    /// Makes the invitation a minute older, for the rule about the time between reinvites.
    pub(crate) fn age_by_a_minute(&self) {
        self.update("SET queued_at = queued_at - :minute REMOVE staff_mails", &json!({ ":minute": { "N": "60000" } }));
    }

    /// Makes the next action due.
    pub(crate) fn make_due(&self) {
        self.update("SET due_at = queued_at", &Value::Null);
    }

    /// The hashes of the secrets that open an account.
    pub(crate) fn live_hashes(&self) -> Vec<Vec<u8>> {
        let item = self.item();
        let secrets = item["link_secrets"]["L"].as_array().unwrap();
        secrets.iter().map(|secret| STANDARD.decode(secret["B"].as_str().unwrap()).unwrap()[..32].to_vec()).collect()
    }

    /// The message that an invite sends to the queue.
    pub(crate) fn message(&self) -> String {
        let invitation = &self.item()["invitation_id"]["S"];
        let body = json!({
            "schema": 1, "practice": self.practice.id, "patient": self.patient, "invitationId": invitation,
        });
        body.to_string()
    }

    /// The sample event of this name, as SES would send it for the latest attempt of the invitation's mail.
    pub(crate) fn mail_event(&self, sample: &str) -> Value {
        let item = self.item();
        let sample: Value = testing::sample(&format!("mail-events/{sample}"));
        let mut event: Value = serde_json::from_str(&sample.to_string().replace("jose@", "canary@")).unwrap();
        event["account"] = aws::account(self.practice.stack).into();
        let tags = event["detail"]["mail"]["tags"].as_object_mut().unwrap();
        for (tag, value) in [
            (mail_tags::INVITATION, item["invitation_id"]["S"].clone()),
            (mail_tags::ATTEMPT, item["attempt"]["N"].clone()),
            (mail_tags::RECORD, mail_tags::encode_record(&self.key()).into()),
        ] {
            // A sample without the tag is not about an invitation's mail.
            if let Some(values) = tags.get_mut(tag) {
                *values = json!([value]);
            }
        }
        event
    }

    fn key(&self) -> RecordKey {
        RecordKey {
            practice: PracticeId::parse(&self.practice.id).unwrap(),
            patient: PatientId::parse(self.patient).unwrap(),
        }
    }

    fn item(&self) -> Value {
        let answer = self.call("GetItem", Map::from_iter([("ConsistentRead".into(), true.into())]));
        answer["Item"].clone()
    }

    fn update(&self, expression: &str, values: &Value) {
        let mut input = Map::from_iter([
            ("UpdateExpression".into(), expression.into()),
            // The record must exist and have a next action.
            ("ConditionExpression".into(), "attribute_exists(due_shard)".into()),
        ]);
        if values.is_object() {
            input.insert("ExpressionAttributeValues".into(), values.clone());
        }
        self.call("UpdateItem", input);
    }

    fn call(&self, operation: &str, mut input: Map<String, Value>) -> Value {
        let key =
            json!({ keys::PARTITION: { "S": keys::record_partition(&self.key()) }, keys::SORT: { "S": "PORTAL" } });
        input.insert("Key".into(), key);
        input.insert("TableName".into(), self.practice.stack.table.clone().into());
        aws::dynamodb(self.practice.stack, operation, &Value::Object(input))
    }
}
