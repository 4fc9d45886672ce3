//! The fixture that the tests of operations share: practices, patients, fakes of the ports, and helpers.

use chrono::TimeDelta;
use portal::{
    email::EmailAddress,
    ids::{PatientId, RequestId},
    operations::{
        Command, Enqueued, OperationError,
        breaker::Breaker,
        deliver::{DeliveryOutcome, MailService, deliver},
        invite::invite,
        patient::save_profile,
        status::status,
        sweep::{SweepReport, sweep},
    },
    panel::StatusPanel,
    ports::{Clock as _, Hint, Mailer, Ports, StoreError},
    profile::Profile,
    record::PortalRecord,
    refusal::InviteRefusal,
    scope::TenantScope,
    testing::{MemoryQueue, MemoryStore, ScriptedMailer, TestClock, TestEntropy, samples},
};

/// The address in the profile of [`World::with_one`]'s patient.
pub const ADDRESS: &str = "jose@example.com";

/// Two practices, `north` and `south`, and the ports of the operations.
pub struct World {
    pub store: MemoryStore,
    pub queue: MemoryQueue,
    pub mailer: ScriptedMailer,
    pub clock: TestClock,
    pub entropy: TestEntropy,
    pub breaker: Breaker,
    pub request: RequestId,
}

impl World {
    /// With patients, each given by practice, id and the address in the profile.
    pub async fn with_patients(patients: &[(&str, &str, Option<&str>)]) -> Self {
        let world = Self {
            store: MemoryStore::with_practices([samples::practice("north"), samples::practice("south")]),
            queue: MemoryQueue::default(),
            mailer: ScriptedMailer::default(),
            clock: TestClock::default(),
            entropy: TestEntropy::default(),
            breaker: Breaker::default(),
            request: samples::request_id("request-1"),
        };
        for (practice, patient, address) in patients {
            world.save(practice, patient, *address).await;
        }
        world
    }

    /// With patient `p-1` of the practice `north`.
    pub async fn with_one() -> Self {
        Self::with_patients(&[("north", "p-1", Some(ADDRESS))]).await
    }

    pub fn ports(&self) -> Ports<'_, MemoryStore> {
        Ports { store: &self.store, clock: &self.clock }
    }

    pub async fn save(&self, practice: &str, patient: &str, address: Option<&str>) {
        self.save_as(practice, patient, &samples::profile(address)).await;
    }

    pub async fn save_as(&self, practice: &str, patient: &str, profile: &Profile) {
        let (scope, patient) = (samples::scope(practice), samples::patient_id(patient));
        save_profile(&self.ports(), &self.command(&scope, &patient), profile).await.unwrap();
    }

    pub fn command<'a>(&'a self, scope: &'a TenantScope, patient: &'a PatientId) -> Command<'a> {
        Command { scope, patient, request: &self.request, if_match: None, keyed: None }
    }

    /// Invites a patient to the address in the profile.
    pub async fn invite(&self, practice: &str, patient: &str) -> Result<Enqueued, OperationError<InviteRefusal>> {
        self.invite_to(practice, patient, None).await
    }

    pub async fn invite_to(
        &self,
        practice: &str,
        patient: &str,
        email: Option<&EmailAddress>,
    ) -> Result<Enqueued, OperationError<InviteRefusal>> {
        let (scope, patient) = (samples::scope(practice), samples::patient_id(patient));
        invite(&self.ports(), &self.queue, &self.entropy, &self.command(&scope, &patient), &email.into()).await
    }

    pub fn mail_service<'a, M: Mailer>(&'a self, mailer: &'a M) -> MailService<'a, M> {
        MailService { mailer, breaker: &self.breaker }
    }

    pub async fn deliver_with(&self, mailer: &impl Mailer) -> Vec<Result<DeliveryOutcome, StoreError>> {
        let (ports, mail_service) = (self.ports(), self.mail_service(mailer));
        let mut outcomes = Vec::new();
        for hint in self.queue.take() {
            let Hint::Invitation(message) = hint else { panic!("not a hint for an invitation: {hint:?}") };
            outcomes.push(deliver(&ports, &mail_service, &self.entropy, &message, &self.request).await);
        }
        outcomes
    }

    /// Processes all messages in the queue.
    pub async fn deliver(&self) -> Vec<DeliveryOutcome> {
        self.deliver_with(&self.mailer).await.into_iter().map(Result::unwrap).collect()
    }

    pub async fn sweep(&self) -> SweepReport {
        let deadline = self.clock.now() + TimeDelta::minutes(1);
        sweep(&self.ports(), &self.queue, &self.entropy, deadline, &self.request).await.unwrap()
    }

    /// The status panel of a patient of the practice `north`.
    pub async fn status(&self, patient: &str) -> StatusPanel {
        status(&self.ports(), &samples::scope("north"), &samples::patient_id(patient)).await.unwrap()
    }

    /// The record of [`World::with_one`]'s patient.
    pub fn record(&self) -> PortalRecord {
        self.store.stored_record(&samples::key("north", "p-1")).unwrap()
    }
}
