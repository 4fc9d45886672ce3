//! An invented practice and its patients.

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

/// A patient to be invited, and the id of the request.
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

/// A queue that also records the hints.
pub struct RecordingQueue {
    queue: SqsQueue,
    hints: Mutex<Vec<Hint>>,
}

impl RecordingQueue {
    pub const fn new(queue: SqsQueue) -> Self {
        Self { queue, hints: Mutex::new(Vec::new()) }
    }

    pub fn into_hints(self) -> Vec<Hint> {
        self.hints.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue for RecordingQueue {
    async fn send(&self, hints: &[Hint]) -> Result<(), QueueError> {
        self.queue.send(hints).await?;
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(hints);
        Ok(())
    }
}

/// The scope of the practice's staff.
///
/// # Errors
/// If the rules for ids no longer allow these.
#[expect(clippy::disallowed_methods, reason = "there is no gateway here that could verify claims")]
pub fn scope() -> Result<TenantScope> {
    let actor = Actor { role: Role::Staff, subject: Some(Subject::parse("staff-7")?) };
    Ok(TenantScope::from_verified_claims(PracticeId::parse("lakeside")?, actor))
}

/// The practice's settings.
///
/// # Errors
/// If the rules for settings no longer allow these.
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

/// This number of patients.
///
/// # Errors
/// If the rules for profiles no longer allow these.
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
