//! The operations with the in-memory store: what is accepted, what is mailed, and what remains after faults.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use chrono::TimeDelta;
use portal::{
    operations::{
        Command,
        breaker::PAUSE,
        deliver::{DeliveryOutcome, deliver, time_to_claim},
        invite::invite,
        patient::save_profile,
        sweep::{SweepReport, sweep},
    },
    panel::{DateField, InvitationReason, InvitationStatus},
    policy::LONGEST_DEFERRAL,
    ports::{
        ChangeStore as _, Clock as _, CommitOutcome, DeliveryStore as _, Hint, InvitationMail, InvitationMessage,
        Mailer, NoticeMail, SendOutcome,
    },
    profile::Profile,
    record::guards::Recipient,
    record::{InvitationState, NextActionKind, delivery::Unclaimable},
    refusal::{OptInRefusal, RefusalCode},
    states::{Delivery as MailDelivery, FailReason, InvitationFacet, RevokeReason},
    testing::{Contents, Fault, Refused, refusal, samples},
    timeline::{EventName, Role},
};
use world::{ADDRESS, World};

impl World {
    fn state(&self) -> InvitationState {
        self.record().invitation.unwrap().state
    }

    /// The one message that the queue holds.
    fn message(&self) -> InvitationMessage {
        let hints = self.queue.messages();
        let [Hint::Invitation(message)] = hints.as_slice() else { panic!("not one hint for an invitation: {hints:?}") };
        message.clone()
    }
}

#[tokio::test]
async fn an_invitation_is_accepted_mailed_and_shown() {
    let world = World::with_one().await;
    let invited = world.invite("north", "p-1").await.unwrap();
    assert!(invited.panel.mail_is_queued() && invited.unqueued.is_none());
    assert_eq!(invited.panel.activated_on, DateField::Pending);

    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
    let panel = world.status("p-1").await;
    assert_eq!(panel.activated_on, DateField::On { at: samples::noon(), date: samples::noon().date_naive() });
    assert_eq!(
        (panel.registered_on, panel.last_login_on, panel.last_reinvited_on),
        (DateField::Pending, DateField::Never, DateField::Never)
    );

    let mails = world.mailer.mails();
    let [mail] = mails.as_slice() else { panic!("not one mail") };
    assert_eq!((mail.to.canonical(), mail.attempt), (ADDRESS, 1));
    assert!(world.record().usable_link(&mail.token, world.clock.now()).is_ok(), "the mailed link works");
}

#[tokio::test]
async fn one_address_belongs_to_one_patient_who_is_named_only_to_the_same_practice() {
    let other = Some("other@example.com");
    let world = World::with_patients(&[("north", "p-1", other), ("north", "p-2", None), ("south", "p-3", None)]).await;
    world.invite("north", "p-1").await.unwrap();
    let before = world.store.contents();
    let email = samples::email("Other@Example.com");
    for (practice, patient, holder) in [("north", "p-2", Some(samples::patient_id("p-1"))), ("south", "p-3", None)] {
        let refused = world.invite_to(practice, patient, Some(&email)).await;
        assert_eq!(refusal(refused), Refused::email_in_use(holder));
    }
    assert_eq!(Contents { budgets: before.budgets.clone(), ..world.store.contents() }, before);
}

#[tokio::test]
async fn an_address_on_another_profile_cannot_be_invited() {
    let world = World::with_patients(&[("north", "p-1", Some(ADDRESS)), ("north", "p-2", Some(ADDRESS))]).await;
    let holder = Some(samples::patient_id("p-2"));
    assert_eq!(refusal(world.invite("north", "p-1").await), Refused::email_in_use(holder));
}

#[tokio::test]
async fn a_second_click_does_not_invite_again() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    assert_eq!(refusal(world.invite("north", "p-1").await), Refused::rule(RefusalCode::AlreadyInvited));
    assert_eq!(world.queue.messages().len(), 1);
}

#[tokio::test]
async fn a_patient_of_another_practice_is_not_found() {
    let world = World::with_one().await;
    let before = world.store.contents();
    assert_eq!(refusal(world.invite("south", "p-1").await), Refused::rule(RefusalCode::PatientNotFound));
    assert_eq!(world.store.contents(), before);
}

