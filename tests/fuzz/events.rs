//! The parsers of events of other AWS services: queue messages and SES events.

use bolero::check;
use portal::testing::samples;
use portal_aws::{
    http::testing::sample,
    job_queue, mail_tags, queue,
    ses_events::{Origin, read},
};
use serde_json::Value;

use crate::{Edits, ITERATIONS, spliced};

#[test]
fn fuzz_queue_message() {
    let good =
        br#"{"schema":1,"practice":"lake","patient":"p-1","invitationId":"01931b8e-7c3a-7d2e-9f00-0123456789ab"}"#;
    check!().with_iterations(ITERATIONS).with_type::<Edits>().for_each(|edits| {
        let text = spliced(good, edits);
        let Ok(hint) = queue::from_body(&String::from_utf8_lossy(&text)) else { return };
        assert_eq!(queue::from_body(&queue::to_body(&hint).unwrap()).unwrap(), hint, "it can be written and read back");
    });
}

#[test]
fn fuzz_job_message() {
    let good = br#"{"schema":1,"practice":"lake","job":"01931b8e-7c3a-7d2e-9f00-0123456789ab"}"#;
    check!().with_iterations(ITERATIONS).with_type::<Edits>().for_each(|edits| {
        let text = spliced(good, edits);
        let Ok(key) = job_queue::from_body(&String::from_utf8_lossy(&text)) else { return };
        assert_eq!(
            job_queue::from_body(&job_queue::to_body(&key).unwrap()).unwrap(),
            key,
            "it can be written and read back"
        );
    });
}

#[test]
fn fuzz_mail_tag() {
    let good = mail_tags::encode_record(&samples::key("lake:1", "p-1001"));
    check!().with_iterations(ITERATIONS).with_type::<Edits>().for_each(|edits| {
        let Ok(text) = String::from_utf8(spliced(good.as_bytes(), edits)) else { return };
        if let Some(key) = mail_tags::parse_record(&text) {
            assert_eq!(mail_tags::encode_record(&key), text, "a tag has only one spelling");
        }
    });
}

#[test]
fn fuzz_ses_event() {
    let good = sample::<Value>("mail-events/delivery").to_string();
    let origin = Origin { account: "123456789012", configuration_set: "invitations" };
    check!().with_iterations(ITERATIONS).with_type::<Edits>().for_each(|edits| {
        let Ok(event) = serde_json::from_slice::<Value>(&spliced(good.as_bytes(), edits)) else { return };
        if let Err(error) = read(&event, origin) {
            assert!(!format!("{error}").contains('@'), "an error quotes no address: {error}");
        }
    });
}
