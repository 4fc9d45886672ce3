//! Senders, the sweep and their surroundings, with a simulated clock.
//!
//! A round takes a quarter of a second: each sender receives a batch, and all senders work concurrently. While no message
//! can be received, the clock jumps to the next message or the next sweep.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use lambda_runtime::{Context, LambdaEvent};
use portal::{
    ids::RecordKey,
    operations::{Command, breaker::Breaker, invite::invite},
    ports::{Clock as _, CommitOutcome, DeliveryStore, DueShard, PortalStore, Ports, PracticeStore},
    record::guards::Recipient,
    record::{InvitationState, PortalRecord},
    testing::{TestClock, samples},
};
use portal_aws::{mailer::SesMailer, metrics::KeptLines};
use sender::Sender;
use serde_json::json;
use sweep::Sweep;

use crate::{
    chance::{Seed, SeededEntropy},
    observe::{Claim, Lifetime, Observed, Traffic},
    ses::{Ses, SesFaults, SesHistory},
    shared::Shared,
    sqs::{Message, QueueCounts, QueueFaults, Sqs},
};

/// Concurrent senders, as in the template's default.
const SENDERS: usize = 2;
/// Mails that all senders together may have in flight.
pub(crate) const MAX_IN_FLIGHT: usize = SENDERS * 10;
const ROUND: TimeDelta = TimeDelta::milliseconds(250);
const PRACTICE: &str = "lakeside";
/// Steps of a batch: ten messages, each with three calls and a step before and after each call.
const STEPS_PER_BATCH: u64 = 60;

/// Senders die in this period only. It is long enough for four tries of a mail, so that the fifth one succeeds.
const DEATH_PERIOD: TimeDelta = TimeDelta::minutes(45);

/// A store that has all the ports that the simulated system needs.
pub(crate) trait Store: PortalStore + PracticeStore + DeliveryStore + Send + Sync + 'static {}

impl<S: PortalStore + PracticeStore + DeliveryStore + Send + Sync + 'static> Store for S {}

/// The settings of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) seed: Seed,
    pub(crate) ses_faults: SesFaults,
    pub(crate) queue_faults: QueueFaults,
    /// Percentage of a sender's runs that end in the middle, during [`DEATH_PERIOD`].
    pub(crate) deaths_percent: u64,
}

impl Scenario {
    /// Nothing goes wrong.
    pub(crate) fn without_faults(name: &'static str, seed: u64) -> Self {
        let seed = Seed::from_env_or(seed);
        Self { name, seed, ses_faults: SesFaults::none(seed), queue_faults: QueueFaults::default(), deaths_percent: 0 }
    }
}

/// A process of the function `sender`.
struct Process<S> {
    lifetime: Arc<Lifetime>,
    sender: Sender<Observed<S>, Observed<SesMailer>, Shared<TestClock>, Shared<SeededEntropy>, KeptLines>,
}

pub(crate) struct World<S> {
    scenario: Scenario,
    pub(crate) clock: Shared<TestClock>,
    store: Arc<S>,
    sqs: Shared<Sqs>,
    ses: Arc<Ses>,
    mailer: Arc<SesMailer>,
    entropy: Shared<SeededEntropy>,
    traffic: Arc<Traffic>,
    processes: Vec<Process<S>>,
    sweep: Sweep<Observed<S>, Shared<Sqs>, Shared<TestClock>, Shared<SeededEntropy>, KeptLines>,
    next_sweep: DateTime<Utc>,
    runs: u64,
    deaths: usize,
    /// Mails whose process died after the claim and before it recorded a result.
    orphans: Vec<Claim>,
    invited: usize,
}

/// What a scenario resulted in.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ses: SesHistory,
    pub(crate) queue: QueueCounts,
    pub(crate) most_in_flight: usize,
    /// The senders' calls of the table.
    pub(crate) table_calls: usize,
    pub(crate) deaths: usize,
    /// Mails that SES accepted from a process that died before it recorded that.
    pub(crate) orphans: usize,
    /// For each process, when SES answered that sending is paused.
    pub(crate) paused_at: Vec<Vec<DateTime<Utc>>>,
}

