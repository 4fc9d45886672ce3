//! What each operation asks of AWS: calls and units, counted on an in-process DynamoDB.
//!
//! `docs/cost/counted.json` keeps the counts, `cargo xtask cost` makes a bill of them, and this test holds the file
//! against what is counted. `PORTAL_WRITE_COUNTS=1` writes it anew.

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
    record::{Delivery as News, delivery::MailEvent},
    search::DirectoryQuery,
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

/// A Tuesday at noon in New York: the first reminder of an invitation of the day after is due in a Saturday's daytime.
fn noon() -> DateTime<Utc> {
    samples::at("2026-05-05T16:00:00Z")
}

/// One patient's life, each step of which is counted.
struct Life {
    table: Table,
    counts: Counts,
    queue: MemoryQueue,
    mailer: ScriptedMailer,
    clock: TestClock,
    entropy: TestEntropy,
    breaker: Breaker,
    bill: BTreeMap<&'static str, Value>,
}

impl Life {
    async fn begin() -> Self {
        let (table, counts) = counted("bill").await;
        table.store().save_practice(&samples::scope("lake"), &samples::practice("lake")).await.unwrap();
        counts.take();
        Self {
            table,
            counts,
            queue: MemoryQueue::default(),
            mailer: ScriptedMailer::default(),
            clock: TestClock::new(noon()),
            entropy: TestEntropy::default(),
            breaker: Breaker::default(),
            bill: BTreeMap::new(),
        }
    }

    /// Writes down what was asked for since the last step. The hints stay in the queue.
    fn write_down(&mut self, step: &'static str, hints: usize, mails: usize) {
        let Counted { calls, actions, read_units, write_units } = self.counts.take();
        let mut line = json!({
            "dynamodbCalls": calls, "dynamodbActions": actions, "readUnits": read_units, "writeUnits": write_units,
            "sqsMessages": hints, "sesCalls": mails,
        });
        // Whether serde_json keeps the order depends on what else is built beside it.
        line.sort_all_objects();
        assert!(self.bill.insert(step, line).is_none(), "{step} is counted once");
    }

