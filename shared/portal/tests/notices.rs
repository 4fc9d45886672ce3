//! Customer Care changes the address of an account, and both addresses get a notice, with the in-memory store.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use chrono::TimeDelta;
use portal::{
    operations::{
        Command, Enqueued, OperationError,
        breaker::PAUSE,
        change_email::change_email,
        choice::{opt_in, opt_out},
        deliver::DeliveryOutcome,
        notify::{NoticeCounts, notify},
        sweep::SweepReport,
        track_login::track_login,
    },
    policy::{HINT_WAIT, LONGEST_DEFERRAL, MAX_NOTICES, SEND_LEASE, SWEEP_CLOCK_SKEW},
    ports::{
        ChangeStore as _, Clock as _, CommitOutcome, DeliveryStore as _, DueEntry, Hint, InvitationMail, Mailer,
        NoticeMail, Queue as _, SendOutcome, StoreError,
    },
    record::{NextAction, NextActionKind},
    refusal::{ChangeEmailRefusal, RefusalCode},
    states::{
        FailReason,
        NoticeKind::{self, AddressAdded, AddressRemoved},
    },
    testing::{Fault, Refused, refusal, samples},
    timeline::{EventKind, EventName, Role},
};
use world::{ADDRESS, World};

const NEW: &str = "nunez.family@example.com";
const OTHER: &str = "jose.nunez@example.org";
/// The wait of a first claim.
const CLAIM: TimeDelta = TimeDelta::minutes(10);

/// The counts of two notices that SES accepted.
const BOTH: NoticeCounts = outcome(2, 0, 0);

/// The counts of notices without a pause.
const fn outcome(sent: u32, failed: u32, waiting: u32) -> NoticeCounts {
    NoticeCounts { sent, failed, waiting, paused: 0, skipped: false }
}

impl World {
    /// With patient `p-1` of the practice `north`, who has an account.
    async fn with_account() -> Self {
        let world = Self::with_patients(&[]).await;
        world.store.open_account(&samples::key("north", "p-1"), ADDRESS);
        world
    }

    /// Customer Care changes the address of the account.
    async fn change_email(&self, new: &str) -> Result<Enqueued, OperationError<ChangeEmailRefusal>> {
        self.change_email_if(new, None).await
    }

    async fn change_email_if(
        &self,
        new: &str,
        if_match: Option<u64>,
    ) -> Result<Enqueued, OperationError<ChangeEmailRefusal>> {
        let (scope, patient) = (samples::support_scope("north"), samples::patient_id("p-1"));
        let command = Command { if_match, ..self.command(&scope, &patient) };
        change_email(&self.ports(), &self.queue, &command, &samples::email(new)).await
    }

    async fn notify_with(&self, mailer: &impl Mailer, secs_left: i64) -> Vec<Result<NoticeCounts, StoreError>> {
        let (ports, mail_service) = (self.ports(), self.mail_service(mailer));
        let deadline = self.clock.now() + TimeDelta::seconds(secs_left);
        let mut outcomes = Vec::new();
        for hint in self.queue.take() {
            let Hint::Notices(key) = hint else { panic!("not a hint for notices: {hint:?}") };
            outcomes.push(notify(&ports, &mail_service, &key, deadline, &self.request).await);
        }
        outcomes
    }

    /// Processes all messages in the queue.
    async fn notify(&self) -> Vec<NoticeCounts> {
        self.notify_with(&self.mailer, 30).await.into_iter().map(Result::unwrap).collect()
    }

    /// The kinds and recipients of the notices so far.
    fn sent_notices(&self) -> Vec<(NoticeKind, String)> {
        let notices = self.mailer.notices().into_iter();
        notices.map(|notice| (notice.kind, notice.to.canonical().to_owned())).collect()
    }

    fn events(&self) -> Vec<EventKind> {
        let events = self.store.timeline(&samples::key("north", "p-1")).into_iter();
        events
            .map(|event| event.kind)
            .filter(|kind| matches!(kind.name(), EventName::NoticeSent | EventName::NoticeFailed))
            .collect()
    }

