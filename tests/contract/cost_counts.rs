//! Counts the calls and units of each operation on an in-process DynamoDB.
//!
//! `docs/cost/counted.json` has the counts, and `cargo xtask cost` computes the cost from them. This test compares the file
//! with the counts. `PORTAL_WRITE_COUNTS=1` rewrites it.

use std::{collections::BTreeMap, fs, path::Path};

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    link::Token,
    operations::{
        Command,
        breaker::Breaker,
        bulk::{BulkRequest, RequestedAudience, begin},
        bulk_run::{self, RunOutcome, RunQueues},
        deliver::{DeliveryOutcome, MailService, deliver},
        invite::invite,
        mail_event::record_event,
        patient::save_profile,
        register::{Holder, check, register},
        reinvite::reinvite,
        search::search,
        status::status,
        sweep::sweep,
        track_login::track_login,
    },
    policy::{BULK_LEASE, BULK_SLICE},
    ports::{ChangeStore as _, Clock as _, Hint, InvitationMessage, Ports, PracticeStore as _},
    profile::Profile,
    record::delivery::MailEvent,
    record::guards::Recipient,
    search::DirectoryQuery,
    states::Delivery,
    testing::{MemoryJobQueue, MemoryQueue, ScriptedMailer, TestClock, TestEntropy, samples},
    text::PersonName,
};
use serde_json::{Value, json};

use crate::{
    backend::Backend as _,
    counts::{Counted, Counts},
    dynamo::counted,
    table::Table,
};

/// A Tuesday at noon in New York. An invitation of the next day has its first reminder in the daytime of a Saturday.
fn noon() -> DateTime<Utc> {
    samples::at("2026-05-05T16:00:00Z")
}

/// One patient, for whom each operation is counted.
struct CountedPatient {
    table: Table,
    counts: Counts,
    queue: MemoryQueue,
    mailer: ScriptedMailer,
    clock: TestClock,
    entropy: TestEntropy,
    breaker: Breaker,
    counted: BTreeMap<&'static str, Value>,
}

impl CountedPatient {
    async fn begin() -> Self {
        let (table, counts) = counted("cost").await;
        table.store().save_practice(&samples::scope("lake"), &samples::practice("lake"), &[]).await.unwrap();
        counts.take();
        Self {
            table,
            counts,
            queue: MemoryQueue::default(),
            mailer: ScriptedMailer::default(),
            clock: TestClock::new(noon()),
            entropy: TestEntropy::default(),
            breaker: Breaker::default(),
            counted: BTreeMap::new(),
        }
    }

    /// Records the calls since the last step. The hints stay in the queue.
    fn record_step(&mut self, step: &'static str, hints: usize, mails: usize) {
        let Counted { calls, actions, read_units, write_units } = self.counts.take();
        let mut line = json!({
            "dynamodbCalls": calls, "dynamodbActions": actions, "readUnits": read_units, "writeUnits": write_units,
            "sqsMessages": hints, "sesCalls": mails,
        });
        // Whether serde_json keeps the order depends on what else is built beside it.
        line.sort_all_objects();
        assert!(self.counted.insert(step, line).is_none(), "{step} is counted once");
    }

    /// The hint of the last command.
    fn hint(&self) -> InvitationMessage {
        let mut hints = self.queue.take();
        assert_eq!(hints.len(), 1);
        match hints.remove(0) {
            Hint::Invitation(message) => message,
            Hint::Notices(_) => unreachable!("there are no notices"),
        }
    }

    async fn deliver(&self, message: &InvitationMessage, request: &str) -> Token {
        let ports = Ports { store: &**self.table.store(), clock: &self.clock };
        let mail_service = MailService { mailer: &self.mailer, breaker: &self.breaker };
        let run = samples::request_id(request);
        let delivered = Box::pin(deliver(&ports, &mail_service, &self.entropy, message, &run)).await.unwrap();
        assert_eq!(delivered, DeliveryOutcome::Sent);
        self.mailer.mails().last().unwrap().token.clone()
    }
}