    /// The hint that the last command gave.
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
async fn the_counts_that_the_bill_is_made_of() {
    let mut life = Life::begin().await;
    let scope = samples::scope("lake");
    let key = samples::key("lake", "p-1");
    let store = std::sync::Arc::clone(life.table.store());
    let store = &*store;
    let request = |name: &str| samples::request_id(name);
    let (save, first, second) = (request("save"), request("invite"), request("reinvite"));
    let command = |request| Command { scope: &scope, patient: &key.patient, request, if_match: None, keyed: None };

    save_profile(&Ports { store, clock: &life.clock }, &command(&save), &samples::profile(Some("p@example.com")))
        .await
        .unwrap();
    life.write_down("saveProfile", 0, 0);

    status(&Ports { store, clock: &life.clock }, &scope, &key.patient).await.unwrap();
    life.write_down("status", 0, 0);

    search(&Ports { store, clock: &life.clock }, &scope, &DirectoryQuery::parse("ma").unwrap(), None).await.unwrap();
    life.write_down("search", 0, 0);

    invite(&Ports { store, clock: &life.clock }, &life.queue, &life.entropy, &command(&first), None).await.unwrap();
    life.write_down("invite", 1, 0);
    let message = life.hint();
    life.deliver(&message, "send").await;
    life.write_down("deliver", 0, 1);

    for (step, delivery) in [("heardSend", News::Accepted), ("heardDelivery", News::Delivered)] {
        let event = MailEvent {
            key: key.clone(),
            invitation: message.invitation.clone(),
            attempt: 1,
            message: samples::message_id(1),
            delivery,
        };
        record_event(&Ports { store, clock: &life.clock }, &event, &request(step)).await.unwrap();
        life.write_down(step, 0, 0);
    }

    life.clock.advance(TimeDelta::days(1));
    reinvite(&Ports { store, clock: &life.clock }, &life.queue, &life.entropy, &command(&second), None).await.unwrap();
    life.write_down("reinvite", 1, 0);
    let message = life.hint();
    life.deliver(&message, "send-again").await;
    life.counts.take();

    life.clock.advance(TimeDelta::days(3) + TimeDelta::minutes(1));
    for (step, reminders) in [("sweepWithOneReminder", 1), ("sweepWithNothingDue", 0)] {
        let (ports, run) = (Ports { store, clock: &life.clock }, request(step));
        let deadline = life.clock.now() + TimeDelta::minutes(1);
        let sweep = Box::pin(sweep(&ports, &life.queue, &life.entropy, deadline, &run));
        assert_eq!(sweep.await.unwrap().reminded, reminders);
        life.write_down(step, usize::try_from(reminders).unwrap(), 0);
    }
    let message = life.hint();
    let token = life.deliver(&message, "send-reminder").await;
    life.counts.take();

    check(&Ports { store, clock: &life.clock }, &token).await.unwrap();
    life.write_down("checkLink", 0, 0);
    let act = request("register");
    let holder = Holder { token: &token, request: &act, keyed: None };
    register(&Ports { store, clock: &life.clock }, &life.entropy, &holder, samples::date_of_birth()).await.unwrap();
    life.write_down("register", 0, 0);
    let login = samples::login("login-1", life.clock.now() + TimeDelta::seconds(30));
    track_login(&Ports { store, clock: &life.clock }, &samples::email("p@example.com"), login).await.unwrap();
    life.write_down("trackLogin", 0, 0);

    let rename = request("rename");
    let family_name = PersonName::parse("Garcia").unwrap();
    let renamed = Profile { family_name, ..samples::profile(Some("p@example.com")) };
    save_profile(&Ports { store, clock: &life.clock }, &command(&rename), &renamed).await.unwrap();
    life.write_down("renamePatient", 0, 0);

    bulk(&mut life).await;
    life.table.end().await;
    is_kept(&life.bill);
}

/// A job about twenty patients, who are a slice: first a dry run, then a real one.
async fn bulk(life: &mut Life) {
    let scope = samples::scope("lake");
    let store = std::sync::Arc::clone(life.table.store());
    let patients: Vec<_> = (0..BULK_SLICE).map(|number| samples::patient_id(&format!("bulk-{number:02}"))).collect();
    for patient in &patients {
        let profile = samples::profile(Some(&format!("{patient}@example.com")));
        store.commit(&samples::new_patient(&scope.record(patient), profile)).await.unwrap();
    }
    life.counts.take();
    for (dry_run, begun, ran) in [(true, "beginDryRun", "dryRunOfTwenty"), (false, "beginBulk", "bulkRunOfTwenty")] {
        let jobs = MemoryJobQueue::default();
        let request = BulkRequest { audience: RequestedAudience::Named(patients.clone()), dry_run, keyed: None };
        let ports = Ports { store: &*store, clock: &life.clock };
        let job = begin(&ports, &jobs, &life.entropy, &scope, &request).await.unwrap();
        life.write_down(begun, jobs.take().len(), 0);
        let (ports, queues) =
            (Ports { store: &*store, clock: &life.clock }, RunQueues { mails: &life.queue, jobs: &jobs });
        let (key, deadline, run) = (scope.job(&job.id), life.clock.now() + BULK_LEASE, samples::request_id(ran));
        let slice = Box::pin(bulk_run::run(&ports, &queues, &life.entropy, &key, deadline, &run)).await.unwrap();
        assert!(matches!(slice, RunOutcome::Slice(slice) if slice.done && slice.refused == 0));
        // Hints go ten at a time.
        life.write_down(ran, life.queue.take().len().div_ceil(10), 0);
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' configuration is the environment")]
fn is_kept(bill: &BTreeMap<&'static str, Value>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cost/counted.json");
    let counted = serde_json::to_string_pretty(bill).unwrap() + "\n";
    if std::env::var("PORTAL_WRITE_COUNTS").is_ok() {
        fs::write(&file, &counted).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap();
    assert_eq!(kept, counted, "docs/cost/counted.json is not what is counted; PORTAL_WRITE_COUNTS=1 writes it anew");
}
