//! Customer Care changes the address of an account, and both addresses are told, with the in-memory store.
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
    policy::{CLOCK_SLACK, HINT_WAIT, LONGEST_DEFERRAL, MOST_NOTICES, SEND_LEASE},
    ports::{
        ChangeStore as _, Clock as _, CommitOutcome, DeliveryStore as _, DueEntry, Hint, InvitationMail, Mailer,
        NoticeMail, Queue as _, SendOutcome, StoreError,
    },
    record::{
        FailReason, NextAction, NextActionKind,
        notices::NoticeKind::{self, AddressAdded, AddressRemoved},
    },
    refusal::ChangeEmailRefusal,
    refusal::RefusalCode,
    testing::{Fault, Refused, refusal, samples},
    timeline::{EventKind, EventName, Role},
};
use world::{ADDRESS, World};

const NEW: &str = "nunez.family@example.com";
const OTHER: &str = "jose.nunez@example.org";
/// Long enough for a claim to be over that was made at once.
const CLAIM: TimeDelta = TimeDelta::minutes(10);

/// Two notices of which SES took both.
const BOTH: NoticeCounts = outcome(2, 0, 0);

/// What became of so many notices, none of which came upon a pause.
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
            let Hint::Notices(key) = hint else { panic!("an invitation waits: {hint:?}") };
            outcomes.push(notify(&ports, &mail_service, &key, deadline, &self.request).await);
        }
        outcomes
    }

    /// Works off the queue.
    async fn notify(&self) -> Vec<NoticeCounts> {
        self.notify_with(&self.mailer, 30).await.into_iter().map(Result::unwrap).collect()
    }

    /// Whom the notices so far went to, and what they told.
    fn told(&self) -> Vec<(NoticeKind, String)> {
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

    /// Nothing waits in the record, and no sweep finds anything in it.
    async fn is_at_rest(&self) {
        assert_eq!((self.record().notices, self.record().next_action), (vec![], None));
        self.clock.advance(LONGEST_DEFERRAL * 2);
        assert_eq!(self.sweep().await, SweepReport::default());
    }
}

fn to(kind: NoticeKind, address: &str) -> (NoticeKind, String) {
    (kind, address.to_owned())
}

#[tokio::test]
async fn the_account_has_the_new_address_and_both_are_told() {
    let world = World::with_account().await;
    let changed = world.change_email(NEW).await.unwrap();
    assert!(changed.unqueued.is_none());
    assert_eq!(changed.panel.account.email, Some(samples::email(NEW)));
    assert_eq!(changed.panel, {
        let mut seen = world.status("p-1").await;
        // The same panel, for who may change an address.
        seen.actions.change_email = Ok(());
        seen
    });
    assert_eq!(world.record().next_action, Some(NextAction { kind: NextActionKind::Notify, at: world.clock.now() }));

    assert_eq!(world.notify().await, [BOTH]);
    assert_eq!(world.told(), [to(AddressRemoved, ADDRESS), to(AddressAdded, NEW)]);
    for notice in world.mailer.notices() {
        assert_eq!((notice.happened_at, notice.practice.id.as_str()), (samples::noon(), "north"));
    }
    let sent = |notice, number| EventKind::NoticeSent { notice, message: samples::message_id(number) };
    assert_eq!(world.events(), [sent(AddressRemoved, 1), sent(AddressAdded, 2)]);
    let versions: Vec<_> = world.store.timeline(&samples::key("north", "p-1")).iter().map(|it| it.version).collect();
    assert_eq!(versions, (1..=world.record().version).collect::<Vec<_>>(), "a claim is no change, each notice is one");
    world.is_at_rest().await;
}

