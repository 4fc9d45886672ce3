//! Whatever a record can be is stored and read back unchanged. Every step of a [`Story`] is read back.

use chrono::TimeDelta;
use portal::{
    idempotency::KeyedRequest,
    ports::{DeliveryStore as _, LoginOutcome, LoginStore as _},
    profile::{Language, Profile},
    record::{Account, Delivery, FailReason, InvitationState, PortalRecord, RevokeReason},
    testing::samples,
    text::PersonName,
    timeline::Role,
};

use crate::{backend::Backend, story::Story};

const DELIVERIES: [Delivery; 6] = [
    Delivery::Delayed,
    Delivery::Delivered,
    Delivery::Complained,
    Delivery::Bounced,
    Delivery::Rejected,
    Delivery::Suppressed,
];

pub(crate) async fn profiles_read_back(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", None).await;
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
        let context = story.context(Role::Staff);
        let change = PortalRecord::save_profile(Some(&story.record), story.key.clone(), profile, context).unwrap();
        story.step(change).await;
    }
}

pub(crate) async fn invitations_read_back(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("Jose@Example.com")).await;
    story.invite(None).await;
    story.send().await;
    story.reinvite(None).await;
    story.send().await;
    story.reinvite(Some("Other@Example.com")).await;
    story.claim().await;
    story.change(|record, context| record.fail_sending(record.fence, FailReason::Refused, context).unwrap()).await;
    story.reinvite(None).await;
    story.send().await;
    let reminder = story.reinviting(None, Role::Sweep);
    story.step(reminder).await;
    story.change(|record, context| record.stop_reminders(context).unwrap()).await;
    story.send().await;
    assert_eq!(story.record.next_action, None);
}

pub(crate) async fn deliveries_read_back(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    story.send().await;
    for news in DELIVERIES {
        story.delivered(news).await;
    }
}

pub(crate) async fn words_of_ses_read_back(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    // The stamp was lost.
    story.claim().await;
    story.hear(Delivery::Delivered).await;
    // A later try was put off.
    story.reinvite(None).await;
    story.claim().await;
    story.now += TimeDelta::hours(1);
    story.claim().await;
    let waiting = story.record.defer(story.record.fence, story.now).unwrap();
    assert!(backend.store().defer(&waiting).await.unwrap());
    story.record = waiting;
    story.hear(Delivery::Accepted).await;
    // Every try was given up.
    story.reinvite(None).await;
    story.claim().await;
    story.change(|record, context| record.fail_sending(record.fence, FailReason::Exhausted, context).unwrap()).await;
    story.hear(Delivery::Bounced).await;
    // Used before the word came.
    story.reinvite(Some("other@example.com")).await;
    story.claim().await;
    story.register().await;
    story.hear(Delivery::Bounced).await;
}

pub(crate) async fn endings_read_back(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    story.revoke().await;
    for reason in [RevokeReason::Declined, RevokeReason::WrongPerson] {
        story.invite(None).await;
        story.send().await;
        // A decline needs the mailed token; what is stored is the same.
        let context = story.context(Role::Patient);
        let mut change = story.record.revoke(context).unwrap();
        let Some(InvitationState::Revoked { reason: stored, .. }) =
            change.after.invitation.as_mut().map(|invitation| &mut invitation.state)
        else {
            unreachable!("it was revoked")
        };
        *stored = reason;
        story.step(change).await;
    }
    story.invite(None).await;
    story.opt_out(Role::Staff).await;
    story.commit(PortalRecord::opt_in).await;
    // Opted out while a sender had the mail, revoked by the sweep, and then SES's word comes after all.
    story.invite(None).await;
    story.claim().await;
    story.opt_out(Role::Patient).await;
    let invitation = story.invitation_id();
    story.change(|record, context| record.finalize(&invitation, context).unwrap()).await;
    story.stamp().await;
    // Locked by the last guess.
    story.commit(PortalRecord::opt_in).await;
    story.invite(None).await;
    story.send().await;
    story.record.link.as_mut().unwrap().birth_date_attempts = portal::policy::MAX_BIRTH_DATE_ATTEMPTS;
    let wrong = samples::date_of_birth() + TimeDelta::days(1);
    let context = story.context(Role::Patient);
    let portal::record::account::Registration::Locked(change) =
        story.record.register(wrong, samples::account_id("account-1"), None, context)
    else {
        unreachable!("it was the last guess")
    };
    story.step(*change).await;
}

pub(crate) async fn accounts_read_back(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    // Registered with the mail of a try whose outcome is not known yet; SES's word comes later.
    story.claim().await;
    story.register().await;
    story.stamp().await;
    let login = samples::login("event-1", story.now + TimeDelta::days(1));
    let outcome = backend.store().record_login(&samples::email("jose@example.com"), &login).await.unwrap();
    assert_eq!(outcome, LoginOutcome::Recorded);
    story.record = story.record.track_login(&login).unwrap().unwrap();
    story.is_stored().await;
    story.change_email("New@Example.com").await;
    let context = story.context(Role::Staff);
    let mut change = story.record.opt_out(context).unwrap();
    let Account::Active { id, email, registered_at, last_login_at, last_login_event } = change.after.account else {
        unreachable!("it is active")
    };
    change.after.account = Account::Deactivated { id, email, registered_at, last_login_at, last_login_event };
    story.step(change).await;
}

pub(crate) async fn choices_read_back(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    for role in [Role::Staff, Role::Patient, Role::Support, Role::Portal, Role::Sender, Role::Sweep, Role::MailService]
    {
        story.opt_out(role).await;
        story.commit(PortalRecord::opt_in).await;
    }
}

pub(crate) async fn links_read_back(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    for _ in 0..portal::policy::MAX_TRIES {
        story.claim().await;
        story.now += TimeDelta::hours(1);
    }
    assert_eq!(story.record.link.as_ref().unwrap().secrets.len(), 5);
    story.change(|record, context| record.finalize(&record.invitation.as_ref().unwrap().id, context).unwrap()).await;
    story.reinvite(None).await;
    story.send().await;
    let token =
        portal::link::Token { link: story.record.link.as_ref().unwrap().id.clone(), secret: samples::secret(0) };
    assert!(story.record.usable_link(&token, story.now).is_err());
    assert_eq!(story.record.link.as_ref().unwrap().secrets.len(), 6);
}

pub(crate) async fn requests_read_back(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    for number in 0..=portal::policy::MAX_REMEMBERED_REQUESTS {
        let request = KeyedRequest::new("opt", &number.to_string(), b"{}");
        let context = story.context(Role::Staff);
        let record = &story.record;
        let change = if number % 2 == 0 { record.opt_out(context).unwrap() } else { record.opt_in(context).unwrap() };
        story.now = samples::noon();
        story.step(change.with_remembered_request(Some(&request))).await;
    }
    assert!(story.record.recent_requests.len() > 1);
}
