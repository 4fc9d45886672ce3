//! Practices, patients and other values for tests. All of them are fictitious.

use chrono::{DateTime, NaiveDate, Utc};
use strum::IntoEnumIterator as _;

use crate::{
    access::{AccessEntry, AccessKind},
    bulk::{Audience, BulkJob},
    email::EmailAddress,
    ids::{
        AccountId, EventId, InvitationId, JobId, LinkId, MessageId, PatientId, PracticeId, RecordKey, RequestId,
        Subject,
    },
    link::{LinkSecret, Token},
    practice::{LinkDays, Practice, PracticeSettings, ReminderPolicy},
    practice_history::{PracticeEvent, PracticeEventKind, SettingsMember},
    profile::{Language, Profile, ProfileMember},
    record::{Change, PortalRecord, account::Login, delivery::ClaimRequest},
    redacted::Redacted,
    scope::TenantScope,
    states::{Delivery, FailReason, NoticeKind, RevokeReason},
    text::{AccessReason, CloseReason, DisplayName, PersonName, Phone},
    timeline::{Actor, ChangeContext, EventKind, Role},
};

/// Tuesday, 5 May 2026, noon in UTC; eight in the morning in New York.
#[must_use]
pub fn noon() -> DateTime<Utc> {
    at("2026-05-05T12:00:00Z")
}

/// An instant in RFC 3339.
#[must_use]
pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// An address.
#[must_use]
pub fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// A practice's id.
#[must_use]
pub fn practice_id(text: &str) -> PracticeId {
    PracticeId::parse(text).unwrap()
}

/// A patient's id.
#[must_use]
pub fn patient_id(text: &str) -> PatientId {
    PatientId::parse(text).unwrap()
}

/// A record's key.
#[must_use]
pub fn key(practice: &str, patient: &str) -> RecordKey {
    RecordKey { practice: practice_id(practice), patient: patient_id(patient) }
}

/// An invitation's id.
#[must_use]
pub fn invitation_id(text: &str) -> InvitationId {
    InvitationId::parse(text).unwrap()
}

