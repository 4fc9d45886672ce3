//! The observed ports of one sender process: they count and time its calls and can end it between any two calls.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, Utc};
use portal::{
    ids::{InvitationId, PracticeId, RecordKey},
    ports::{
        ChangeStore, ClaimOutcome, Clock as _, CommitOutcome, DeliveryStore, DueEntry, DueShard, InvitationMail,
        Mailer, NoticeMail, SendOutcome, StoreError,
    },
    practice::Practice,
    record::{Change, PortalRecord, delivery::ClaimRequest},
    testing::TestClock,
};
use tokio::{sync::Notify, task::yield_now};

use crate::shared::Shared;

/// What all senders did together.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Calls of the table. Reads of a practice are not counted, because a sender caches it.
    pub(crate) table: AtomicUsize,
    /// Calls of SES.
    pub(crate) mail: AtomicUsize,
    in_flight: AtomicUsize,
    pub(crate) most_in_flight: AtomicUsize,
}

/// A claimed mail and the number of the attempt.
pub(crate) type Claim = (RecordKey, InvitationId, u32);

/// The lifetime of one process.
#[derive(Debug)]
pub(crate) struct Lifetime {
    clock: Shared<TestClock>,
    traffic: Arc<Traffic>,
    /// Steps until the process ends. Zero if it does not end.
    steps_left: AtomicU32,
    has_ended: AtomicBool,
    end: Notify,
    /// What the process has claimed.
    pub(crate) claims: Mutex<Vec<Claim>>,
    /// When SES answered that sending is paused.
    pub(crate) paused_at: Mutex<Vec<DateTime<Utc>>>,
}

impl Lifetime {
    pub(crate) fn new(clock: Shared<TestClock>, traffic: Arc<Traffic>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            traffic,
            steps_left: AtomicU32::new(0),
            has_ended: AtomicBool::new(false),
            end: Notify::new(),
            claims: Mutex::default(),
            paused_at: Mutex::default(),
        })
    }

    /// Makes the process end after that many steps.
    pub(crate) fn end_after(&self, steps: u32) {
        self.steps_left.store(steps, Ordering::SeqCst);
    }

    /// Returns once the process has ended.
    pub(crate) async fn ended(&self) {
        self.end.notified().await;
    }

    async fn step(&self) {
        // The other messages of the batch run in between.
        yield_now().await;
        if self.steps_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) == Ok(1) {
            self.has_ended.store(true, Ordering::SeqCst);
            self.end.notify_one();
        }
        if self.has_ended.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }

    async fn table<T>(&self, call: impl Future<Output = T>) -> T {
        self.step().await;
        self.traffic.table.fetch_add(1, Ordering::SeqCst);
        let answer = call.await;
        self.step().await;
        answer
    }

    async fn mail(&self, call: impl Future<Output = SendOutcome>) -> SendOutcome {
        self.step().await;
        let outcome = {
            let _flight = Flight::begin(&self.traffic);
            call.await
        };
        if outcome == SendOutcome::Paused {
            self.paused_at.lock().unwrap().push(self.clock.now());
        }
        self.step().await;
        outcome
    }
}

/// A mail in flight.
struct Flight<'traffic>(&'traffic Traffic);

impl<'traffic> Flight<'traffic> {
    fn begin(traffic: &'traffic Traffic) -> Self {
        traffic.mail.fetch_add(1, Ordering::SeqCst);
        let now = traffic.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        traffic.most_in_flight.fetch_max(now, Ordering::SeqCst);
        Self(traffic)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An observed port of one process.
#[derive(Debug)]
pub(crate) struct Observed<T> {
    pub(crate) port: Arc<T>,
    pub(crate) lifetime: Arc<Lifetime>,
}

impl<M: Mailer + Send> Mailer for Observed<M> {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        self.lifetime.mail(self.port.send(mail)).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        self.lifetime.mail(self.port.notify(mail)).await
    }
}

impl<S: DeliveryStore + Send> ChangeStore for Observed<S> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        self.lifetime.table(self.port.commit(change)).await
    }
}

impl<S: DeliveryStore + Send> DeliveryStore for Observed<S> {
    async fn claim(&self, key: &RecordKey, request: &ClaimRequest) -> Result<ClaimOutcome, StoreError> {
        let claim = async {
            let outcome = self.port.claim(key, request).await;
            if let Ok(ClaimOutcome::Claimed(record)) = &outcome {
                let invitation = record.invitation.as_ref().unwrap();
                self.lifetime.claims.lock().unwrap().push((key.clone(), invitation.id.clone(), invitation.attempt));
            }
            outcome
        };
        self.lifetime.table(claim).await
    }

    async fn defer(&self, record: &PortalRecord) -> Result<bool, StoreError> {
        self.lifetime.table(self.port.defer(record)).await
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        self.lifetime.table(self.port.record(key)).await
    }

    async fn practice_by_id(&self, practice: &PracticeId) -> Result<Option<Practice>, StoreError> {
        self.port.practice_by_id(practice).await
    }

    async fn due(
        &self,
        shard: DueShard,
        after: Option<&DueEntry>,
        until: DateTime<Utc>,
        limit: u16,
    ) -> Result<Vec<DueEntry>, StoreError> {
        self.lifetime.table(self.port.due(shard, after, until, limit)).await
    }

    async fn unschedule(&self, entry: &DueEntry) -> Result<bool, StoreError> {
        self.lifetime.table(self.port.unschedule(entry)).await
    }

    async fn reschedule(&self, entry: &DueEntry, next: DateTime<Utc>) -> Result<bool, StoreError> {
        self.lifetime.table(self.port.reschedule(entry, next)).await
    }
}