    /// Asserts that the record has no notices and no next action, and that a sweep finds nothing.
    async fn assert_idle(&self) {
        assert_eq!((self.record().notices, self.record().next_action), (vec![], None));
        self.clock.advance(LONGEST_DEFERRAL * 2);
        assert_eq!(self.sweep().await, SweepReport::default());
    }
}

fn notice(kind: NoticeKind, address: &str) -> (NoticeKind, String) {
    (kind, address.to_owned())
}

#[tokio::test]
async fn an_email_change_sets_the_new_address_and_notifies_both() {
    let world = World::with_account().await;
    let changed = world.change_email(NEW).await.unwrap();
    assert!(changed.unqueued.is_none());
    assert_eq!(changed.panel.account.email, Some(samples::email(NEW)));
    assert_eq!(changed.panel, {
        let mut panel = world.status("p-1").await;
        // The same panel, for a viewer who may change the address.
        panel.actions.change_email = Ok(());
        panel
    });
    assert_eq!(world.record().next_action, Some(NextAction { kind: NextActionKind::Notify, at: world.clock.now() }));

    assert_eq!(world.notify().await, [BOTH]);
    assert_eq!(world.sent_notices(), [notice(AddressRemoved, ADDRESS), notice(AddressAdded, NEW)]);
    for notice in world.mailer.notices() {
        assert_eq!((notice.happened_at, notice.practice.id.as_str()), (samples::noon(), "north"));
    }
    let sent = |notice, number| EventKind::NoticeSent { notice, message: samples::message_id(number) };
    assert_eq!(world.events(), [sent(AddressRemoved, 1), sent(AddressAdded, 2)]);
    let versions: Vec<_> = world.store.timeline(&samples::key("north", "p-1")).iter().map(|it| it.version).collect();
    assert_eq!(
        versions,
        (1..=world.record().version).collect::<Vec<_>>(),
        "a claim is no change, and each notice is one change"
    );
    world.assert_idle().await;
}

#[tokio::test]
async fn an_email_change_moves_the_claim() {
    let world = World::with_account().await;
    world.save("south", "p-2", None).await;
    world.save("north", "p-1", None).await;
    let old = samples::email(ADDRESS);
    assert_eq!(refusal(world.invite_to("south", "p-2", Some(&old)).await), Refused::email_in_use(None));
    world.change_email(NEW).await.unwrap();
    assert_eq!(world.store.email_entry(&samples::email(NEW)).owner, Some(samples::key("north", "p-1")));
    world.invite_to("south", "p-2", Some(&old)).await.unwrap();

    let login = async |address| {
        track_login(&world.ports(), &samples::email(address), samples::login("event-1", world.clock.now())).await
    };
    login(NEW).await.unwrap();
    assert_eq!(refusal(login(ADDRESS).await), Refused::rule(RefusalCode::NotRegistered));
}

#[tokio::test]
async fn the_same_address_is_no_change_and_sends_no_notice() {
    let world = World::with_account().await;
    let before = world.store.contents();
    let changed = world.change_email("JOSE@Example.COM").await.unwrap();
    assert_eq!(changed.panel.account.email.unwrap().typed(), ADDRESS);
    assert_eq!((world.store.contents(), world.queue.messages()), (before, vec![]));

    world.change_email(NEW).await.unwrap();
    let (before, version) = (world.store.contents(), world.record().version);
    world.change_email(NEW).await.unwrap();
    world.change_email_if(NEW, Some(version)).await.unwrap();
    assert_eq!(refusal(world.change_email_if(NEW, Some(version - 1)).await), Refused::VERSION_CONFLICT);
    assert_eq!((world.store.contents(), world.queue.messages().len()), (before, 1));
}

