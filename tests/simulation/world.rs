//! Senders, the sweep and what is around them, in time that jumps.
//!
//! A round takes a quarter of a second: each sender takes a batch, and all of them work at once. While nothing can be
//! received the clock jumps to the next message or the next sweep.

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
    record::{InvitationState, PortalRecord},
    testing::{TestClock, samples},
};
use portal_aws::{mailer::SesMailer, metrics::KeptLines};
use sender::Sender;
use serde_json::json;
use sweep::Sweep;

use crate::{
    chance::{Seed, SeededEntropy},
    ses::{Account, Ses, Weather},
    shared::Shared,
    sqs::{Losses, Message, QueueAccount, Sqs},
    watch::{Claim, Life, Traffic, Watched},
};

/// Senders at once, as the template's default has it.
const SENDERS: usize = 2;
/// Mails that they may have in flight.
pub(crate) const MAX_IN_FLIGHT: usize = SENDERS * 10;
const ROUND: TimeDelta = TimeDelta::milliseconds(250);
const PRACTICE: &str = "lakeside";
/// Steps of a batch: ten messages, each with three calls and a step before and after each of them.
const STEPS_OF_A_BATCH: u64 = 60;

/// Time for four tries of a mail: nothing is lost as long as one of its five gets to the end.
const DEADLY: TimeDelta = TimeDelta::minutes(45);

/// A store that the whole system can work on.
pub(crate) trait Store: PortalStore + PracticeStore + DeliveryStore + Send + Sync + 'static {}

impl<S: PortalStore + PracticeStore + DeliveryStore + Send + Sync + 'static> Store for S {}

/// What a scenario is about.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) seed: Seed,
    pub(crate) weather: Weather,
    pub(crate) losses: Losses,
    /// Of a hundred runs of a sender so many end in the middle, as long as [`DEADLY`] lasts.
    pub(crate) deaths_percent: u64,
}

impl Scenario {
    /// Nothing goes wrong.
    pub(crate) fn fair(name: &'static str, seed: u64) -> Self {
        let seed = Seed::or(seed);
        Self { name, seed, weather: Weather::fair(seed), losses: Losses::default(), deaths_percent: 0 }
    }
}

/// A process of the function `sender`.
struct Process<S> {
    life: Arc<Life>,
    sender: Sender<Watched<S>, Watched<SesMailer>, Shared<TestClock>, Shared<SeededEntropy>, KeptLines>,
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
    sweep: Sweep<Watched<S>, Shared<Sqs>, Shared<TestClock>, Shared<SeededEntropy>, KeptLines>,
    next_sweep: DateTime<Utc>,
    runs: u64,
    deaths: usize,
    /// What was claimed by a process that died, and not written down.
    orphans: Vec<Claim>,
    invited: usize,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ses: Account,
    pub(crate) queue: QueueAccount,
    pub(crate) most_in_flight: usize,
    /// The senders' calls of the table.
    pub(crate) table_calls: usize,
    pub(crate) deaths: usize,
    /// Mails that SES took from a process that died before it wrote that down.
    pub(crate) orphans: usize,
    /// For each process, when it was told that sending is paused.
    pub(crate) told_paused: Vec<Vec<DateTime<Utc>>>,
}

impl<S: Store> World<S> {
    pub(crate) async fn new(store: Arc<S>, scenario: Scenario) -> Self {
        let Scenario { seed, weather, losses, .. } = scenario.clone();
        let clock = Shared::new(TestClock::default());
        let (ses, mailer) = Ses::open(clock.clone(), weather).await;
        let sqs = Shared::new(Sqs::new(clock.clone(), seed, losses));
        let entropy = Shared::new(SeededEntropy::new(seed));
        let sweep = Sweep {
            // It has calls of its own, which are no mail's.
            store: Watched { port: store.clone(), life: Life::new(clock.clone(), Arc::default()) },
            queue: sqs.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            metrics: KeptLines::default(),
        };
        let saved = store.save_practice(&samples::scope(PRACTICE), &samples::practice(PRACTICE)).await.unwrap();
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
        world.processes = (0..SENDERS).map(|_| world.process()).collect();
        world
    }

    /// A process that has just been started.
    fn process(&self) -> Process<S> {
        let life = Life::new(self.clock.clone(), self.traffic.clone());
        let sender = Sender {
            store: Watched { port: self.store.clone(), life: life.clone() },
            mailer: Watched { port: self.mailer.clone(), life: life.clone() },
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            breaker: Breaker::default(),
            metrics: KeptLines::default(),
        };
        Process { life, sender }
    }

    fn key(number: usize) -> RecordKey {
        samples::key(PRACTICE, &format!("p-{number}"))
    }

