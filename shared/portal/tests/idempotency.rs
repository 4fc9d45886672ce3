//! Idempotent commands, with the in-memory store.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use chrono::TimeDelta;
use portal::{
    idempotency::KeyedRequest,
    ids::RequestId,
    link::Token,
    operations::{
        Command, Enqueued, OperationError,
        deliver::DeliveryOutcome,
        invite::invite,
        patient::save_profile,
        register::{Holder, Registered, new_link, register},
        revoke::revoke,
    },
    panel::InvitationStatus,
    policy::IDEMPOTENCY_WINDOW,
    ports::{ChangeStore as _, Clock as _, CommitOutcome},
    record::guards::Recipient,
    refusal::{InviteRefusal, RefusalCode, RegisterRefusal},
    states::AccountFacet,
    testing::{Fault, Refused, refusal, samples},
    timeline::Role,
};
use world::{ADDRESS, World};

fn keyed(command: &str, content: &str) -> KeyedRequest {
    KeyedRequest::new(command, "key-1", content.as_bytes())
}

async fn invite_as(
    world: &World,
    patient: &str,
    if_match: Option<u64>,
    keyed: Option<KeyedRequest>,
) -> Result<Enqueued, OperationError<InviteRefusal>> {
    let (scope, patient) = (samples::scope("north"), samples::patient_id(patient));
    let command = Command { if_match, keyed, ..world.command(&scope, &patient) };
    invite(&world.ports(), &world.queue, &world.entropy, &command, &Recipient::default()).await
}

#[tokio::test]
async fn a_repeated_invitation_gets_the_same_answer_and_is_not_sent_again() {
    let world = World::with_one().await;
    let first = invite_as(&world, "p-1", Some(1), Some(keyed("invite", ""))).await.unwrap();
    let before = world.store.contents();
    // The repeat has the same `If-Match`, which the first request has made out of date.
    let second = invite_as(&world, "p-1", Some(1), Some(keyed("invite", ""))).await.unwrap();
    assert_eq!(second.panel, first.panel);
    assert_eq!(world.store.contents(), before);
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);

    let third = invite_as(&world, "p-1", Some(1), Some(keyed("invite", ""))).await.unwrap();
    assert_eq!(third.panel, world.status("p-1").await, "the current status");
    assert!(world.deliver().await.is_empty());
}

#[tokio::test]
async fn a_repeat_returns_the_lost_answer() {
    let world = World::with_one().await;
    world.store.fail_next([None, Some(Fault::LostReply)]);
    assert!(invite_as(&world, "p-1", None, Some(keyed("invite", ""))).await.is_err());
    let repeated = invite_as(&world, "p-1", None, Some(keyed("invite", ""))).await.unwrap();
    assert!(repeated.panel.mail_is_queued());
    assert_eq!(
        refusal(invite_as(&world, "p-1", None, None).await),
        Refused::rule(RefusalCode::AlreadyInvited),
        "without a key it is a new request"
    );
}

#[tokio::test]
async fn a_key_identifies_one_request_for_a_day() {
    let world = World::with_one().await;
    invite_as(&world, "p-1", None, Some(keyed("invite", ""))).await.unwrap();
    let before = world.store.contents();
    let other = invite_as(&world, "p-1", None, Some(keyed("invite", "{}"))).await;
    assert_eq!(refusal(other), Refused::KEY_REUSED);
    assert_eq!(world.store.contents(), before);

    world.clock.advance(IDEMPOTENCY_WINDOW);
    assert_eq!(
        refusal(invite_as(&world, "p-1", None, Some(keyed("invite", ""))).await),
        Refused::rule(RefusalCode::AlreadyInvited)
    );
}

#[tokio::test]
async fn a_key_belongs_to_one_patient_and_one_command() {
    let world = World::with_patients(&[("north", "p-1", Some(ADDRESS)), ("north", "p-2", Some("b@example.com"))]).await;
    invite_as(&world, "p-1", None, Some(keyed("invite", ""))).await.unwrap();
    invite_as(&world, "p-2", None, Some(keyed("invite", "other"))).await.unwrap();
    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    let command = Command { keyed: Some(keyed("revoke", "other")), ..world.command(&scope, &patient) };
    let revoked = revoke(&world.ports(), &command).await.unwrap();
    assert_eq!(revoked.invitation.state, InvitationStatus::Revoked);
    assert_eq!(revoke(&world.ports(), &command).await.unwrap(), revoked);
}

#[tokio::test]
async fn a_refused_command_is_decided_again() {
    let world = World::with_patients(&[("north", "p-1", None)]).await;
    assert_eq!(
        refusal(invite_as(&world, "p-1", None, Some(keyed("invite", ""))).await),
        Refused::rule(RefusalCode::EmailRequired)
    );
    world.save("north", "p-1", Some(ADDRESS)).await;
    assert!(invite_as(&world, "p-1", None, Some(keyed("invite", ""))).await.is_ok());
}