#[tokio::test]
async fn a_refused_email_change_changes_nothing() {
    let world = World::with_account().await;
    world.save("north", "p-2", Some(OTHER)).await;
    world.save("south", "p-3", None).await;
    let theirs = samples::email("theirs@example.com");
    world.invite_to("south", "p-3", Some(&theirs)).await.unwrap();
    assert_eq!(world.deliver().await, [DeliveryOutcome::Sent]);
    let before = world.store.contents();
    let holder = Some(samples::patient_id("p-2"));
    assert_eq!(refusal(world.change_email(OTHER).await), Refused::email_in_use(holder));
    assert_eq!(refusal(world.change_email("theirs@example.com").await), Refused::email_in_use(None));
    assert_eq!(refusal(world.change_email_if(NEW, Some(1)).await), Refused::VERSION_CONFLICT);

    let by = async |scope, patient: &str| {
        let patient = samples::patient_id(patient);
        let command = world.command(&scope, &patient);
        refusal(change_email(&world.ports(), &world.queue, &command, &samples::email(NEW)).await)
    };
    assert_eq!(by(samples::support_scope("north"), "p-2").await, Refused::rule(RefusalCode::NotRegistered));
    assert_eq!(by(samples::support_scope("north"), "p-9").await, Refused::rule(RefusalCode::PatientNotFound));
    assert_eq!(by(samples::support_scope("south"), "p-1").await, Refused::rule(RefusalCode::PatientNotFound));
    assert_eq!(by(samples::scope("north"), "p-1").await, Refused::rule(RefusalCode::SupportOnly));
    assert_eq!((world.store.contents(), world.queue.messages()), (before, vec![]));
}

#[tokio::test]
async fn staff_cannot_find_out_whether_an_address_is_the_accounts() {
    let world = World::with_account().await;
    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    let command = world.command(&scope, &patient);
    let same = change_email(&world.ports(), &world.queue, &command, &samples::email(ADDRESS)).await;
    assert_eq!(refusal(same), Refused::rule(RefusalCode::SupportOnly));
}

#[tokio::test]
async fn two_concurrent_changes_to_one_address_are_one_change() {
    let world = World::with_account().await;
    let decided = world.record();
    // Another request for the same change was committed after this one read the record.
    let context = samples::context_as(Role::Support, world.clock.now(), "request-2");
    let rival = decided.change_account_email(&samples::email(NEW), context).unwrap().unwrap();
    assert_eq!(world.store.commit(&rival).await.unwrap(), CommitOutcome::Committed);
    let before = world.store.contents();
    let context = samples::context_as(Role::Support, world.clock.now(), "request-1");
    let late = decided.change_account_email(&samples::email(NEW), context).unwrap().unwrap();
    assert_eq!(world.store.commit(&late).await.unwrap(), CommitOutcome::Stale);
    world.change_email(NEW).await.unwrap();
    assert_eq!(world.store.contents(), before);
}

#[tokio::test]
async fn an_opted_out_patient_is_notified_too() {
    let world = World::with_account().await;
    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    let command = world.command(&scope, &patient);
    opt_out(&world.ports(), &command).await.unwrap();
    world.change_email(NEW).await.unwrap();
    assert_eq!(world.notify().await, [BOTH]);
    world.assert_idle().await;
}

#[tokio::test]
async fn other_changes_of_the_record_keep_the_notices() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    let waiting = (world.record().notices, world.record().next_action);
    let keeps = |what: &str| assert_eq!((world.record().notices, world.record().next_action), waiting, "{what}");

    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    // Another request id than that of the email change.
    let request = samples::request_id("request-9");
    let command = Command { request: &request, ..world.command(&scope, &patient) };
    opt_out(&world.ports(), &command).await.unwrap();
    keeps("opting out");
    opt_in(&world.ports(), &command).await.unwrap();
    keeps("opting in");
    world.save("north", "p-1", Some(OTHER)).await;
    keeps("saving a profile");
    track_login(
        &world.ports(),
        &samples::email(NEW),
        samples::login("event-1", world.clock.now() + TimeDelta::minutes(1)),
    )
    .await
    .unwrap();
    keeps("a login");
    let stop = world.record().stop_reminders(samples::context_as(Role::Patient, world.clock.now(), "r")).unwrap();
    world.store.commit(&stop).await.unwrap();
    keeps("stopping reminders");
    assert_eq!(world.notify().await, [BOTH]);
}

