//! The ports of one sender, watched: what it calls and when, and the end of its life between any two calls.

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
    /// Calls of the table. Reading a practice is none: it is remembered.
    pub(crate) table: AtomicUsize,
    /// Calls of SES.
    pub(crate) mail: AtomicUsize,
    in_flight: AtomicUsize,
    pub(crate) most_in_flight: AtomicUsize,
}

/// A mail that was claimed, and in which try.
pub(crate) type Claim = (RecordKey, InvitationId, u32);

/// One process.
#[derive(Debug)]
pub(crate) struct Life {
    clock: Shared<TestClock>,
    traffic: Arc<Traffic>,
    /// Steps that are left to it; none if nobody is after it.
    left: AtomicU32,
    is_over: AtomicBool,
    over: Notify,
    /// What it has claimed.
    pub(crate) claims: Mutex<Vec<Claim>>,
    /// When SES told it that sending is paused.
    pub(crate) told_paused: Mutex<Vec<DateTime<Utc>>>,
}

impl Life {
    pub(crate) fn new(clock: Shared<TestClock>, traffic: Arc<Traffic>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            traffic,
            left: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
            over: Notify::new(),
            claims: Mutex::default(),
            told_paused: Mutex::default(),
        })
    }

    /// It ends after so many steps.
    pub(crate) fn end_after(&self, steps: u32) {
        self.left.store(steps, Ordering::SeqCst);
    }

    /// Comes back once it is over.
    pub(crate) async fn over(&self) {
        self.over.notified().await;
    }

    async fn step(&self) {
        // The others of a batch come in between.
        yield_now().await;
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) == Ok(1) {
            self.is_over.store(true, Ordering::SeqCst);
            self.over.notify_one();
        }
        if self.is_over.load(Ordering::SeqCst) {
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
            self.told_paused.lock().unwrap().push(self.clock.now());
        }
        self.step().await;
        outcome
    }
}

/// A mail under way.
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

/// A port of one process.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    pub(crate) port: Arc<T>,
    pub(crate) life: Arc<Life>,
}

impl<M: Mailer + Send> Mailer for Watched<M> {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        self.life.mail(self.port.send(mail)).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        self.life.mail(self.port.notify(mail)).await
    }
}

impl<S: DeliveryStore + Send> ChangeStore for Watched<S> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        self.life.table(self.port.commit(change)).await
    }
}

impl<S: DeliveryStore + Send> DeliveryStore for Watched<S> {
    async fn claim(&self, key: &RecordKey, request: &ClaimRequest) -> Result<ClaimOutcome, StoreError> {
        let claim = async {
            let outcome = self.port.claim(key, request).await;
            if let Ok(ClaimOutcome::Claimed(record)) = &outcome {
                let invitation = record.invitation.as_ref().unwrap();
                self.life.claims.lock().unwrap().push((key.clone(), invitation.id.clone(), invitation.attempt));
            }
            outcome
        };
        self.life.table(claim).await
    }

    async fn defer(&self, record: &PortalRecord) -> Result<bool, StoreError> {
        self.life.table(self.port.defer(record)).await
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        self.life.table(self.port.record(key)).await
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
        self.life.table(self.port.due(shard, after, until, limit)).await
    }

    async fn unschedule(&self, entry: &DueEntry) -> Result<bool, StoreError> {
        self.life.table(self.port.unschedule(entry)).await
    }

    async fn reschedule(&self, entry: &DueEntry, next: DateTime<Utc>) -> Result<bool, StoreError> {
        self.life.table(self.port.reschedule(entry, next)).await
    }
}