#[tokio::test]
async fn an_outdated_version_is_refused() {
    let world = World::with_one().await;
    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    let command = Command { if_match: Some(7), ..world.command(&scope, &patient) };
    let refused = invite(&world.ports(), &world.queue, &world.entropy, &command, &Recipient::default()).await;
    assert_eq!(refusal(refused), Refused::VERSION_CONFLICT);
}

#[tokio::test]
async fn saving_the_same_profile_again_changes_nothing() {
    let world = World::with_one().await;
    let before = world.store.contents();
    world.save("north", "p-1", Some(ADDRESS)).await;
    assert_eq!(world.store.contents(), before);
}

#[tokio::test]
async fn a_profile_change_does_not_change_the_invitation() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    let invitation = world.record().invitation;
    world.save("north", "p-1", Some("new@example.com")).await;
    assert_eq!(world.record().invitation, invitation);
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
    assert!(
        world.status("p-1").await.sentence.ends_with("It went to another address than the one on the Profile tab.")
    );
}

#[tokio::test]
async fn a_fault_of_the_queue_fails_no_invitation() {
    let world = World::with_one().await;
    world.queue.fail_next(1);
    let invited = world.invite("north", "p-1").await.unwrap();
    assert!(invited.unqueued.is_some() && invited.panel.mail_is_queued());

    assert_eq!(world.sweep().await.queued, 0, "not yet due");
    world.clock.advance(TimeDelta::minutes(2));
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.sweep().await, SweepReport::default(), "a second sweep finds nothing");
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.sweep().await.queued, 0, "the mail is sent: nothing is left to queue");
}

#[tokio::test]
async fn a_message_received_a_hundred_times_sends_one_mail() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    let message = world.message();
    let (ports, mail_service) = (world.ports(), world.mail_service(&world.mailer));
    for _ in 0..100 {
        deliver(&ports, &mail_service, &world.entropy, &message, &world.request).await.unwrap();
    }
    assert_eq!(world.mailer.mails().len(), 1);
}

#[tokio::test]
async fn a_deferred_mail_waits_and_costs_no_try() {
    for (answer, outcome, min_wait) in [
        (SendOutcome::Throttled, DeliveryOutcome::Deferred, TimeDelta::seconds(1)),
        (SendOutcome::Paused, DeliveryOutcome::Paused, PAUSE),
    ] {
        let world = World::with_one().await;
        world.mailer.answer_next([answer]);
        world.invite("north", "p-1").await.unwrap();
        let tries = world.record().invitation.unwrap().tries_left;
        assert_eq!(world.deliver().await, [outcome]);
        let record = world.record();
        assert_eq!(record.invitation.as_ref().unwrap().state, InvitationState::Queued);
        assert_eq!(record.invitation.unwrap().tries_left, tries);
        assert!(record.link.unwrap().secrets.is_empty(), "a secret that was not mailed is removed");
        assert!(record.next_action.unwrap().at >= world.clock.now() + min_wait);

        world.clock.advance(TimeDelta::minutes(17));
        assert_eq!(world.sweep().await.queued, 1);
        assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
    }
}

#[tokio::test]
async fn mails_are_unchanged_during_a_pause_and_sent_within_a_quarter_of_an_hour_after_it() {
    let patients: Vec<String> = (0..20).map(|number| format!("p-{number}")).collect();
    let address = |patient: &str| format!("{patient}@example.com");
    let world = World::with_patients(&[]).await;
    for patient in &patients {
        world.save("north", patient, Some(&address(patient))).await;
        world.invite("north", patient).await.unwrap();
    }
    world.mailer.answer_next([SendOutcome::Paused]);
    let before = world.store.contents();
    let outcomes = world.deliver().await;
    assert_eq!((outcomes[0], &outcomes[1..]), (DeliveryOutcome::Paused, [DeliveryOutcome::Skipped; 19].as_slice()));
    let after = world.store.contents();
    let changed = |key: &_| before.records[key] != after.records[key];
    assert_eq!(
        before.records.keys().filter(|key| changed(key)).count(),
        1,
        "one mail was tried, and no other record was written"
    );

    // SES accepts nothing for an hour, then everything.
    let pause_end = world.clock.now() + TimeDelta::hours(1);
    world.mailer.answer_next(vec![SendOutcome::Paused; 59]);
    while world.clock.now() < pause_end {
        world.clock.advance(PAUSE);
        world.sweep().await;
        world.deliver().await;
    }
    let probes = world.mailer.mails().len();
    assert!((2..=60).contains(&probes), "{probes} probes in an hour");
    world.mailer.clear_script();
    for _ in 0..17 {
        world.clock.advance(PAUSE);
        world.sweep().await;
        world.deliver().await;
    }
    let states: Vec<_> =
        world.store.contents().records.into_values().map(|it| it.invitation.unwrap().state.facet()).collect();
    assert_eq!(states, [InvitationFacet::Sent; 20]);
    assert_eq!(world.mailer.mails().len(), probes + 20);
}