#[tokio::test]
async fn a_late_stamp_of_the_invitation_keeps_the_notices() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    let Some(Hint::Invitation(message)) = world.queue.take().pop() else { panic!("not a hint for an invitation") };
    let claim = samples::claim_request(&message.invitation, world.clock.now(), 1);
    world.store.claim(&message.key, &claim).await.unwrap();
    let context = |role| samples::context_as(role, world.clock.now(), "r");
    let registered = world.record().register(
        samples::date_of_birth(),
        samples::account_id("account-1"),
        None,
        context(Role::Patient),
    );
    let portal::record::account::Registration::Registered(change) = registered else { panic!("{registered:?}") };
    world.store.commit(&change).await.unwrap();
    world.change_email(NEW).await.unwrap();

    let (record, practice) = (world.record(), samples::practice("north"));
    let stamp =
        record.stamp(&practice, &message.invitation, record.fence, samples::message_id(9), context(Role::Sender));
    world.store.commit(&stamp.unwrap()).await.unwrap();
    assert_eq!(world.record().next_action, record.next_action);
    assert_eq!(world.notify().await, [BOTH]);
}

#[tokio::test]
async fn a_lost_hint_is_sent_again_by_the_sweep() {
    let world = World::with_account().await;
    world.queue.fail_next(1);
    let changed = world.change_email(NEW).await.unwrap();
    assert!(changed.unqueued.is_some());
    assert_eq!(world.sweep().await, SweepReport { queued: 1, ..SweepReport::default() }, "the notices are due at once");
    assert_eq!(world.queue.messages(), [Hint::Notices(samples::key("north", "p-1"))]);
    assert_eq!(world.sweep().await, SweepReport::default(), "a second sweep sends no hint");
    assert_eq!(world.notify().await, [BOTH], "notices with a hint can be claimed");
    world.assert_idle().await;
}

#[tokio::test]
async fn a_hint_received_a_hundred_times_sends_each_notice_once() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    let hint = world.queue.take();
    let copies: Vec<Hint> = std::iter::repeat_n(hint, 100).flatten().collect();
    portal::ports::Queue::send(&world.queue, &copies).await.unwrap();
    let outcomes = world.notify().await;
    assert_eq!((outcomes[0], &outcomes[1..]), (BOTH, vec![NoticeCounts::default(); 99].as_slice()));
    assert_eq!(world.mailer.notices().len(), 2);
}

#[tokio::test]
async fn of_two_senders_only_one_claims_the_notices() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    let record = world.record();
    let until = record.notice_claim_end(world.clock.now()).unwrap();
    let entry = DueEntry::from_record(&record).unwrap();
    assert!(world.store.reschedule(&entry, until).await.unwrap());
    assert!(!world.store.reschedule(&entry, until).await.unwrap());
    assert_eq!(world.notify().await, [NoticeCounts::default()], "another sender has claimed them");
    // The claim ends when the notices can be claimed again, which is later than any sender runs.
    assert!(until - HINT_WAIT - SWEEP_CLOCK_SKEW - world.clock.now() > SEND_LEASE);
    world.clock.set(until);
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.notify().await, [BOTH], "the first sender recorded no outcome");
}

#[tokio::test]
async fn a_notice_that_ses_does_not_accept_now_is_sent_later() {
    for answer in [SendOutcome::Throttled, SendOutcome::Unknown] {
        let world = World::with_account().await;
        world.change_email(NEW).await.unwrap();
        world.mailer.answer_next([answer.clone()]);
        assert_eq!(world.notify().await, [outcome(1, 0, 1)], "{answer:?}");
        let record = world.record();
        assert_eq!(record.notices.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [AddressRemoved]);
        assert_eq!(record.next_action.unwrap().at, world.clock.now() + CLAIM);
        world.clock.advance(CLAIM - TimeDelta::milliseconds(1));
        assert_eq!(world.sweep().await, SweepReport::default());
        world.clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(world.sweep().await.queued, 1);
        assert_eq!(world.notify().await, [outcome(1, 0, 0)]);
        assert_eq!(
            world.sent_notices(),
            [notice(AddressRemoved, ADDRESS), notice(AddressAdded, NEW), notice(AddressRemoved, ADDRESS)]
        );
        world.assert_idle().await;
    }
}