#[tokio::test]
async fn the_claim_goes_from_one_address_to_the_other() {
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
async fn the_address_that_the_account_has_is_no_change_and_nobody_is_told() {
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
async fn what_is_refused_changes_nothing() {
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
async fn staff_are_not_told_whether_an_address_is_the_accounts() {
    let world = World::with_account().await;
    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    let command = world.command(&scope, &patient);
    let same = change_email(&world.ports(), &world.queue, &command, &samples::email(ADDRESS)).await;
    assert_eq!(refusal(same), Refused::rule(RefusalCode::SupportOnly));
}

#[tokio::test]
async fn of_two_changes_to_one_address_one_is_made() {
    let world = World::with_account().await;
    let decided = world.record();
    // Another request for the same was committed between this one's reading and its writing.
    let act = samples::act_of(Role::Support, world.clock.now(), "request-2");
    let rival = decided.change_account_email(&samples::email(NEW), act).unwrap().unwrap();
    assert_eq!(world.store.commit(&rival).await.unwrap(), CommitOutcome::Committed);
    let before = world.store.contents();
    let act = samples::act_of(Role::Support, world.clock.now(), "request-1");
    let late = decided.change_account_email(&samples::email(NEW), act).unwrap().unwrap();
    assert_eq!(world.store.commit(&late).await.unwrap(), CommitOutcome::Stale);
    world.change_email(NEW).await.unwrap();
    assert_eq!(world.store.contents(), before);
}

#[tokio::test]
async fn a_patient_who_opted_out_is_told_all_the_same() {
    let world = World::with_account().await;
    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    let command = world.command(&scope, &patient);
    opt_out(&world.ports(), &command).await.unwrap();
    world.change_email(NEW).await.unwrap();
    assert_eq!(world.notify().await, [BOTH]);
    world.is_at_rest().await;
}

#[tokio::test]
async fn whatever_happens_to_the_record_meanwhile_keeps_the_notices() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    let waiting = (world.record().notices, world.record().next_action);
    let keeps = |what: &str| assert_eq!((world.record().notices, world.record().next_action), waiting, "{what}");

    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    // Other requests than the change's own.
    let request = samples::request_id("request-9");
    let command = Command { request: &request, ..world.command(&scope, &patient) };
    opt_out(&world.ports(), &command).await.unwrap();
    keeps("opting out");
    opt_in(&world.ports(), &command).await.unwrap();
    keeps("opting in");
    world.save("north", "p-1", Some(OTHER)).await;
    keeps("a profile");
    track_login(
        &world.ports(),
        &samples::email(NEW),
        samples::login("event-1", world.clock.now() + TimeDelta::minutes(1)),
    )
    .await
    .unwrap();
    keeps("a login");
    let stop = world.record().stop_reminders(samples::act_of(Role::Patient, world.clock.now(), "r")).unwrap();
    world.store.commit(&stop).await.unwrap();
    keeps("stopping reminders");
    assert_eq!(world.notify().await, [BOTH]);
}

#[tokio::test]
async fn a_late_stamp_of_the_invitation_keeps_the_notices() {
    let world = World::with_one().await;
    world.invite("north", "p-1").await.unwrap();
    let Some(Hint::Invitation(message)) = world.queue.take().pop() else { panic!("no invitation") };
    let claim = samples::claim_request(&message.invitation, world.clock.now(), 1);
    world.store.claim(&message.key, &claim).await.unwrap();
    let act = |role| samples::act_of(role, world.clock.now(), "r");
    let registered =
        world.record().register(samples::date_of_birth(), samples::account_id("account-1"), None, act(Role::Patient));
    let portal::record::account::Registration::Registered(change) = registered else { panic!("{registered:?}") };
    world.store.commit(&change).await.unwrap();
    world.change_email(NEW).await.unwrap();

    let (record, practice) = (world.record(), samples::practice("north"));
    let stamp = record.stamp(&practice, &message.invitation, record.fence, samples::message_id(9), act(Role::Sender));
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
    assert_eq!(world.sweep().await, SweepReport { queued: 1, ..SweepReport::default() }, "due at once");
    assert_eq!(world.queue.messages(), [Hint::Notices(samples::key("north", "p-1"))]);
    assert_eq!(world.sweep().await, SweepReport::default(), "a second sweep hints at nothing more");
    assert_eq!(world.notify().await, [BOTH], "and what was hinted at can be claimed");
    world.is_at_rest().await;
}

#[tokio::test]
async fn one_hint_a_hundred_times_is_two_mails() {
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
async fn of_two_senders_that_see_one_entry_one_has_it() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    let record = world.record();
    let until = record.notices_claimable(world.clock.now()).unwrap();
    let entry = DueEntry::from_record(&record).unwrap();
    assert!(world.store.reschedule(&entry, until).await.unwrap());
    assert!(!world.store.reschedule(&entry, until).await.unwrap());
    assert_eq!(world.notify().await, [NoticeCounts::default()], "another sender has them");
    // Its hold ends when the entry can be claimed again, which is well after the sender's life.
    assert!(until - HINT_WAIT - CLOCK_SLACK - world.clock.now() > SEND_LEASE);
    world.clock.set(until);
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.notify().await, [BOTH], "and it never answered");
}

#[tokio::test]
async fn what_ses_does_not_take_now_waits_and_is_sent_later() {
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
        assert_eq!(world.told(), [to(AddressRemoved, ADDRESS), to(AddressAdded, NEW), to(AddressRemoved, ADDRESS)]);
        world.is_at_rest().await;
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
    world.is_at_rest().await;
}

#[tokio::test]
async fn what_ses_refuses_has_failed_and_says_so() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    world.mailer.answer_next([SendOutcome::Refused]);
    assert_eq!(world.notify().await, [outcome(1, 1, 0)]);
    let failed = EventKind::NoticeFailed { notice: AddressRemoved, reason: FailReason::Refused };
    assert_eq!(world.events()[0], failed);
    world.is_at_rest().await;
}