#[tokio::test]
async fn a_mail_that_ses_defers_for_days_has_failed() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    let mut rounds = 0;
    while world.state() == InvitationState::Queued {
        world.mailer.answer_next([SendOutcome::Throttled]);
        world.deliver().await;
        world.clock.advance(TimeDelta::minutes(17));
        world.sweep().await;
        rounds += 1;
        assert!(rounds < 1_000, "no mail stays queued indefinitely");
    }
    assert_eq!(world.status("p-1").await.sentence, "The invitation could not be sent: reinvite the patient.");
    assert_eq!(world.status("p-1").await.activated_on, DateField::Pending);
}

#[tokio::test]
async fn a_mail_that_was_deferred_for_too_long_still_reports_a_pause() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    world.clock.advance(LONGEST_DEFERRAL);
    world.mailer.answer_next([SendOutcome::Paused]);
    assert_eq!(world.deliver().await, [DeliveryOutcome::Paused]);
    assert_eq!(world.status("p-1").await.invitation.reason, Some(InvitationReason::Failed(FailReason::Exhausted)));
    assert!(world.breaker.pass(world.clock.now()).is_none());
}

#[tokio::test]
async fn the_sweep_reports_how_long_the_oldest_invitation_waits() {
    let world = World::with_patients(&[("north", "p-1", Some(ADDRESS)), ("north", "p-2", Some("b@example.com"))]).await;
    world.invite("north", "p-1").await.unwrap();
    world.clock.advance(TimeDelta::minutes(5));
    world.invite("north", "p-2").await.unwrap();
    world.clock.advance(TimeDelta::minutes(2));
    let report = world.sweep().await;
    assert_eq!((report.queued, report.oldest_unsent), (2, TimeDelta::minutes(7)));
    world.deliver().await;
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.sweep().await.oldest_unsent, TimeDelta::zero());
}

#[tokio::test]
async fn an_invitation_whose_mail_was_refused_has_failed() {
    let world = World::with_one().await;
    world.mailer.answer_next([SendOutcome::Refused]);
    world.invite("north", "p-1").await.unwrap();
    assert_eq!(world.deliver().await, [DeliveryOutcome::Refused]);
    let panel = world.status("p-1").await;
    assert_eq!(
        (panel.invitation.state, panel.invitation.reason),
        (InvitationStatus::Failed, Some(InvitationReason::Failed(FailReason::Refused)))
    );
}

#[tokio::test]
async fn a_mail_without_an_answer_is_not_sent_again_before_lease_and_grace_end() {
    let world = World::with_one().await;
    world.mailer.answer_next([SendOutcome::Unknown]);
    world.invite("north", "p-1").await.unwrap();
    let message = world.message();
    assert_eq!(world.deliver().await, [DeliveryOutcome::Unknown]);

    let (ports, mail_service) = (world.ports(), world.mail_service(&world.mailer));
    world.clock.advance(TimeDelta::seconds(719));
    assert_eq!(
        deliver(&ports, &mail_service, &world.entropy, &message, &world.request).await.unwrap(),
        DeliveryOutcome::NotClaimed(Unclaimable::Held)
    );
    assert_eq!(world.sweep().await.queued, 0);
    world.clock.advance(TimeDelta::seconds(1));
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
    let record = world.record();
    for mail in world.mailer.mails() {
        assert!(record.usable_link(&mail.token, world.clock.now()).is_ok(), "the link of every copy works");
    }
}

#[tokio::test]
async fn an_invitation_fails_after_five_tries_without_an_answer() {
    let world = World::with_one().await;
    world.mailer.answer_next(vec![SendOutcome::Unknown; 9]);
    world.invite("north", "p-1").await.unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        outcomes.extend(world.deliver().await);
        world.clock.advance(TimeDelta::minutes(12));
        world.sweep().await;
    }
    assert_eq!(outcomes[..5], [DeliveryOutcome::Unknown; 5]);
    assert_eq!(outcomes[5], DeliveryOutcome::Failed);
    assert_eq!(world.mailer.mails().len(), 5);
    assert_eq!(world.status("p-1").await.invitation.reason, Some(InvitationReason::Failed(FailReason::Exhausted)));
}