#[tokio::test]
async fn while_sending_is_paused_notices_are_neither_tried_nor_claimed() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    world.mailer.answer_next([SendOutcome::Paused]);
    assert_eq!(world.notify().await, [NoticeCounts { paused: 1, ..outcome(0, 0, 2) }], "the second one is not tried");
    assert_eq!(world.mailer.notices().len(), 1);

    let hint = Hint::Notices(samples::key("north", "p-1"));
    let before = world.store.contents();
    world.queue.send(std::slice::from_ref(&hint)).await.unwrap();
    assert_eq!(world.notify().await, [NoticeCounts { skipped: true, ..NoticeCounts::default() }]);
    assert_eq!(world.store.contents(), before);

    // An invitation's probe is one for notices too.
    world.clock.advance(PAUSE);
    let probe = world.breaker.pass(world.clock.now());
    world.queue.send(std::slice::from_ref(&hint)).await.unwrap();
    assert_eq!(world.notify().await, [NoticeCounts { skipped: true, ..NoticeCounts::default() }]);
    drop(probe);

    world.clock.advance(CLAIM);
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.notify().await, [BOTH]);
    world.assert_idle().await;
}

#[tokio::test]
async fn a_refused_notice_has_failed_with_an_event() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    world.mailer.answer_next([SendOutcome::Refused]);
    assert_eq!(world.notify().await, [outcome(1, 1, 0)]);
    let failed = EventKind::NoticeFailed { notice: AddressRemoved, reason: FailReason::Refused };
    assert_eq!(world.events()[0], failed);
    world.assert_idle().await;
}

#[tokio::test]
async fn a_notice_that_ses_never_accepts_fails_after_days_and_at_most_a_dozen_tries() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    world.mailer.answer_next(vec![SendOutcome::Unknown; 1_000]);
    let start = world.clock.now();
    while !world.record().notices.is_empty() {
        world.notify().await;
        world.clock.advance(TimeDelta::minutes(1));
        world.sweep().await;
        assert!(world.clock.now() - start < LONGEST_DEFERRAL * 2, "no notice waits indefinitely");
    }
    let tries = world.mailer.notices().len();
    assert!((14..=24).contains(&tries), "{tries} mails in all");
    let failed = |notice| EventKind::NoticeFailed { notice, reason: FailReason::Exhausted };
    assert_eq!(world.events(), [failed(AddressRemoved), failed(AddressAdded)]);
    world.assert_idle().await;
}

#[tokio::test]
async fn an_overdue_notice_is_tried_before_it_fails() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    // No sender runs for days.
    assert_eq!(world.queue.take().len(), 1);
    world.clock.advance(LONGEST_DEFERRAL);
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.notify().await, [BOTH]);
    world.assert_idle().await;
}

#[tokio::test]
async fn a_sender_whose_clock_is_behind_the_sweeps_can_claim_the_notices() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    assert_eq!(world.queue.take().len(), 1);
    world.clock.advance(CLAIM);
    assert_eq!(world.sweep().await.queued, 1);
    world.clock.advance(-SWEEP_CLOCK_SKEW);
    assert_eq!(world.notify().await, [BOTH]);
}

#[tokio::test]
async fn without_a_practice_notices_wait_until_they_fail() {
    let world = World::with_patients(&[]).await;
    world.store.open_account(&samples::key("north", "p-1"), ADDRESS);
    world.change_email(NEW).await.unwrap();
    world.store.remove_practice(&samples::practice_id("north"));
    assert_eq!(world.notify().await, [outcome(0, 0, 2)]);
    world.clock.advance(LONGEST_DEFERRAL);
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.notify().await, [outcome(0, 2, 0)]);
    assert!(world.mailer.notices().is_empty());
    world.assert_idle().await;
}

#[tokio::test]
async fn no_notice_is_tried_in_a_functions_last_seconds() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    let outcomes = world.notify_with(&world.mailer, 9).await;
    assert!(matches!(outcomes[..], [Ok(NoticeCounts { sent: 0, failed: 0, waiting: 2, .. })]), "{outcomes:?}");
    assert!(world.mailer.notices().is_empty());
}

#[tokio::test]
async fn notices_are_sent_again_after_a_sender_died_before_recording_them() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    // Reading the practice, reading the record and the claim succeed. Then the store is unavailable.
    world.store.fail_next([None, None, None].into_iter().chain([Some(Fault::Unavailable); 8]));
    assert!(world.notify_with(&world.mailer, 30).await[0].is_err());
    assert_eq!((world.mailer.notices().len(), world.record().notices.len()), (1, 2));
    world.clock.advance(CLAIM);
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.notify().await, [BOTH]);
    assert_eq!(world.sent_notices().iter().filter(|sent| **sent == notice(AddressRemoved, ADDRESS)).count(), 2);
    world.assert_idle().await;
}

