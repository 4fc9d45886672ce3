//! A practice and its patients. All of them are invented.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use chrono_tz::America::New_York;
use portal::{
    email::EmailAddress,
    ids::{PatientId, PracticeId, RequestId, Subject},
    operations::Command,
    ports::{Clock as _, Hint, Queue, QueueError},
    practice::{LinkDays, PracticeSettings, ReminderPolicy},
    profile::{Language, Profile, date_of_birth},
    scope::TenantScope,
    text::{DisplayName, PersonName, Phone},
    timeline::{Actor, Role},
};
use portal_aws::{clock::SystemClock, queue::SqsQueue};

/// Somebody to be invited, by a request of this id.
pub struct Patient {
    pub id: PatientId,
    pub profile: Profile,
    pub request: RequestId,
}

impl Patient {
    /// A command on this patient.
    pub const fn command<'request>(&'request self, scope: &'request TenantScope) -> Command<'request> {
        Command { scope, patient: &self.id, request: &self.request, if_match: None, keyed: None }
    }
}

/// The queue, and what went into it.
pub struct KeptHints {
    queue: SqsQueue,
    hints: Mutex<Vec<Hint>>,
}

impl KeptHints {
    pub const fn new(queue: SqsQueue) -> Self {
        Self { queue, hints: Mutex::new(Vec::new()) }
    }

    pub fn taken(self) -> Vec<Hint> {
        self.hints.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue for KeptHints {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        self.queue.send(hints).await?;
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(hints);
        Ok(())
    }
}

/// The scope of the practice's staff.
///
/// # Errors
/// None, unless ids have other rules than they had.
#[expect(clippy::disallowed_methods, reason = "there is no gateway here that would verify claims")]
pub fn scope() -> Result<TenantScope> {
    let actor = Actor { role: Role::Staff, subject: Some(Subject::parse("staff-7")?) };
    Ok(TenantScope::from_verified_claims(PracticeId::parse("lakeside")?, actor))
}

/// The practice's settings.
///
/// # Errors
/// None, unless settings have other rules than they had.
pub fn settings() -> Result<PracticeSettings> {
    Ok(PracticeSettings {
        name: DisplayName::parse("Lakeside Family Medicine")?,
        sender_name: DisplayName::parse("Lakeside")?,
        support_phone: Phone::parse("+1 (555) 010-0199")?,
        time_zone: New_York,
        link_days: LinkDays::default(),
        reminders: ReminderPolicy::default(),
    })
}

/// So many patients.
///
/// # Errors
/// None, unless profiles have other rules than they had.
pub fn patients(count: usize) -> Result<Vec<Patient>> {
    let born = date_of_birth("1980-02-29", SystemClock.now()).context("no date of birth")?;
    let patient = |number| {
        let id = format!("p-{number:05}");
        Ok(Patient {
            profile: Profile {
                given_name: PersonName::parse("José")?,
                family_name: PersonName::parse("Núñez")?,
                date_of_birth: Some(born),
                email: Some(EmailAddress::parse(&format!("{id}@example.com"))?),
                language: Language::Spanish,
                active: true,
            },
            request: RequestId::parse(&format!("request-{number}"))?,
            id: PatientId::parse(&id)?,
        })
    };
    (0..count).map(patient).collect()
}