    /// Invites so many new patients.
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
            invite(&ports, &*self.sqs, &*self.entropy, &command, None).await.unwrap();
        }
    }

    /// Lets time go by.
    pub(crate) async fn run_until(&mut self, time: DateTime<Utc>) {
        while self.clock.now() < time {
            self.turn().await;
        }
    }

    /// Lets time go by until nothing waits to be mailed, and looks at what has come of it all.
    pub(crate) async fn settle(mut self) -> Outcome {
        let begun = self.clock.now();
        while !self.is_quiet().await {
            self.turn().await;
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

    async fn turn(&mut self) {
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

    /// Every sender takes a batch; whether there was any.
    async fn round(&mut self) -> bool {
        let batches: Vec<_> = self.processes.iter().map(|_| self.sqs.receive()).collect();
        let mut runs = Vec::new();
        for (number, batch) in batches.iter().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            self.runs += 1;
            let process = &self.processes[number];
            let deadly = self.clock.now() - samples::noon() < DEADLY;
            if deadly && self.scenario.seed.hits(self.scenario.deaths_percent, &format!("death-{}", self.runs)) {
                let steps = 1 + self.scenario.seed.draw(&format!("steps-{}", self.runs)) % STEPS_OF_A_BATCH;
                process.life.end_after(steps.try_into().unwrap());
            }
            let event = LambdaEvent::new(event(batch), self.context("sender", 30));
            runs.push(async move { (number, batch, process.work(event).await) });
        }
        let any = !runs.is_empty();
        for (number, batch, answer) in join_all(runs).await {
            match answer {
                Some(answer) => {
                    let again = answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier);
                    self.sqs.finish(batch, &again.collect::<Vec<_>>());
                }
                None => self.bury(number).await,
            }
        }
        any
    }

    /// A process has died: another one takes its place.
    async fn bury(&mut self, number: usize) {
        let fresh = self.process();
        let dead = std::mem::replace(&mut self.processes[number], fresh);
        self.deaths += 1;
        let claims = std::mem::take(&mut *dead.life.claims.lock().unwrap());
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

    /// Looks at everything, says it in one line, and checks what must be true in any weather: every patient has a mail,
    /// the record says so, and every link that was mailed works.
    async fn outcome(self) -> Outcome {
        let Scenario { name, seed, .. } = self.scenario;
        let (ses, queue) = (self.ses.account(), self.sqs.account());
        let taken_once: HashSet<_> = ses.taken.iter().map(|mail| (mail.invitation.as_str(), mail.attempt)).collect();
        let is_taken = |(_, invitation, attempt): &&Claim| taken_once.contains(&(invitation.as_str(), *attempt));
        let outcome = Outcome {
            most_in_flight: self.traffic.most_in_flight.load(Ordering::SeqCst),
            table_calls: self.traffic.table.load(Ordering::SeqCst),
            deaths: self.deaths,
            orphans: self.orphans.iter().filter(is_taken).count(),
            told_paused: self.processes.iter().map(|it| it.life.told_paused.lock().unwrap().clone()).collect(),
            queue,
            ses,
        };
        let ses = &outcome.ses;
        let calls = outcome.table_calls + self.traffic.mail.load(Ordering::SeqCst);
        let probes: usize =
            outcome.told_paused.iter().map(|told| told.iter().filter(|at| **at > told[0]).count()).sum();
        let hundredths = 100 * calls / ses.taken.len().max(1);
        eprintln!(
            "{name}: seed {}, invited {}, accepted {}, duplicates {}, cut {}, throttled {}, told paused {} (probes {probes}), deaths {} \
             (orphans {}), messages lost {}, doubled {}, dead {}, received at most {} times, in flight at most {}, \
             at most {} a second, {}.{:02} calls of AWS a mail, {} s in all",
            seed.0,
            self.invited,
            ses.taken.len(),
            ses.duplicates(),
            ses.cut,
            ses.throttled,
            ses.paused,
            outcome.deaths,
            outcome.orphans,
            queue.lost,
            queue.doubled,
            queue.dead,
            queue.most_receives,
            outcome.most_in_flight,
            ses.most_a_second(),
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
        for mail in &ses.taken {
            let link = records[&mail.invitation].usable_link(&mail.token, self.clock.now());
            assert!(link.is_ok(), "{name}, seed {}: a mailed link does not work: {mail:?}", seed.0);
        }
        assert_eq!(ses.invitations().len(), self.invited, "{name}, seed {}", seed.0);
        outcome
    }
}

impl<S: Store> Process<S> {
    /// Works a batch off; `None` if it dies before it has answered.
    async fn work(&self, event: LambdaEvent<SqsEvent>) -> Option<SqsBatchResponse> {
        tokio::select! {
            biased;
            () = self.life.over() => None,
            answer = self.sender.process_batch(event) => Some(answer.unwrap()),
        }
    }
}

/// A batch as Lambda hands it over.
fn event(batch: &[Message]) -> SqsEvent {
    let records: Vec<_> = batch
        .iter()
        .map(|message| json!({ "messageId": message.id, "body": message.body, "attributes": {} }))
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}
