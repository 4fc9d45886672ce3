//! Mails are delivered in spite of lost messages, lost stamps and poison messages.

use chrono::TimeDelta;
use portal::{
    link::Token,
    policy::{SEND_GRACE, SEND_LEASE},
};
use serde_json::{Value, json};

use crate::{
    aws,
    client::{Answer, Practice},
    record::Record,
    wait::eventually,
};

/// Bodies that no sender can read.
const POISON: [&str; 4] = [
    "poison",
    r#"{"schema":99}"#,
    r#"{"schema":1,"practice":"oak"}"#,
    r#"{"schema":1,"practice":"oak","patient":"p#1","invitationId":"i-1"}"#,
];

/// The sample event, with these bodies.
fn batch(bodies: &[&str]) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../../events/sender/one-invitation.json")).unwrap();
    let sample = event["Records"][0].clone();
    let record = |(number, body): (usize, &&str)| {
        let mut record = sample.clone();
        record["messageId"] = format!("m-{number}").into();
        record["body"] = (*body).into();
        record
    };
    event["Records"] = bodies.iter().enumerate().map(record).collect();
    event
}

fn run_sweep(practice: &Practice) {
    let event = serde_json::from_str(include_str!("../../events/sweep/scheduled.json")).unwrap();
    assert_eq!(aws::invoke(practice.stack, "sweep", &event), Value::Null);
}

fn await_mails(practice: &Practice, patient: &str, count: usize) {
    let email = practice.address(patient);
    eventually("the mails arrive", || (practice.mails(&email).len() >= count).then_some(()));
    practice.await_sent(patient);
    assert_eq!(practice.mails(&email).len(), count, "mails to {email}");
}

/// Invites a patient and loses the message.
fn invite_and_lose(practice: &Practice, patient: &str) -> String {
    practice.save_and_invite(patient);
    let record = Record::new(practice, patient);
    record.lose_message();
    let status = practice.status(patient);
    assert_eq!(status["invitation"]["state"], "queued");
    assert_eq!(status["panel"]["activatedOn"], json!({ "status": "pending" }));
    record.message()
}

#[test]
fn every_invitation_is_mailed_once() {
    const INVITATIONS: usize = 20;
    let Some(practice) = Practice::open("each-once") else { return };
    let patients: Vec<_> = (0..INVITATIONS).map(|number| format!("p-{number}")).collect();
    for patient in &patients {
        practice.save_patient(patient, Some(&practice.address(patient)));
    }
    let answers: Vec<Answer> = patients.iter().map(|patient| practice.invite(patient, &json!({}))).collect();
    assert!(answers.iter().all(|answer| answer.status == 202), "{answers:?}");
    for patient in &patients {
        // Saved, invited and sent. After the stamp no claim is possible.
        assert_eq!(practice.await_sent(patient)["version"], 3);
    }
    let mails = patients.iter().flat_map(|patient| practice.mails(&practice.address(patient)));
    let links: std::collections::BTreeSet<_> = mails.map(|mail| mail.activation_link().unwrap().to_owned()).collect();
    let count: usize = patients.iter().map(|patient| practice.mails(&practice.address(patient)).len()).sum();
    assert_eq!((count, links.len()), (INVITATIONS, INVITATIONS));
    let dead = json!({ "QueueUrl": practice.stack.dlq_url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0 });
    let dead = aws::sqs(practice.stack, "ReceiveMessage", &dead);
    assert!(!dead.to_string().contains(&practice.id), "{dead}");
}

#[test]
fn a_lost_message_is_queued_again_by_the_sweep() {
    let Some(practice) = Practice::open("lost-message") else { return };
    invite_and_lose(&practice, "p-1");
    Record::new(&practice, "p-1").make_due();
    run_sweep(&practice);
    await_mails(&practice, "p-1", 2);
    assert_eq!(practice.status("p-1")["panel"]["activatedOn"]["status"], "date");
}