#[tokio::test]
async fn the_counted_calls_and_units_are_those_of_the_cost_file() {
    let mut patient = CountedPatient::begin().await;
    let scope = samples::scope("lake");
    let key = samples::key("lake", "p-1");
    let store = std::sync::Arc::clone(patient.table.store());
    let store = &*store;
    let request = |name: &str| samples::request_id(name);
    let (save, first, second) = (request("save"), request("invite"), request("reinvite"));
    let command = |request| Command { scope: &scope, patient: &key.patient, request, if_match: None, keyed: None };

    save_profile(&Ports { store, clock: &patient.clock }, &command(&save), &samples::profile(Some("p@example.com")))
        .await
        .unwrap();
    patient.record_step("saveProfile", 0, 0);

    status(&Ports { store, clock: &patient.clock }, &scope, &key.patient).await.unwrap();
    patient.record_step("status", 0, 0);

    search(&Ports { store, clock: &patient.clock }, &scope, &DirectoryQuery::parse("ma").unwrap(), None).await.unwrap();
    patient.record_step("search", 0, 0);

    invite(
        &Ports { store, clock: &patient.clock },
        &patient.queue,
        &patient.entropy,
        &command(&first),
        &Recipient::default(),
    )
    .await
    .unwrap();
    patient.record_step("invite", 1, 0);
    let message = patient.hint();
    patient.deliver(&message, "send").await;
    patient.record_step("deliver", 0, 1);

    for (step, delivery) in [("recordSend", Delivery::Accepted), ("recordDelivery", Delivery::Delivered)] {
        let event = MailEvent {
            key: key.clone(),
            invitation: message.invitation.clone(),
            attempt: 1,
            message: samples::message_id(1),
            delivery,
        };
        record_event(&Ports { store, clock: &patient.clock }, &event, &request(step)).await.unwrap();
        patient.record_step(step, 0, 0);
    }

    patient.clock.advance(TimeDelta::days(1));
    reinvite(
        &Ports { store, clock: &patient.clock },
        &patient.queue,
        &patient.entropy,
        &command(&second),
        &Recipient::default(),
    )
    .await
    .unwrap();
    patient.record_step("reinvite", 1, 0);
    let message = patient.hint();
    patient.deliver(&message, "send-again").await;
    patient.counts.take();

    patient.clock.advance(TimeDelta::days(3) + TimeDelta::minutes(1));
    for (step, reminders) in [("sweepWithOneReminder", 1), ("sweepWithNothingDue", 0)] {
        let (ports, run) = (Ports { store, clock: &patient.clock }, request(step));
        let deadline = patient.clock.now() + TimeDelta::minutes(1);
        let sweep = Box::pin(sweep(&ports, &patient.queue, &patient.entropy, deadline, &run));
        assert_eq!(sweep.await.unwrap().reminded, reminders);
        patient.record_step(step, usize::try_from(reminders).unwrap(), 0);
    }
    let message = patient.hint();
    let token = patient.deliver(&message, "send-reminder").await;
    patient.counts.take();

    check(&Ports { store, clock: &patient.clock }, &token).await.unwrap();
    patient.record_step("checkLink", 0, 0);
    let id = request("register");
    let holder = Holder { token: &token, request: &id, keyed: None };
    register(&Ports { store, clock: &patient.clock }, &patient.entropy, &holder, samples::date_of_birth())
        .await
        .unwrap();
    patient.record_step("register", 0, 0);
    let login = samples::login("login-1", patient.clock.now() + TimeDelta::seconds(30));
    track_login(&Ports { store, clock: &patient.clock }, &samples::email("p@example.com"), login).await.unwrap();
    patient.record_step("trackLogin", 0, 0);

    let rename = request("rename");
    let family_name = PersonName::parse("Garcia").unwrap();
    let renamed = Profile { family_name, ..samples::profile(Some("p@example.com")) };
    save_profile(&Ports { store, clock: &patient.clock }, &command(&rename), &renamed).await.unwrap();
    patient.record_step("renamePatient", 0, 0);

    bulk(&mut patient).await;
    patient.table.end().await;
    assert_same_as_file(&patient.counted);
}

/// A job for twenty patients, which is one slice: first a dry run, then a real one.
async fn bulk(patient: &mut CountedPatient) {
    let scope = samples::scope("lake");
    let store = std::sync::Arc::clone(patient.table.store());
    let patients: Vec<_> = (0..BULK_SLICE).map(|number| samples::patient_id(&format!("bulk-{number:02}"))).collect();
    for patient in &patients {
        let profile = samples::profile(Some(&format!("{patient}@example.com")));
        store.commit(&samples::new_patient(&scope.record(patient), profile)).await.unwrap();
    }
    patient.counts.take();
    for (dry_run, begun, ran) in [(true, "beginDryRun", "dryRunOfTwenty"), (false, "beginBulk", "bulkRunOfTwenty")] {
        let jobs = MemoryJobQueue::default();
        let request = BulkRequest {
            audience: RequestedAudience::Named(patients.clone()),
            dry_run,
            keyed: None,
            request: samples::request_id(begun),
        };
        let ports = Ports { store: &*store, clock: &patient.clock };
        let job = begin(&ports, &jobs, &patient.entropy, &scope, &request).await.unwrap();
        patient.record_step(begun, jobs.take().len(), 0);
        let (ports, queues) =
            (Ports { store: &*store, clock: &patient.clock }, RunQueues { mails: &patient.queue, jobs: &jobs });
        let (key, deadline, run) = (scope.job(&job.id), patient.clock.now() + BULK_LEASE, samples::request_id(ran));
        let slice = Box::pin(bulk_run::run(&ports, &queues, &patient.entropy, &key, deadline, &run)).await.unwrap();
        assert!(matches!(slice, RunOutcome::Slice(slice) if slice.done && slice.refused == 0));
        // One call sends ten hints.
        patient.record_step(ran, patient.queue.take().len().div_ceil(10), 0);
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' configuration is the environment")]
fn assert_same_as_file(counted: &BTreeMap<&'static str, Value>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cost/counted.json");
    let counted = serde_json::to_string_pretty(counted).unwrap() + "\n";
    if std::env::var("PORTAL_WRITE_COUNTS").is_ok() {
        fs::write(&file, &counted).unwrap();
    }
    let stored = fs::read_to_string(&file).unwrap();
    assert_eq!(stored, counted, "docs/cost/counted.json has other counts; PORTAL_WRITE_COUNTS=1 rewrites it");
}