impl<S: Store> World<S> {
    pub(crate) async fn new(store: Arc<S>, scenario: Scenario) -> Self {
        let Scenario { seed, ses_faults, queue_faults, .. } = scenario.clone();
        let clock = Shared::new(TestClock::default());
        let (ses, mailer) = Ses::start(clock.clone(), ses_faults).await;
        let sqs = Shared::new(Sqs::new(clock.clone(), seed, queue_faults));
        let entropy = Shared::new(SeededEntropy::new(seed));
        let sweep = Sweep {
            // The sweep's calls are counted apart from the senders'.
            store: Observed { port: store.clone(), lifetime: Lifetime::new(clock.clone(), Arc::default()) },
            queue: sqs.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            metrics: KeptLines::default(),
        };
        let saved = store.save_practice(&samples::scope(PRACTICE), &samples::practice(PRACTICE), &[]).await.unwrap();
        assert_eq!(saved, CommitOutcome::Committed);
        let mut world = Self {
            scenario,
            next_sweep: clock.now(),
            clock,
            store,
            sqs,
            ses,
            mailer: Arc::new(mailer),
            entropy,
            traffic: Arc::default(),
            processes: Vec::new(),
            sweep,
            runs: 0,
            deaths: 0,
            orphans: Vec::new(),
            invited: 0,
        };
        world.processes = (0..SENDERS).map(|_| world.new_process()).collect();
        world
    }

    /// A fresh process.
    fn new_process(&self) -> Process<S> {
        let lifetime = Lifetime::new(self.clock.clone(), self.traffic.clone());
        let sender = Sender {
            store: Observed { port: self.store.clone(), lifetime: lifetime.clone() },
            mailer: Observed { port: self.mailer.clone(), lifetime: lifetime.clone() },
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            breaker: Breaker::default(),
            metrics: KeptLines::default(),
        };
        Process { lifetime, sender }
    }

    fn key(number: usize) -> RecordKey {
        samples::key(PRACTICE, &format!("p-{number}"))
    }

    /// Invites that many new patients.
    pub(crate) async fn invite(&mut self, patients: usize) {
        let scope = samples::scope(PRACTICE);
        for _ in 0..patients {
            self.invited += 1;
            let key = Self::key(self.invited);
            let profile = samples::profile(Some(&format!("p-{}@example.com", self.invited)));
            let committed = self.store.commit(&samples::new_patient(&key, profile)).await.unwrap();
            assert_eq!(committed, CommitOutcome::Committed);
            let request = samples::request_id(&format!("invite-{}", self.invited));
            let ports = Ports { store: &*self.store, clock: &*self.clock };
            let command =
                Command { scope: &scope, patient: &key.patient, request: &request, if_match: None, keyed: None };
            invite(&ports, &*self.sqs, &*self.entropy, &command, &Recipient::default()).await.unwrap();
        }
    }

    /// Runs until that time.
    pub(crate) async fn run_until(&mut self, time: DateTime<Utc>) {
        while self.clock.now() < time {
            self.step().await;
        }
    }

    /// Runs until no mail waits to be sent, and checks the results.
    pub(crate) async fn settle(mut self) -> Outcome {
        let begun = self.clock.now();
        while !self.is_quiet().await {
            self.step().await;
            assert!(self.clock.now() - begun < TimeDelta::days(1), "{:?} never settles", self.scenario);
        }
        self.outcome().await
    }

    async fn is_quiet(&self) -> bool {
        if !self.sqs.is_empty() {
            return false;
        }
        // Reminders are days away.
        let soon = self.clock.now() + TimeDelta::days(1);
        for shard in DueShard::all_from(DueShard::from_hash(0)) {
            if !self.store.due(shard, None, soon, 1).await.unwrap().is_empty() {
                return false;
            }
        }
        true
    }

    async fn step(&mut self) {
        if self.clock.now() >= self.next_sweep {
            self.sweep.run(&self.context("sweep", 120)).await.unwrap();
            self.next_sweep += TimeDelta::minutes(1);
        }
        if self.round().await {
            self.clock.advance(ROUND);
        } else {
            let next = self.sqs.next_visible().map_or(self.next_sweep, |next| next.min(self.next_sweep));
            self.clock.set(next.max(self.clock.now()));
        }
    }

