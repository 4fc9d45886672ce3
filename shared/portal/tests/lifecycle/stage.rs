//! The stages that a patient can be in, how to reach them, and what tests read there.

use chrono::{NaiveDate, TimeDelta};
use portal::{
    ids::PatientId,
    operations::{
        OperationError,
        choice::{opt_in, opt_out},
        deliver::DeliveryOutcome,
        reinvite::reinvite,
        revoke::revoke,
        sweep::SweepReport,
    },
    panel::{DateField, StatusPanel},
    ports::{ChangeStore as _, Clock as _, CommitOutcome, PortalStore, Ports, SendOutcome},
    record::{Change, account::Registration, delivery::Unclaimable},
    refusal::{Refusal, ReinviteRefusal},
    states::Delivery,
    testing::{Refused, refusal, samples},
    timeline::Role,
};

use crate::world::World;

/// An address that is on no profile.
pub const OTHER: &str = "nunez.family@example.com";
/// The shortest time between two invitations.
pub const GAP: TimeDelta = TimeDelta::seconds(60);
pub const DAY: TimeDelta = TimeDelta::days(1);

/// The stages that a patient can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    New,
    Queued,
    Sending,
    Sent,
    Expired,
    Bounced,
    Failed,
    Revoked,
    Registered,
    OptedOut,
}

pub use Stage::{Bounced, Expired, Failed, New, OptedOut, Queued, Registered, Revoked, Sending, Sent};

pub const STAGES: [Stage; 10] = [New, Queued, Sending, Sent, Expired, Bounced, Failed, Revoked, Registered, OptedOut];

/// The commands of staff.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Invite,
    Reinvite,
    Revoke,
    OptOut,
    OptIn,
}

impl World {
    /// With one patient in this stage, which was reached [`GAP`] ago.
    pub async fn at(stage: Stage) -> Self {
        let world = Self::with_one().await;
        if stage != New {
            world.invite("north", "p-1").await.unwrap();
        }
        match stage {
            New | Queued => {}
            Sending => world.deliver_as(SendOutcome::Unknown).await,
            Failed => world.deliver_as(SendOutcome::Refused).await,
            Revoked => {
                world.staff(Step::Revoke).await.unwrap();
                assert_eq!(world.deliver().await, [DeliveryOutcome::NotClaimed(Unclaimable::Done)]);
            }
            Sent | Expired | Bounced | Registered | OptedOut => drop(world.deliver().await),
        }
        match stage {
            New | Queued | Sending | Sent | Failed | Revoked => {}
            Expired => world.clock.advance(DAY * 7),
            Bounced => {
                let context = samples::context_as(Role::MailService, world.clock.now(), "r");
                let invitation = world.record().invitation.unwrap().id;
                world.commit(world.record().record_delivery(&invitation, Delivery::Bounced, context).unwrap()).await;
            }
            Registered => world.commit(world.registration()).await,
            OptedOut => drop(world.staff(Step::OptOut).await.unwrap()),
        }
        world.clock.advance(GAP);
        world
    }

    /// Executes a command of staff on the patient.
    pub async fn staff(&self, step: Step) -> Result<StatusPanel, Refused> {
        let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
        let command = self.command(&scope, &patient);
        match step {
            Step::Invite => or_refused(self.invite("north", "p-1").await).map(|invited| invited.panel),
            Step::Reinvite => or_refused(self.reinvite(None).await),
            Step::Revoke => or_refused(revoke(&self.ports(), &command).await),
            Step::OptOut => or_refused(opt_out(&self.ports(), &command).await),
            Step::OptIn => or_refused(opt_in(&self.ports(), &command).await),
        }
    }

    pub async fn reinvite(&self, email: Option<&str>) -> Result<StatusPanel, OperationError<ReinviteRefusal>> {
        self.reinvite_in(&self.store, email).await
    }

    pub async fn reinvite_in(
        &self,
        store: &impl PortalStore,
        email: Option<&str>,
    ) -> Result<StatusPanel, OperationError<ReinviteRefusal>> {
        let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
        let (command, email) = (self.command(&scope, &patient), email.map(samples::email));
        let ports = Ports { store, clock: &self.clock };
        let invited = reinvite(&ports, &self.queue, &self.entropy, &command, &email.as_ref().into()).await;
        invited.map(|invited| invited.panel)
    }

    pub async fn commit(&self, change: Change) {
        assert_eq!(self.store.commit(&change).await.unwrap(), CommitOutcome::Committed);
    }

    pub async fn deliver_as(&self, outcome: SendOutcome) {
        self.mailer.answer_next([outcome]);
        self.deliver().await;
    }

    /// The change in which the patient registers with the right date of birth.
    pub fn registration(&self) -> Change {
        let context = samples::context_as(Role::Patient, self.clock.now(), "r");
        let registered =
            self.record().register(samples::date_of_birth(), samples::account_id("account-1"), None, context);
        let Registration::Registered(change) = registered else { panic!("{registered:?}") };
        *change
    }

    /// Which of the links mailed so far work.
    pub fn usable_links(&self) -> Vec<bool> {
        let (record, now) = (self.record(), self.clock.now());
        self.mailer.mails().iter().map(|mail| record.usable_link(&mail.token, now).is_ok()).collect()
    }

    pub fn owner(&self, address: &str) -> Option<PatientId> {
        self.store.email_entry(&samples::email(address)).owner.map(|owner| owner.patient)
    }

    /// Asserts that two months of sweeps find nothing to do.
    pub async fn assert_nothing_happens(&self) {
        let mails = self.mailer.mails().len();
        for _ in 0..60 * 4 {
            self.clock.advance(TimeDelta::hours(6));
            assert_eq!(self.sweep().await, SweepReport::default(), "{}", self.clock.now());
        }
        assert!(self.queue.messages().is_empty());
        assert_eq!(self.mailer.mails().len(), mails);
    }
}

fn or_refused<T: std::fmt::Debug, R: Refusal>(result: Result<T, OperationError<R>>) -> Result<T, Refused> {
    match result {
        Ok(value) => Ok(value),
        refused => Err(refusal(refused)),
    }
}

pub fn day(shown: DateField) -> Option<NaiveDate> {
    if let DateField::On { date, .. } = shown { Some(date) } else { None }
}

pub fn may(day: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(2026, 5, day)
}