#[tokio::test]
async fn a_mail_is_sent_again_after_a_sender_died_before_the_stamp() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    // All tries to commit the stamp fail.
    world.store.fail_next([None, None].into_iter().chain([Some(Fault::Unavailable); 8]));
    assert!(world.deliver_with(&world.mailer).await[0].is_err());
    assert_eq!(world.status("p-1").await.activated_on, DateField::Pending);

    world.clock.advance(TimeDelta::minutes(12));
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
    assert!(matches!(world.status("p-1").await.activated_on, DateField::On { .. }));
    assert_eq!(world.mailer.mails().len(), 2, "one more mail for each lost answer");
}

#[tokio::test]
async fn a_transient_fault_of_the_store_causes_no_second_mail() {
    for fault in [Fault::Busy, Fault::Unavailable, Fault::LostReply] {
        let world = World::with_one().await;
        world.invite("north", "p-1").await.unwrap();
        world.store.fail_next([None, None, Some(fault), Some(fault)]);
        assert_eq!(world.deliver().await, [DeliveryOutcome::Sent], "{fault:?}");
        let events = world.store.timeline(&samples::key("north", "p-1"));
        assert_eq!(
            events.iter().filter(|event| event.kind.name() == EventName::InvitationSent).count(),
            1,
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_command_decided_during_a_claim_cannot_restore_the_claim() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    let message = world.message();
    let claim = samples::claim_request(&message.invitation, world.clock.now(), 1);
    world.store.claim(&message.key, &claim).await.unwrap();
    let sending = world.record();
    let decided = sending.opt_out(samples::staff_context(world.clock.now(), "r")).unwrap();
    let defer = sending.defer(sending.fence, world.clock.now()).unwrap();
    assert!(world.store.defer(&defer).await.unwrap());
    let outcome = world.store.commit(&decided).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Stale);
    assert_eq!(world.record(), defer);
}

#[tokio::test]
async fn an_unreadable_record_does_not_block_other_rows() {
    let patients = [("north", "p-1", Some(ADDRESS)), ("north", "p-2", Some("other@example.com"))];
    let world = World::with_patients(&patients).await;
    for patient in ["p-1", "p-2"] {
        world.invite("north", patient).await.unwrap();
    }
    assert_eq!(world.queue.take().len(), 2);
    let mut quarantined = 0;
    // The fault is injected into each call in turn. Two of these calls process a row.
    for calls_before in 0..18 {
        world.clock.advance(TimeDelta::minutes(16));
        let deadline = world.clock.now() + TimeDelta::minutes(1);
        world.store.fail_next((0..calls_before).map(|_| None).chain([Some(Fault::Corrupt)]));
        let failed = sweep(&world.ports(), &world.queue, &world.entropy, deadline, &world.request).await.is_err();
        let was_moved = |patient| {
            let record = world.store.stored_record(&samples::key("north", patient)).unwrap();
            record.next_action.unwrap().at > world.clock.now()
        };
        if failed && world.queue.take().len() == 1 && was_moved("p-1") && was_moved("p-2") {
            quarantined += 1;
        }
    }
    assert_eq!(quarantined, 2, "a run with an unreadable record still queued the other one");
}

#[tokio::test]
async fn a_patient_who_opts_out_before_a_mail_is_answered_is_not_mailed_again() {
    let world = World::with_one().await;
    world.mailer.answer_next([SendOutcome::Unknown]);
    world.invite("north", "p-1").await.unwrap();
    world.deliver().await;
    let opt_out = world.record().opt_out(samples::staff_context(world.clock.now(), "r")).unwrap();
    world.store.commit(&opt_out).await.unwrap();
    assert_eq!(world.record().may_opt_in(), Err(OptInRefusal::SendInProgress));

    world.clock.advance(TimeDelta::minutes(12));
    assert_eq!(world.sweep().await.queued, 1);
    world.deliver().await;
    assert_eq!(world.mailer.mails().len(), 1);
    assert_eq!(world.status("p-1").await.invitation.reason, Some(InvitationReason::Revoked(RevokeReason::OptedOut)));
    assert_eq!(world.record().next_action, None);
}

/// A mail service during whose calls staff save the profile.
struct BusyStaff<'a>(&'a World);