#[tokio::test]
async fn what_ses_never_takes_is_given_up_after_days_and_a_dozen_tries_at_most() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    world.mailer.answer_next(vec![SendOutcome::Unknown; 1_000]);
    let begun = world.clock.now();
    while !world.record().notices.is_empty() {
        world.notify().await;
        world.clock.advance(TimeDelta::minutes(1));
        world.sweep().await;
        assert!(world.clock.now() - begun < LONGEST_DEFERRAL * 2, "nothing waits for ever");
    }
    let tries = world.mailer.notices().len();
    assert!((14..=24).contains(&tries), "{tries} mails in all");
    let failed = |notice| EventKind::NoticeFailed { notice, reason: FailReason::Exhausted };
    assert_eq!(world.events(), [failed(AddressRemoved), failed(AddressAdded)]);
    world.is_at_rest().await;
}

#[tokio::test]
async fn what_is_overdue_is_tried_before_it_is_given_up() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    // Nobody works the queue for days.
    assert_eq!(world.queue.take().len(), 1);
    world.clock.advance(LONGEST_DEFERRAL);
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.notify().await, [BOTH]);
    world.is_at_rest().await;
}

#[tokio::test]
async fn a_sender_whose_clock_is_behind_the_sweeps_finds_the_notices() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    assert_eq!(world.queue.take().len(), 1);
    world.clock.advance(CLAIM);
    assert_eq!(world.sweep().await.queued, 1);
    world.clock.advance(-CLOCK_SLACK);
    assert_eq!(world.notify().await, [BOTH]);
}

#[tokio::test]
async fn without_a_practice_notices_wait_until_they_are_given_up() {
    let world = World::with_patients(&[]).await;
    world.store.open_account(&samples::key("north", "p-1"), ADDRESS);
    world.change_email(NEW).await.unwrap();
    world.store.forget_practice(&samples::practice_id("north"));
    assert_eq!(world.notify().await, [outcome(0, 0, 2)]);
    world.clock.advance(LONGEST_DEFERRAL);
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.notify().await, [outcome(0, 2, 0)]);
    assert!(world.mailer.notices().is_empty());
    world.is_at_rest().await;
}

#[tokio::test]
async fn no_notice_is_begun_in_a_functions_last_seconds() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    let outcomes = world.notify_with(&world.mailer, 9).await;
    assert!(matches!(outcomes[..], [Ok(NoticeCounts { sent: 0, failed: 0, waiting: 2, .. })]), "{outcomes:?}");
    assert!(world.mailer.notices().is_empty());
}