    /// Every sender receives and processes a batch. Returns whether there was any message.
    async fn round(&mut self) -> bool {
        let batches: Vec<_> = self.processes.iter().map(|_| self.sqs.receive()).collect();
        let mut runs = Vec::new();
        for (number, batch) in batches.iter().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            self.runs += 1;
            let process = &self.processes[number];
            let may_die = self.clock.now() - samples::noon() < DEATH_PERIOD;
            if may_die && self.scenario.seed.hits(self.scenario.deaths_percent, &format!("death-{}", self.runs)) {
                let steps = 1 + self.scenario.seed.draw(&format!("steps-{}", self.runs)) % STEPS_PER_BATCH;
                process.lifetime.end_after(steps.try_into().unwrap());
            }
            let event = LambdaEvent::new(event(batch), self.context("sender", 30));
            runs.push(async move { (number, batch, process.process_batch(event).await) });
        }
        let any = !runs.is_empty();
        for (number, batch, answer) in join_all(runs).await {
            match answer {
                Some(answer) => {
                    let failed = answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier);
                    self.sqs.finish(batch, &failed.collect::<Vec<_>>());
                }
                None => self.replace_dead(number).await,
            }
        }
        any
    }

    /// Replaces a process that has died.
    async fn replace_dead(&mut self, number: usize) {
        let fresh = self.new_process();
        let dead = std::mem::replace(&mut self.processes[number], fresh);
        self.deaths += 1;
        let claims = std::mem::take(&mut *dead.lifetime.claims.lock().unwrap());
        for (key, invitation, attempt) in claims {
            let current = self.record(&key).await.invitation.unwrap();
            let is_sending = matches!(current.state, InvitationState::Sending { .. });
            if is_sending && (&current.id, current.attempt) == (&invitation, attempt) {
                self.orphans.push((key, invitation, attempt));
            }
        }
    }

    async fn record(&self, key: &RecordKey) -> PortalRecord {
        self.store.record(key).await.unwrap().unwrap()
    }

    fn context(&self, function: &str, seconds: i64) -> Context {
        let mut context = Context::default();
        context.request_id = format!("{function}-{}-{}", self.runs, self.clock.now().timestamp_millis());
        context.deadline = (self.clock.now() + TimeDelta::seconds(seconds)).timestamp_millis().try_into().unwrap();
        context
    }

    /// Prints the figures in one line and checks what must hold under any faults: every patient has a mail and a record
    /// with the state `sent`, and every mailed link works.
    async fn outcome(self) -> Outcome {
        let Scenario { name, seed, .. } = self.scenario;
        let (ses, queue) = (self.ses.history(), self.sqs.counts());
        let accepted: HashSet<_> = ses.accepted.iter().map(|mail| (mail.invitation.as_str(), mail.attempt)).collect();
        let is_accepted = |(_, invitation, attempt): &&Claim| accepted.contains(&(invitation.as_str(), *attempt));
        let outcome = Outcome {
            most_in_flight: self.traffic.most_in_flight.load(Ordering::SeqCst),
            table_calls: self.traffic.table.load(Ordering::SeqCst),
            deaths: self.deaths,
            orphans: self.orphans.iter().filter(is_accepted).count(),
            paused_at: self.processes.iter().map(|it| it.lifetime.paused_at.lock().unwrap().clone()).collect(),
            queue,
            ses,
        };
        let ses = &outcome.ses;
        let calls = outcome.table_calls + self.traffic.mail.load(Ordering::SeqCst);
        let probes: usize =
            outcome.paused_at.iter().map(|times| times.iter().filter(|at| **at > times[0]).count()).sum();
        let hundredths = 100 * calls / ses.accepted.len().max(1);
        eprintln!(
            "{name}: seed {}, invited {}, accepted {}, duplicates {}, cut {}, throttled {}, paused {} (probes {probes}), \
             deaths {} (orphans {}), messages lost {}, duplicated {}, dead {}, received at most {} times, in flight at most \
             {}, at most {} a second, {}.{:02} calls of AWS a mail, {} s in all",
            seed.0,
            self.invited,
            ses.accepted.len(),
            ses.duplicates(),
            ses.cut,
            ses.throttled,
            ses.paused,
            outcome.deaths,
            outcome.orphans,
            queue.lost,
            queue.duplicated,
            queue.dead,
            queue.most_receives,
            outcome.most_in_flight,
            ses.most_per_second(),
            hundredths / 100,
            hundredths % 100,
            (self.clock.now() - samples::noon()).num_seconds(),
        );
        let mut records = HashMap::new();
        for number in 1..=self.invited {
            let record = self.record(&Self::key(number)).await;
            let invitation = record.invitation.clone().unwrap();
            assert!(matches!(invitation.state, InvitationState::Sent { .. }), "{name}, seed {}: {record:?}", seed.0);
            records.insert(invitation.id.to_string(), record);
        }
        for mail in &ses.accepted {
            let link = records[&mail.invitation].usable_link(&mail.token, self.clock.now());
            assert!(link.is_ok(), "{name}, seed {}: a mailed link does not work: {mail:?}", seed.0);
        }
        assert_eq!(ses.invitations().len(), self.invited, "{name}, seed {}", seed.0);
        outcome
    }
}

impl<S: Store> Process<S> {
    /// Processes a batch. `None` if the process dies before it has answered.
    async fn process_batch(&self, event: LambdaEvent<SqsEvent>) -> Option<SqsBatchResponse> {
        tokio::select! {
            biased;
            () = self.lifetime.ended() => None,
            answer = self.sender.process_batch(event) => Some(answer.unwrap()),
        }
    }
}

/// A batch, as Lambda passes it to the function.
fn event(batch: &[Message]) -> SqsEvent {
    let records: Vec<_> = batch
        .iter()
        .map(|message| json!({ "messageId": message.id, "body": message.body, "attributes": {} }))
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}
