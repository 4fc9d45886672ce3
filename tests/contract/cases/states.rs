//! Every state of a record is stored and read back unchanged. A [`TestPatient`] reads back every change.

use chrono::TimeDelta;
use portal::{
    idempotency::KeyedRequest,
    ports::{DeliveryStore as _, LoginOutcome, LoginStore as _},
    profile::{Language, Profile},
    record::{InvitationState, PortalRecord},
    states::{Delivery, FailReason, RevokeReason},
    testing::samples,
    text::PersonName,
    timeline::Role,
};

use crate::{backend::Backend, test_patient::TestPatient};

const DELIVERIES: [Delivery; 6] = [
    Delivery::Delayed,
    Delivery::Delivered,
    Delivery::Complained,
    Delivery::Bounced,
    Delivery::Rejected,
    Delivery::Suppressed,
];

pub(crate) async fn profiles_read_back(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", None).await;
    let name = |text| PersonName::parse(text).unwrap();
    for profile in [
        Profile { given_name: name("O'Neil"), ..samples::profile(Some(" Jose.N+x@EXAMPLE.com")) },
        samples::profile(Some("JOSE.n+x@example.com")),
        Profile { date_of_birth: None, language: Language::English, ..samples::profile(None) },
        Profile { active: false, ..samples::profile(None) },
        Profile { active: false, ..samples::profile(Some("jose@example.com")) },
        Profile { family_name: name("李"), ..samples::profile(Some("li@例え.jp")) },
        Profile {
            family_name: name(&"ab ".repeat(33)),
            given_name: name(&"\u{10437}".repeat(100)),
            ..samples::profile(None)
        },
    ] {
        let context = patient.context(Role::Staff);
        let change = PortalRecord::save_profile(Some(&patient.record), patient.key.clone(), profile, context).unwrap();
        patient.step(change).await;
    }
}

pub(crate) async fn invitations_read_back(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("Jose@Example.com")).await;
    patient.invite(None).await;
    patient.send().await;
    patient.reinvite(None).await;
    patient.send().await;
    patient.reinvite(Some("Other@Example.com")).await;
    patient.claim().await;
    patient.change(|record, context| record.fail_sending(record.fence, FailReason::Refused, context).unwrap()).await;
    patient.reinvite(None).await;
    patient.send().await;
    let reminder = patient.reinviting(None, Role::Sweep);
    patient.step(reminder).await;
    patient.change(|record, context| record.stop_reminders(context).unwrap()).await;
    patient.send().await;
    assert_eq!(patient.record.next_action, None);
}

pub(crate) async fn deliveries_read_back(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    patient.send().await;
    for news in DELIVERIES {
        patient.delivered(news).await;
    }
}

pub(crate) async fn late_mail_events_read_back(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    // The stamp was lost.
    patient.claim().await;
    patient.record_events(Delivery::Delivered).await;
    // A later try was deferred.
    patient.reinvite(None).await;
    patient.claim().await;
    patient.now += TimeDelta::hours(1);
    patient.claim().await;
    let waiting = patient.record.defer(patient.record.fence, patient.now).unwrap();
    assert!(backend.store().defer(&waiting).await.unwrap());
    patient.record = waiting;
    patient.record_events(Delivery::Accepted).await;
    // All tries were used up.
    patient.reinvite(None).await;
    patient.claim().await;
    patient.change(|record, context| record.fail_sending(record.fence, FailReason::Exhausted, context).unwrap()).await;
    patient.record_events(Delivery::Bounced).await;
    // The link was used before the event arrived.
    patient.reinvite(Some("other@example.com")).await;
    patient.claim().await;
    patient.register().await;
    patient.record_events(Delivery::Bounced).await;
}