#[tokio::test]
async fn a_repeated_save_of_a_new_patient_is_answered_as_created() {
    let world = World::with_patients(&[]).await;
    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-9"));
    let save = async |content, name| {
        let command = Command { keyed: Some(keyed("save", content)), ..world.command(&scope, &patient) };
        save_profile(&world.ports(), &command, &samples::profile(name)).await
    };
    let created = save("a", None).await.unwrap();
    assert_eq!(save("a", None).await.unwrap(), created);
    assert!(created.created);
    assert_eq!(refusal(save("b", Some(ADDRESS)).await), Refused::KEY_REUSED);
}

#[tokio::test]
async fn a_lost_hint_is_sent_by_the_sweep_and_not_by_a_repeat() {
    let world = World::with_one().await;
    world.queue.fail_next(1);
    assert!(invite_as(&world, "p-1", None, Some(keyed("invite", ""))).await.unwrap().unqueued.is_some());
    assert!(invite_as(&world, "p-1", None, Some(keyed("invite", ""))).await.unwrap().unqueued.is_none());
    assert!(world.deliver().await.is_empty());
    world.clock.advance(TimeDelta::minutes(2));
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
}

/// A patient whose invitation was mailed, the token in the mail, and the id of the holder's request.
struct MailedPatient {
    world: World,
    token: Token,
    request: RequestId,
}

impl MailedPatient {
    async fn new() -> Self {
        let world = World::with_one().await;
        world.invite("north", "p-1").await.unwrap();
        assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
        let token = world.mailer.mails().last().unwrap().token.clone();
        Self { world, token, request: samples::request_id("request-2") }
    }

    fn holder(&self, keyed: Option<KeyedRequest>) -> Holder<'_> {
        Holder { token: &self.token, request: &self.request, keyed }
    }

    async fn register(&self, keyed: Option<KeyedRequest>) -> Result<Registered, OperationError<RegisterRefusal>> {
        let Self { world, .. } = self;
        register(&world.ports(), &world.entropy, &self.holder(keyed), samples::date_of_birth()).await
    }
}

#[tokio::test]
async fn a_repeated_registration_gives_the_same_account() {
    let patient = MailedPatient::new().await;
    let registered = patient.register(Some(keyed("register", "right"))).await.unwrap();
    let before = patient.world.store.contents();
    assert_eq!(patient.register(Some(keyed("register", "right"))).await.unwrap(), registered);
    let another = patient.register(Some(keyed("register", "other"))).await;
    assert_eq!(
        refusal(another),
        Refused::rule(RefusalCode::LinkNotUsable),
        "the key reveals nothing about another date of birth"
    );
    assert_eq!(
        refusal(patient.register(None).await),
        Refused::rule(RefusalCode::LinkNotUsable),
        "without the key the link is used"
    );
    assert_eq!(patient.world.store.contents(), before);
    assert!(patient.world.record().usable_link(&patient.token, samples::noon()).is_err());

    patient.world.clock.advance(IDEMPOTENCY_WINDOW);
    assert_eq!(
        refusal(patient.register(Some(keyed("register", "right"))).await),
        Refused::rule(RefusalCode::LinkNotUsable)
    );
}

#[tokio::test]
async fn a_repeated_registration_does_not_reveal_a_changed_address() {
    let patient = MailedPatient::new().await;
    patient.register(Some(keyed("register", "right"))).await.unwrap();
    let record = patient.world.record();
    let context = samples::context_as(Role::Support, patient.world.clock.now(), "support");
    let change = record.change_account_email(&samples::email("new@example.com"), context).unwrap().unwrap();
    assert_eq!(patient.world.store.commit(&change).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(
        refusal(patient.register(Some(keyed("register", "right"))).await),
        Refused::rule(RefusalCode::LinkNotUsable)
    );
}

#[tokio::test]
async fn a_repeated_registration_returns_the_account_of_a_lost_answer() {
    let patient = MailedPatient::new().await;
    // The attempt is counted and the account is written, but the reply is lost.
    patient.world.store.fail_next([None, None, Some(Fault::LostReply)]);
    assert!(patient.register(Some(keyed("register", "right"))).await.is_err());
    let registered = patient.register(Some(keyed("register", "right"))).await.unwrap();
    assert_eq!(registered.email, samples::email(ADDRESS));
    assert_eq!(patient.world.status("p-1").await.account.state, AccountFacet::Active);
}

#[tokio::test]
async fn the_key_without_the_secret_is_refused() {
    let mut patient = MailedPatient::new().await;
    patient.register(Some(keyed("register", "right"))).await.unwrap();
    patient.token.secret = samples::secret(99);
    assert_eq!(
        refusal(patient.register(Some(keyed("register", "right"))).await),
        Refused::rule(RefusalCode::LinkNotUsable)
    );
}

#[tokio::test]
async fn a_repeated_request_for_a_new_link_sends_one_mail() {
    let patient = MailedPatient::new().await;
    patient.world.clock.advance(TimeDelta::days(8));
    for _ in 0..2 {
        let MailedPatient { world, .. } = &patient;
        let holder = patient.holder(Some(keyed("new-link", "")));
        new_link(&world.ports(), &world.queue, &world.entropy, &holder).await.unwrap();
    }
    assert_eq!(patient.world.deliver().await, [DeliveryOutcome::Sent]);
}