#[test]
fn a_mail_without_a_stamp_is_sent_again_and_both_links_work() {
    let Some(practice) = Practice::open("lost-stamp") else { return };
    let first = practice.save_and_invite("p-1");
    let record = Record::new(&practice, "p-1");
    let long_ended = -(SEND_LEASE + SEND_GRACE).num_milliseconds();
    record.lose_stamp(long_ended);
    let status = practice.status("p-1");
    assert_eq!(status["invitation"]["state"], "sending");
    assert_eq!(status["panel"]["activatedOn"], json!({ "status": "pending" }));

    record.make_due();
    run_sweep(&practice);
    await_mails(&practice, "p-1", 2);
    assert_eq!(practice.status("p-1")["panel"]["activatedOn"]["status"], "date");
    let mails = practice.mails(&practice.address("p-1"));
    assert_eq!(mails.first(), Some(&first));
    let hashes: Vec<_> = mails
        .iter()
        .map(|mail| {
            let (_, token) = mail.activation_link().unwrap().split_once('#').unwrap();
            Token::parse(token).unwrap().secret.hash().as_bytes().to_vec()
        })
        .collect();
    assert_ne!(hashes[0], hashes[1]);
    assert_eq!(record.live_hashes(), hashes);
}

#[test]
fn a_mail_under_a_lease_is_not_sent_by_another_sender() {
    let Some(practice) = Practice::open("lease") else { return };
    practice.save_and_invite("p-1");
    let record = Record::new(&practice, "p-1");
    let message = record.message();
    // A running lease, and an ended one whose grace period runs.
    for lease_ends in [TimeDelta::hours(1), TimeDelta::zero()] {
        record.lose_stamp(lease_ends.num_milliseconds());
        let before = practice.snapshot("p-1");
        aws::process_batch(practice.stack, &batch(&[&message, &message]));
        assert_eq!(practice.snapshot("p-1"), before);
    }
    assert_eq!(practice.mails(&practice.address("p-1")).len(), 1);
}

#[test]
fn copies_of_a_message_send_one_mail() {
    let Some(practice) = Practice::open("copies") else { return };
    let message = invite_and_lose(&practice, "p-1");
    let copies = [message.as_str(); 10];
    for _ in 0..2 {
        aws::process_batch(practice.stack, &batch(&copies));
    }
    await_mails(&practice, "p-1", 2);
}

#[test]
fn a_poison_message_fails_alone() {
    let Some(practice) = Practice::open("poison") else { return };
    let message = invite_and_lose(&practice, "p-1");
    let mut bodies = POISON.to_vec();
    bodies.push(&message);
    let failed: Vec<_> = (0..POISON.len()).map(|number| json!({ "itemIdentifier": format!("m-{number}") })).collect();
    let answer = aws::invoke(practice.stack, "sender", &batch(&bodies));
    assert_eq!(answer, json!({ "batchItemFailures": failed }));
    await_mails(&practice, "p-1", 2);
}

#[test]
fn a_queue_with_poison_messages_delivers_all_others() {
    let Some(practice) = Practice::open("poisoned-queue") else { return };
    let patients = ["p-1", "p-2", "p-3"];
    let messages = patients.map(|patient| invite_and_lose(&practice, patient));
    let bodies = POISON.into_iter().chain(messages.iter().map(String::as_str));
    let entry = |(number, body): (usize, &str)| json!({ "Id": format!("m-{number}"), "MessageBody": body });
    let entries: Vec<_> = bodies.enumerate().map(entry).collect();
    let sent = json!({ "QueueUrl": practice.stack.queue_url, "Entries": entries });
    let sent = aws::sqs(practice.stack, "SendMessageBatch", &sent);
    assert_eq!(sent["Successful"].as_array().map(Vec::len), Some(entries.len()), "{sent}");
    for patient in patients {
        await_mails(&practice, patient, 2);
    }
}