impl Mailer for BusyStaff<'_> {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        self.0.save("north", "p-1", Some("new@example.com")).await;
        self.0.mailer.send(mail).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        self.0.mailer.notify(mail).await
    }
}

#[tokio::test]
async fn a_change_while_the_mail_is_sent_does_not_prevent_the_stamp() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    let outcomes = world.deliver_with(&BusyStaff(&world)).await;
    assert!(matches!(outcomes[..], [Ok(DeliveryOutcome::Sent)]), "{outcomes:?}");
    let record = world.record();
    assert!(matches!(record.invitation.unwrap().state, InvitationState::Sent { .. }));
    assert_eq!(record.profile.email, Some(samples::email("new@example.com")));
}

#[tokio::test]
async fn three_reminders_are_sent_in_daytime_and_none_after_a_bounce() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    world.deliver().await;
    let mut reminded_at = Vec::new();
    for _ in 0..24 * 60 {
        world.clock.advance(TimeDelta::hours(1));
        if world.sweep().await.reminded > 0 {
            reminded_at.push(world.clock.now().to_rfc3339());
        }
        world.deliver().await;
    }
    // The first mail was sent on Tuesday at eight in the morning in New York. Each wait counts from the last mail.
    assert_eq!(reminded_at, ["2026-05-08T13:00:00+00:00", "2026-05-15T13:00:00+00:00", "2026-05-29T13:00:00+00:00"]);
    assert_eq!(world.mailer.mails().len(), 4);
    assert!(matches!(world.status("p-1").await.last_reinvited_on, DateField::On { .. }));

    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    world.deliver().await;
    let record = world.record();
    let context = samples::context_as(Role::MailService, world.clock.now(), "r");
    let bounced =
        record.record_delivery(&record.invitation.as_ref().unwrap().id, MailDelivery::Bounced, context).unwrap();
    world.store.commit(&bounced).await.unwrap();
    assert_eq!(world.record().next_action, None);
}

#[tokio::test]
async fn a_refused_reminder_is_rescheduled() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    world.deliver().await;
    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    let mut profile = samples::profile(Some(ADDRESS));
    profile.date_of_birth = None;
    save_profile(&world.ports(), &world.command(&scope, &patient), &profile).await.unwrap();
    world.clock.set(world.record().next_action.unwrap().at);
    assert_eq!(world.sweep().await, SweepReport { rescheduled: 1, ..SweepReport::default() });
    assert_eq!(world.sweep().await, SweepReport::default());
    assert_eq!(world.record().next_action.unwrap().kind, NextActionKind::Remind);
}

#[tokio::test]
async fn an_inactive_patient_is_neither_invited_nor_reminded_until_active_again() {
    let world = World::with_one().await;
    let saved = |active| Profile { active, ..samples::profile(Some(ADDRESS)) };
    world.save_as("north", "p-1", &saved(false)).await;
    assert_eq!(refusal(world.invite("north", "p-1").await), Refused::rule(RefusalCode::PatientInactive));
    world.save_as("north", "p-1", &saved(true)).await;
    world.invite("north", "p-1").await.unwrap();
    world.deliver().await;

    world.save_as("north", "p-1", &saved(false)).await;
    let before = world.record();
    for _ in 0..10 * 4 {
        world.clock.advance(TimeDelta::hours(6));
        assert_eq!(world.sweep().await.reminded, 0, "{}", world.clock.now());
    }
    assert!(world.queue.messages().is_empty());
    let after = world.record();
    assert_eq!((&after.choice, &after.account, after.version), (&before.choice, &before.account, before.version));
    assert_eq!(after.claimed_email(), Some(&samples::email(ADDRESS)), "the claim is kept");

    world.save_as("north", "p-1", &saved(true)).await;
    world.clock.advance(TimeDelta::days(1));
    while world.sweep().await.reminded == 0 {
        world.clock.advance(TimeDelta::hours(1));
        assert!(world.clock.now() < after.invitation.as_ref().unwrap().queued_at + TimeDelta::days(15));
    }
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
}

#[test]
fn no_mail_is_claimed_in_a_functions_last_seconds() {
    let now = samples::noon();
    assert!(time_to_claim(now, now + TimeDelta::seconds(10)));
    assert!(!time_to_claim(now, now + TimeDelta::seconds(9)));
}