pub(crate) async fn ended_invitations_read_back(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    patient.revoke().await;
    for reason in [RevokeReason::Declined, RevokeReason::WrongPerson] {
        patient.invite(None).await;
        patient.send().await;
        // A decline needs the mailed token; what is stored is the same.
        let context = patient.context(Role::Patient);
        let mut change = patient.record.revoke(context).unwrap();
        let Some(InvitationState::Revoked { reason: stored, .. }) =
            change.after.invitation.as_mut().map(|invitation| &mut invitation.state)
        else {
            unreachable!("it was revoked")
        };
        *stored = reason;
        patient.step(change).await;
    }
    // Not to the address whose reader was not the patient.
    patient.invite(Some("new@example.com")).await;
    patient.opt_out(Role::Staff).await;
    patient.commit(PortalRecord::opt_in).await;
    // The patient opts out while a sender has the mail. The sweep revokes the invitation. Then SES accepts the mail.
    patient.invite(Some("new@example.com")).await;
    patient.claim().await;
    patient.opt_out(Role::Patient).await;
    let invitation = patient.invitation_id();
    patient.change(|record, context| record.finalize(&invitation, context).unwrap()).await;
    patient.stamp().await;
    // The last attempt locks the link.
    patient.commit(PortalRecord::opt_in).await;
    patient.invite(Some("new@example.com")).await;
    patient.send().await;
    patient.record.link.as_mut().unwrap().birth_date_attempts = portal::policy::MAX_BIRTH_DATE_ATTEMPTS;
    let wrong = samples::date_of_birth() + TimeDelta::days(1);
    let context = patient.context(Role::Patient);
    let portal::record::account::Registration::Locked(change) =
        patient.record.register(wrong, samples::account_id("account-1"), None, context)
    else {
        unreachable!("it was the last attempt")
    };
    patient.step(*change).await;
}

pub(crate) async fn accounts_read_back(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    // The patient registers with a mail of which the outcome is not known yet. It is stamped later.
    patient.claim().await;
    patient.register().await;
    patient.stamp().await;
    let login = samples::login("event-1", patient.now + TimeDelta::days(1));
    let outcome = backend.store().record_login(&samples::email("jose@example.com"), &login).await.unwrap();
    assert_eq!(outcome, LoginOutcome::Recorded);
    patient.record = patient.record.track_login(&login).unwrap().unwrap();
    patient.is_stored().await;
    patient.change_email("New@Example.com").await;
    let context = patient.context(Role::Staff);
    let closed = patient.record.close_account(samples::close_reason(), context).unwrap();
    patient.step(closed).await;
    let late = samples::login("event-2", login.at + TimeDelta::days(1));
    let outcome = backend.store().record_login(&samples::email("New@Example.com"), &late).await.unwrap();
    assert_eq!(outcome, LoginOutcome::NoAccount, "a closed account has no logins");
    patient.is_stored().await;
    let context = patient.context(Role::Support);
    let reopened = patient.record.reopen_account(context).unwrap();
    patient.step(reopened).await;
}

pub(crate) async fn choices_read_back(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    for role in [Role::Staff, Role::Patient, Role::Support, Role::Portal, Role::Sender, Role::Sweep, Role::MailService]
    {
        patient.opt_out(role).await;
        patient.commit(PortalRecord::opt_in).await;
    }
}

pub(crate) async fn links_read_back(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    for _ in 0..portal::policy::MAX_TRIES {
        patient.claim().await;
        patient.now += TimeDelta::hours(1);
    }
    assert_eq!(patient.record.link.as_ref().unwrap().secrets.len(), 5);
    patient.change(|record, context| record.finalize(&record.invitation.as_ref().unwrap().id, context).unwrap()).await;
    patient.reinvite(None).await;
    patient.send().await;
    let token =
        portal::link::Token { link: patient.record.link.as_ref().unwrap().id.clone(), secret: samples::secret(0) };
    assert!(patient.record.usable_link(&token, patient.now).is_err());
    assert_eq!(patient.record.link.as_ref().unwrap().secrets.len(), 6);
}

pub(crate) async fn requests_read_back(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    for number in 0..=portal::policy::MAX_REMEMBERED_REQUESTS {
        let request = KeyedRequest::new("opt", &number.to_string(), b"{}");
        let context = patient.context(Role::Staff);
        let record = &patient.record;
        let change = if number % 2 == 0 { record.opt_out(context).unwrap() } else { record.opt_in(context).unwrap() };
        patient.now = samples::noon();
        patient.step(change.with_remembered_request(Some(&request))).await;
    }
    assert!(patient.record.recent_requests.len() > 1);
}