/// An account's id.
#[must_use]
pub fn account_id(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

/// A request's id.
#[must_use]
pub fn request_id(text: &str) -> RequestId {
    RequestId::parse(text).unwrap()
}

/// A login, reported by an event of this id.
#[must_use]
pub fn login(event: &str, at: DateTime<Utc>) -> Login {
    Login { event: EventId::parse(event).unwrap(), at }
}

/// A mail's SES message id, by number.
#[must_use]
pub fn message_id(number: usize) -> MessageId {
    MessageId::parse(&format!("message-{number}")).unwrap()
}

/// Settings with every default, in New York.
#[must_use]
pub fn settings() -> PracticeSettings {
    PracticeSettings {
        name: DisplayName::parse("Lakeside Family Medicine").unwrap(),
        sender_name: DisplayName::parse("Lakeside").unwrap(),
        support_phone: Phone::parse("+1 (555) 010-0199").unwrap(),
        time_zone: chrono_tz::America::New_York,
        link_days: LinkDays::default(),
        reminders: ReminderPolicy::default(),
    }
}

/// A practice in its first version that has activated the portal at [`noon`].
#[must_use]
pub fn practice(id: &str) -> Practice {
    Practice::save(None, practice_id(id), settings(), true, noon())
}

/// The scope of a practice's staff.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a test creates its own claims")]
pub fn scope(practice: &str) -> TenantScope {
    TenantScope::from_verified_claims(practice_id(practice), staff())
}

/// A member of staff.
#[must_use]
pub fn staff() -> Actor {
    Actor { role: Role::Staff, subject: Some(Subject::parse("staff-7").unwrap()) }
}

/// The scope of Customer Care, on behalf of a practice.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a test creates its own claims")]
pub fn support_scope(practice: &str) -> TenantScope {
    let actor = Actor { role: Role::Support, subject: Some(Subject::parse("support-3").unwrap()) };
    TenantScope::from_verified_claims(practice_id(practice), actor)
}

/// A bulk job's id.
#[must_use]
pub fn job_id(text: &str) -> JobId {
    JobId::parse(text).unwrap()
}

/// A bulk job of a practice's staff with this number of named patients, created at [`noon`].
#[must_use]
pub fn bulk_job(practice: &str, id: &str, total: u32) -> BulkJob {
    BulkJob::new(job_id(id), &scope(practice), None, false, Audience::Named { total, processed: 0 }, noon())
}

/// José Núñez, born on 29 February 1980, with this address in his profile.
#[must_use]
pub fn profile(address: Option<&str>) -> Profile {
    Profile {
        given_name: PersonName::parse("José").unwrap(),
        family_name: PersonName::parse("Núñez").unwrap(),
        date_of_birth: Some(Redacted::new(date_of_birth())),
        email: address.map(email),
        language: Language::Spanish,
        active: true,
    }
}

/// The date of birth of [`profile`].
#[must_use]
pub fn date_of_birth() -> NaiveDate {
    NaiveDate::from_ymd_opt(1980, 2, 29).unwrap()
}

/// The context of a change by staff.
#[must_use]
pub fn staff_context(at: DateTime<Utc>, request: &str) -> ChangeContext {
    ChangeContext { at, actor: staff(), request: request_id(request) }
}

/// The context of a change by a role without a subject: one of our own functions, SES, or the patient.
#[must_use]
pub fn context_as(role: Role, at: DateTime<Utc>, request: &str) -> ChangeContext {
    ChangeContext { at, actor: Actor::from_role(role), request: request_id(request) }
}

/// The change that creates a patient's record, at [`noon`].
#[must_use]
pub fn new_patient(key: &RecordKey, profile: Profile) -> Change {
    PortalRecord::save_profile(None, key.clone(), profile, staff_context(noon(), "request-new-patient")).unwrap()
}

/// Why an account was closed.
#[must_use]
pub fn close_reason() -> CloseReason {
    CloseReason::parse("The patient asked for it.").unwrap()
}

/// A secret, different for each seed.
#[must_use]
pub fn secret(seed: u8) -> LinkSecret {
    LinkSecret::new([seed; 32])
}

/// The token in a mail after a [`claim_request`] with this seed, if that was the first claim for the address.
#[must_use]
pub fn token(seed: u8) -> Token {
    Token { link: LinkId::parse(&format!("link-{seed}")).unwrap(), secret: secret(seed) }
}

/// A claim of this invitation's mail, with the secret of this seed. Its link works for a week.
#[must_use]
pub fn claim_request(invitation: &InvitationId, now: DateTime<Utc>, seed: u8) -> ClaimRequest {
    ClaimRequest {
        invitation: invitation.clone(),
        now,
        fresh_link: token(seed).link,
        secret: token(seed).secret.hash(),
        expires_at: LinkDays::default().expiry(now),
    }
}

/// All kinds of events, with all reasons.
#[must_use]
pub fn event_kinds() -> Vec<EventKind> {
    std::iter::successors(Some(EventKind::ProfileSaved { changed: Vec::new() }), next_kind).collect()
}

/// An access of Customer Care to a patient.
#[must_use]
pub fn access(kind: AccessKind, now: DateTime<Utc>, request: &str) -> AccessEntry {
    let reason = AccessReason::parse("Ticket 4711").unwrap();
    AccessEntry { context: context_as(Role::Support, now, request), kind, reason }
}

/// The event of a new bulk job.
#[must_use]
pub fn job_begun(job: &BulkJob) -> PracticeEvent {
    PracticeEvent::from_new_job(job, staff_context(job.created_at, &format!("begin-{}", job.id)))
}

/// The events of a save of settings.
#[must_use]
pub fn settings_saved(before: Option<&Practice>, after: &Practice, request: &str) -> Vec<PracticeEvent> {
    PracticeEvent::from_save(before, after, &staff_context(noon(), request))
}

/// All kinds of events of a practice's history.
#[must_use]
pub fn practice_event_kinds() -> Vec<PracticeEventKind> {
    std::iter::successors(Some(PracticeEventKind::PracticeCreated), next_practice_kind).collect()
}

/// The kind after this one. A new kind compiles only after it is added here.
fn next_practice_kind(kind: &PracticeEventKind) -> Option<PracticeEventKind> {
    let job = JobId::parse("job-1").unwrap();
    Some(match kind {
        PracticeEventKind::PracticeCreated => PracticeEventKind::SettingsSaved { changed: vec![] },
        PracticeEventKind::SettingsSaved { changed } if changed.is_empty() => {
            PracticeEventKind::SettingsSaved { changed: SettingsMember::iter().collect() }
        }
        PracticeEventKind::SettingsSaved { .. } => PracticeEventKind::TermsAccepted,
        PracticeEventKind::TermsAccepted => PracticeEventKind::BulkJobBegun { job, patients: Some(1), dry_run: false },
        PracticeEventKind::BulkJobBegun { patients: Some(_), dry_run: false, .. } => {
            PracticeEventKind::BulkJobBegun { job, patients: Some(12), dry_run: true }
        }
        PracticeEventKind::BulkJobBegun { patients: Some(_), dry_run: true, .. } => {
            PracticeEventKind::BulkJobBegun { job, patients: None, dry_run: false }
        }
        PracticeEventKind::BulkJobBegun { patients: None, .. } => PracticeEventKind::BulkJobCancelled { job },
        PracticeEventKind::BulkJobCancelled { .. } => return None,
    })
}

/// The kind after this one. A new kind or reason compiles only after it is added here.
fn next_kind(kind: &EventKind) -> Option<EventKind> {
    let invitation = invitation_id("invitation-1");
    let delivered = |delivery| EventKind::DeliveryChanged { invitation: invitation.clone(), delivery };
    let revoked = |reason| EventKind::InvitationRevoked { invitation: invitation.clone(), reason };
    let failed = |notice, reason| EventKind::NoticeFailed { notice, reason };
    let reinvited = |another_address, address_confirmed| EventKind::Reinvited {
        invitation: invitation.clone(),
        another_address,
        address_confirmed,
    };
    let next = match kind {
        EventKind::ProfileSaved { changed } if changed.is_empty() => {
            EventKind::ProfileSaved { changed: ProfileMember::iter().collect() }
        }
        EventKind::ProfileSaved { .. } => EventKind::Invited { invitation, address_confirmed: false },
        EventKind::Invited { address_confirmed: false, .. } => {
            EventKind::Invited { invitation, address_confirmed: true }
        }
        EventKind::Invited { address_confirmed: true, .. } => reinvited(false, false),
        EventKind::Reinvited { another_address: false, address_confirmed: false, .. } => reinvited(false, true),
        EventKind::Reinvited { another_address: false, address_confirmed: true, .. } => reinvited(true, false),
        EventKind::Reinvited { another_address: true, address_confirmed: false, .. } => reinvited(true, true),
        EventKind::Reinvited { another_address: true, address_confirmed: true, .. } => {
            EventKind::InvitationSent { invitation, attempt: 1, message: message_id(1) }
        }
        EventKind::InvitationSent { attempt: 1, message, .. } => {
            EventKind::InvitationSent { invitation, attempt: 2, message: message.clone() }
        }
        EventKind::InvitationSent { .. } => EventKind::InvitationFailed { invitation, reason: FailReason::Refused },
        EventKind::InvitationFailed { reason, .. } => match reason {
            FailReason::Refused => EventKind::InvitationFailed { invitation, reason: FailReason::Exhausted },
            FailReason::Exhausted => revoked(RevokeReason::Undone),
        },
        EventKind::InvitationRevoked { reason, .. } => match reason {
            RevokeReason::Undone => revoked(RevokeReason::OptedOut),
            RevokeReason::OptedOut => revoked(RevokeReason::Locked),
            RevokeReason::Locked => revoked(RevokeReason::Declined),
            RevokeReason::Declined => revoked(RevokeReason::WrongPerson),
            RevokeReason::WrongPerson => delivered(Delivery::Accepted),
        },
        EventKind::DeliveryChanged { delivery, .. } => match delivery {
            Delivery::Accepted => delivered(Delivery::Delayed),
            Delivery::Delayed => delivered(Delivery::Delivered),
            Delivery::Delivered => delivered(Delivery::Complained),
            Delivery::Complained => delivered(Delivery::Bounced),
            Delivery::Bounced => delivered(Delivery::Rejected),
            Delivery::Rejected => delivered(Delivery::Suppressed),
            Delivery::Suppressed => EventKind::DateOfBirthChecked { birth_date_attempts: 3 },
        },
        EventKind::DateOfBirthChecked { .. } => EventKind::Registered,
        EventKind::Registered => EventKind::OptedOut,
        EventKind::OptedOut => EventKind::OptedIn,
        EventKind::OptedIn => EventKind::AccountEmailChanged,
        EventKind::AccountEmailChanged => EventKind::AccountClosed { reason: close_reason() },
        EventKind::AccountClosed { .. } => EventKind::AccountReopened,
        EventKind::AccountReopened => {
            EventKind::NoticeSent { notice: NoticeKind::AddressRemoved, message: message_id(1) }
        }
        EventKind::NoticeSent { notice, message } => match notice {
            NoticeKind::AddressRemoved => {
                EventKind::NoticeSent { notice: NoticeKind::AddressAdded, message: message.clone() }
            }
            NoticeKind::AddressAdded => {
                EventKind::NoticeSent { notice: NoticeKind::AccountClosed, message: message.clone() }
            }
            NoticeKind::AccountClosed => {
                EventKind::NoticeSent { notice: NoticeKind::AccountReopened, message: message.clone() }
            }
            NoticeKind::AccountReopened => failed(NoticeKind::AddressRemoved, FailReason::Refused),
        },
        EventKind::NoticeFailed { notice, reason: FailReason::Refused } => failed(*notice, FailReason::Exhausted),
        EventKind::NoticeFailed { notice, reason: FailReason::Exhausted } => match notice {
            NoticeKind::AddressRemoved => failed(NoticeKind::AddressAdded, FailReason::Refused),
            NoticeKind::AddressAdded => failed(NoticeKind::AccountClosed, FailReason::Refused),
            NoticeKind::AccountClosed => failed(NoticeKind::AccountReopened, FailReason::Refused),
            NoticeKind::AccountReopened => EventKind::RemindersStopped,
        },
        EventKind::RemindersStopped => return None,
    };
    Some(next)
}