#[tokio::test]
async fn a_sender_that_dies_before_it_has_written_it_down_mails_again_and_forgets_nothing() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    // The practice, the record and its claim; then nothing is reached any more.
    world.store.fail_next([None, None, None].into_iter().chain([Some(Fault::Unavailable); 8]));
    assert!(world.notify_with(&world.mailer, 30).await[0].is_err());
    assert_eq!((world.mailer.notices().len(), world.record().notices.len()), (1, 2));
    world.clock.advance(CLAIM);
    assert_eq!(world.sweep().await.queued, 1);
    assert_eq!(world.notify().await, [BOTH]);
    assert_eq!(world.told().iter().filter(|told| **told == to(AddressRemoved, ADDRESS)).count(), 2);
    world.is_at_rest().await;
}

#[tokio::test]
async fn a_store_that_fails_for_a_moment_costs_no_second_mail() {
    for fault in [Fault::Busy, Fault::Unavailable, Fault::LostReply] {
        let world = World::with_account().await;
        world.change_email(NEW).await.unwrap();
        world.store.fail_next([None, None, None, Some(fault), Some(fault)]);
        assert_eq!(world.notify().await, [BOTH], "{fault:?}");
        assert_eq!((world.mailer.notices().len(), world.events().len()), (2, 2), "{fault:?}");
    }
}

/// Saves the profile while each notice is on its way, as staff may at any moment.
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
async fn a_change_made_while_notices_were_out_survives_and_costs_no_second_mail() {
    let world = World::with_account().await;
    world.change_email(NEW).await.unwrap();
    let outcomes = world.notify_with(&BusyStaff(&world), 30).await;
    assert!(matches!(outcomes[..], [Ok(BOTH)]), "{outcomes:?}");
    assert_eq!(world.record().profile.email, Some(samples::email(NEW)));
    assert_eq!(world.mailer.notices().len(), 2);
    world.is_at_rest().await;
}

#[tokio::test]
async fn a_second_change_before_the_first_is_told_adds_to_it_and_there_is_an_end_to_that() {
    let world = World::with_account().await;
    for number in 0..MOST_NOTICES / 2 {
        world.change_email(&format!("new-{number}@example.com")).await.unwrap();
        world.clock.advance(TimeDelta::seconds(1));
    }
    let before = world.store.contents();
    assert_eq!(refusal(world.change_email(NEW).await), Refused::too_soon(60));
    let last = format!("new-{}@example.com", MOST_NOTICES / 2 - 1);
    world.change_email(&last).await.unwrap();
    assert_eq!(world.store.contents(), before, "the address that it has is no change even then");

    let outcomes = world.notify().await;
    let all = u32::try_from(MOST_NOTICES).unwrap();
    assert_eq!(outcomes[0], outcome(all, 0, 0));
    assert!(outcomes[1..].iter().all(|outcome| *outcome == NoticeCounts::default()));
    assert_eq!(
        world.told()[..3],
        [to(AddressRemoved, ADDRESS), to(AddressAdded, "new-0@example.com"), to(AddressRemoved, "new-0@example.com")]
    );
    world.change_email(NEW).await.unwrap();
}

#[tokio::test]
async fn notices_that_nobody_takes_hold_nothing_else_up() {
    let world = World::with_patients(&[]).await;
    // More than one page of a shard, in every shard, all due before the one that is to be seen.
    for number in 0..2_000 {
        let key = samples::key("north", &format!("p-{number}"));
        world.store.open_account(&key, &format!("p{number}@example.com"));
        let record = world.store.peek(&key).unwrap();
        let act = samples::act_of(Role::Support, samples::noon(), "change");
        let change = record.change_account_email(&samples::email(&format!("new{number}@example.com")), act).unwrap();
        world.store.commit(&change.unwrap()).await.unwrap();
    }
    world.clock.advance(TimeDelta::minutes(1));
    world.save("south", "p-1", Some(ADDRESS)).await;
    world.queue.fail_next(1);
    world.invite("south", "p-1").await.unwrap();
    world.clock.advance(TimeDelta::minutes(2));
    let swept = world.sweep().await;
    assert_eq!((swept.queued, swept.stopped_early), (2_001, false), "each once, and the run ends by itself");
    assert!(world.queue.take().iter().any(|hint| matches!(hint, Hint::Invitation(_))));

    // No sender takes any of them: they are hinted at again, in turn, and still nothing is held up.
    world.clock.advance(HINT_WAIT);
    let swept = world.sweep().await;
    assert_eq!((swept.queued, swept.stopped_early), (2_001, false));
}