#[tokio::test]
async fn a_transient_fault_of_the_store_causes_no_second_mail() {
    for fault in [Fault::Busy, Fault::Unavailable, Fault::LostReply] {
        let world = World::with_account().await;
        world.change_email(NEW).await.unwrap();
        world.store.fail_next([None, None, None, Some(fault), Some(fault)]);
        assert_eq!(world.notify().await, [BOTH], "{fault:?}");
        assert_eq!((world.mailer.notices().len(), world.events().len()), (2, 2), "{fault:?}");
    }
}

/// A mail service during whose calls staff save the profile.
struct BusyStaff<'a>(&'a World);

impl Mailer for BusyStaff<'_> {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        self.0.mailer.send(mail).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        self.0.save("north", "p-1", Some(mail.to.canonical())).await;
        self.0.mailer.notify(mail).await
    }
}

#[tokio::test]
async fn a_change_while_notices_are_sent_is_kept_and_causes_no_second_mail() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    let outcomes = world.notify_with(&BusyStaff(&world), 30).await;
    assert!(matches!(outcomes[..], [Ok(BOTH)]), "{outcomes:?}");
    assert_eq!(world.record().profile.email, Some(samples::email(NEW)));
    assert_eq!(world.mailer.notices().len(), 2);
    world.assert_idle().await;
}

#[tokio::test]
async fn changes_add_notices_up_to_the_maximum() {
    let world = World::with_account().await;
    for number in 0..MAX_NOTICES / 2 {
        world.change_email(&format!("new-{number}@example.com")).await.unwrap();
        world.clock.advance(TimeDelta::seconds(1));
    }
    let before = world.store.contents();
    assert_eq!(refusal(world.change_email(NEW).await), Refused::too_soon(60));
    let last = format!("new-{}@example.com", MAX_NOTICES / 2 - 1);
    world.change_email(&last).await.unwrap();
    assert_eq!(world.store.contents(), before, "the same address is no change even then");

    let outcomes = world.notify().await;
    let all = u32::try_from(MAX_NOTICES).unwrap();
    assert_eq!(outcomes[0], outcome(all, 0, 0));
    assert!(outcomes[1..].iter().all(|outcome| *outcome == NoticeCounts::default()));
    assert_eq!(
        world.sent_notices()[..3],
        [
            notice(AddressRemoved, ADDRESS),
            notice(AddressAdded, "new-0@example.com"),
            notice(AddressRemoved, "new-0@example.com")
        ]
    );
    world.change_email(NEW).await.unwrap();
}

#[tokio::test]
async fn unsent_notices_do_not_block_other_due_rows() {
    let world = World::with_patients(&[]).await;
    // More than one page of rows in every shard, all due before the last one.
    for number in 0..2_000 {
        let key = samples::key("north", &format!("p-{number}"));
        world.store.open_account(&key, &format!("p{number}@example.com"));
        let record = world.store.stored_record(&key).unwrap();
        let context = samples::context_as(Role::Support, samples::noon(), "change");
        let change =
            record.change_account_email(&samples::email(&format!("new{number}@example.com")), context).unwrap();
        world.store.commit(&change.unwrap()).await.unwrap();
    }
    world.clock.advance(TimeDelta::minutes(1));
    world.save("south", "p-1", Some(ADDRESS)).await;
    world.queue.fail_next(1);
    world.invite("south", "p-1").await.unwrap();
    world.clock.advance(TimeDelta::minutes(2));
    let report = world.sweep().await;
    assert_eq!((report.queued, report.stopped_early), (2_001, false), "each row once, and the run ends in time");
    assert!(world.queue.take().iter().any(|hint| matches!(hint, Hint::Invitation(_))));

    // No sender processes the hints: the sweep sends them again, and still no row is blocked.
    world.clock.advance(HINT_WAIT);
    let report = world.sweep().await;
    assert_eq!((report.queued, report.stopped_early), (2_001, false));
}
