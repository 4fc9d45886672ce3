//! Who is reminded: every state a record can be in, through the sweep itself.
//!
//! Most of these records would not be in the calendar at all; here each of them is put there, as if a row had stale
//! its reason.

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    operations::sweep::SweepReport,
    policy::LONGEST_REMINDER_DELAY,
    ports::{ChangeStore as _, Clock as _, CommitOutcome, PracticeStore as _},
    practice::{Practice, ReminderPolicy},
    record::{
        Account, Change, Delivery, FailReason, NextAction, NextActionKind, PortalRecord, RevokeReason,
        account::Registration,
    },
    testing::samples,
    timeline::{Act, EventKind, Role},
};

use crate::world::{ADDRESS, World};

/// When the first reminder is due of what was mailed at [`samples::noon`]: on Friday at nine in New York.
const DUE: &str = "2026-05-08T13:00:00Z";

fn act(role: Role) -> Act {
    samples::act_of(role, samples::noon(), "r")
}

fn delivery(news: Delivery) -> impl Fn(&PortalRecord) -> Change {
    move |record| record.record_delivery(&record.invitation.as_ref().unwrap().id, news, act(Role::MailService)).unwrap()
}

fn registered(record: &PortalRecord) -> Change {
    let account = samples::account_id("account-1");
    let registration = record.register(samples::date_of_birth(), account, None, act(Role::Patient));
    let Registration::Registered(change) = registration else { panic!("{registration:?}") };
    *change
}

/// After five wrong dates of birth have been counted, the last of which is not compared yet.
fn guessed(mut record: PortalRecord) -> PortalRecord {
    for _ in 0..5 {
        record = record.count_guess(&samples::token(1), act(Role::Patient)).unwrap().after;
    }
    record
}

fn locked(record: PortalRecord) -> PortalRecord {
    let (wrong, account) = (samples::date_of_birth() + TimeDelta::days(1), samples::account_id("account-1"));
    let registration = guessed(record).register(wrong, account, None, act(Role::Patient));
    let Registration::Locked(change) = registration else { panic!("{registration:?}") };
    change.after
}

fn declined(record: &PortalRecord, reason: RevokeReason) -> PortalRecord {
    record.decline(&samples::token(1), reason, act(Role::Patient)).unwrap().after
}

fn deactivated(record: &PortalRecord) -> PortalRecord {
    let mut record = registered(record).after;
    if let Account::Active { id, email, registered_at, last_login_at, last_login_event } = record.account {
        record.account = Account::Deactivated { id, email, registered_at, last_login_at, last_login_event };
    }
    record
}

/// Invited again, by hand, and how far that mail is on its way.
fn reinvited(record: &PortalRecord, claimed: bool) -> PortalRecord {
    let (practice, id) = (samples::practice("north"), samples::invitation_id("invitation-2"));
    let now = samples::noon() + TimeDelta::hours(1);
    let act = samples::act(now, "r");
    let queued = record.reinvite(&practice, None, id.clone(), act).unwrap().after;
    if claimed { queued.claim(&samples::claim_request(&id, now, 2)).unwrap() } else { queued }
}

fn failed(record: &PortalRecord, reason: FailReason) -> PortalRecord {
    let sending = reinvited(record, true);
    sending.fail_sending(sending.fence, reason, act(Role::Sender)).unwrap().after
}

/// A world in which the patient was mailed at noon, and is what `make` makes of that.
async fn due(make: impl FnOnce(PortalRecord) -> PortalRecord) -> World {
    let world = World::with_patients(&[]).await;
    let key = samples::key("north", "p-1");
    world.store.mail_invitation(&key, ADDRESS);
    let mut record = make(world.record());
    world.clock.set(samples::at(DUE));
    record.next_action = Some(NextAction { kind: NextActionKind::Remind, at: world.clock.now() });
    world.store.put(record);
    world
}

async fn save(world: &World, change: impl FnOnce(&mut Practice)) {
    let mut practice = world.store.contents().practices.remove(&samples::practice_id("north")).unwrap();
    change(&mut practice);
    practice.version += 1;
    let saved = world.store.save_practice(&samples::scope("north"), &practice).await.unwrap();
    assert_eq!(saved, CommitOutcome::Committed);
}

#[tokio::test]
async fn who_was_sent_an_invitation_that_may_be_on_its_way_is_reminded() {
    for news in [None, Some(Delivery::Delayed), Some(Delivery::Delivered)] {
        let world = due(|record| news.map_or(record.clone(), |news| delivery(news)(&record).after)).await;
        assert_eq!(world.sweep().await, SweepReport { reminded: 1, ..SweepReport::default() }, "{news:?}");
        let reminders = world.store.timeline(&samples::key("north", "p-1"));
        assert!(matches!(reminders.last().unwrap().kind, EventKind::Reinvited { another_address: false, .. }));
        assert_eq!(world.queue.take().len(), 1);
    }
    // A patient who changed their mind waits for nobody: opting out took the reminder, and the link.
    let world = due(|record| {
        let out = record.opt_out(act(Role::Staff)).unwrap().after;
        out.opt_in(act(Role::Staff)).unwrap().after
    })
    .await;
    assert_eq!(world.sweep().await.reminded, 1, "put there by hand, it is allowed");
}

#[tokio::test]
async fn nobody_else_is_ever_reminded_and_their_rows_are_gone() {
    type Make = Box<dyn FnOnce(PortalRecord) -> PortalRecord>;
    let after = |make: fn(PortalRecord) -> PortalRecord| -> Make { Box::new(make) };
    let cases: Vec<(&str, Make)> = vec![
        ("complained", after(|record| delivery(Delivery::Complained)(&record).after)),
        ("bounced", after(|record| delivery(Delivery::Bounced)(&record).after)),
        ("rejected", after(|record| delivery(Delivery::Rejected)(&record).after)),
        ("suppressed", after(|record| delivery(Delivery::Suppressed)(&record).after)),
        ("opted out", after(|record| record.opt_out(act(Role::Staff)).unwrap().after)),
        ("registered", after(|record| registered(&record).after)),
        ("deactivated", after(|record| deactivated(&record))),
        (
            "registered and opted out",
            after(|record| registered(&record).after.opt_out(act(Role::Patient)).unwrap().after),
        ),
        ("unsubscribed", after(|record| record.stop_reminders(act(Role::Patient)).unwrap().after)),
        ("taken back", after(|record| record.revoke(act(Role::Staff)).unwrap().after)),
        ("declined", after(|record| declined(&record, RevokeReason::Declined))),
        ("somebody else's", after(|record| declined(&record, RevokeReason::WrongPerson))),
        ("locked", after(locked)),
        ("about to be locked", after(guessed)),
        ("queued", after(|record| reinvited(&record, false))),
        ("being sent", after(|record| reinvited(&record, true))),
        ("refused", after(|record| failed(&record, FailReason::Refused))),
        ("failed", after(|record| failed(&record, FailReason::Exhausted))),
        (
            "reminded three times",
            after(|mut record| {
                record.invitation.as_mut().unwrap().reminders_sent = 3;
                record
            }),
        ),
    ];
    for (case, make) in cases {
        let world = due(make).await;
        let before = world.record();
        assert_eq!(world.sweep().await, SweepReport { unscheduled: 1, ..SweepReport::default() }, "{case}");
        assert_eq!(world.record(), before.unscheduled(), "{case}: nothing else has changed");
        assert!(world.queue.messages().is_empty(), "{case}");
        never_again(&world, case).await;
    }
}

/// Two months of sweeps find nothing.
async fn never_again(world: &World, case: &str) {
    for _ in 0..60 {
        world.clock.advance(TimeDelta::days(1));
        assert_eq!(world.sweep().await, SweepReport::default(), "{case}");
    }
}

/// What the sweep does with a reminder, day by day, until it has nothing to do any more.
async fn day_by_day(world: &World) -> (u32, SweepReport) {
    let mut days = 0;
    loop {
        let swept = world.sweep().await;
        if swept.rescheduled == 0 {
            return (days, swept);
        }
        assert_eq!(swept, SweepReport { rescheduled: 1, ..SweepReport::default() });
        days += 1;
        world.clock.advance(TimeDelta::days(1));
        // Not on Sundays: then it is Monday at nine.
        while world.record().next_action.unwrap().at > world.clock.now() {
            world.clock.set(world.record().next_action.unwrap().at);
        }
    }
}

fn without_date_of_birth(mut record: PortalRecord) -> PortalRecord {
    record.profile.date_of_birth = None;
    record
}

#[tokio::test]
async fn what_may_pass_is_waited_for_but_not_for_ever() {
    let world = due(without_date_of_birth).await;
    let (days, last) = day_by_day(&world).await;
    assert_eq!(last, SweepReport { unscheduled: 1, ..SweepReport::default() });
    assert!(world.clock.now() - samples::at(DUE) >= LONGEST_REMINDER_DELAY, "after {days} days");
    assert!(days <= 20, "{days}");
    never_again(&world, "no date of birth").await;

    // The address has come into another patient's profile. The store says so, not the record.
    let world = due(|record| record).await;
    world.save("south", "p-2", Some(ADDRESS)).await;
    let (_, last) = day_by_day(&world).await;
    assert_eq!(last, SweepReport { unscheduled: 1, ..SweepReport::default() });
    never_again(&world, "address in use").await;

    let world = due(|record| record).await;
    save(&world, |practice| practice.portal_activated_at = None).await;
    let (_, last) = day_by_day(&world).await;
    assert_eq!(last, SweepReport { unscheduled: 1, ..SweepReport::default() });
}

#[tokio::test]
async fn what_has_passed_in_time_is_no_hindrance() {
    let world = due(without_date_of_birth).await;
    assert_eq!(world.sweep().await.rescheduled, 1);
    world.save("north", "p-1", Some(ADDRESS)).await;
    assert_eq!(world.sweep().await, SweepReport::default(), "not before tomorrow");
    world.clock.advance(TimeDelta::days(1));
    assert_eq!(world.sweep().await, SweepReport { reminded: 1, ..SweepReport::default() });

    let world = due(|record| record).await;
    world.save("south", "p-2", Some(ADDRESS)).await;
    assert_eq!(world.sweep().await.rescheduled, 1);
    world.save("south", "p-2", None).await;
    world.clock.advance(TimeDelta::days(1));
    assert_eq!(world.sweep().await, SweepReport { reminded: 1, ..SweepReport::default() });
}

#[tokio::test]
async fn an_allowed_reminder_is_never_too_late() {
    let world = due(|record| record).await;
    world.clock.advance(LONGEST_REMINDER_DELAY * 2);
    assert_eq!(world.sweep().await, SweepReport { reminded: 1, ..SweepReport::default() });
}

#[tokio::test]
async fn the_policy_of_the_day_decides() {
    let policy = |days: &[u8], opens: u32| {
        let default = ReminderPolicy::default();
        let opens = default.opens() + TimeDelta::hours(opens.into());
        ReminderPolicy::new(days.to_vec(), opens, default.closes()).unwrap()
    };
    // No reminders any more: what was due is given up.
    let world = due(|record| record).await;
    save(&world, |practice| practice.settings.reminders = policy(&[], 0)).await;
    assert_eq!(world.sweep().await, SweepReport { unscheduled: 1, ..SweepReport::default() });
    never_again(&world, "no reminders").await;

    // A practice that opens later now: an hour later, and once.
    let world = due(|record| record).await;
    save(&world, |practice| practice.settings.reminders = policy(&[3], 1)).await;
    assert_eq!(world.sweep().await, SweepReport { rescheduled: 1, ..SweepReport::default() });
    assert_eq!(world.record().next_action.unwrap().at, samples::at(DUE) + TimeDelta::hours(1));
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.sweep().await, SweepReport { reminded: 1, ..SweepReport::default() });
}

/// A command that was decided while the sweep unscheduled the row puts it back, and it is unscheduled again.
#[tokio::test]
async fn a_row_that_comes_back_is_struck_again() {
    let world = due(|record| record.stop_reminders(act(Role::Patient)).unwrap().after).await;
    let profile = samples::profile(Some("new@example.com"));
    let at: DateTime<Utc> = world.clock.now();
    let meanwhile = PortalRecord::save_profile(
        Some(&world.record()),
        samples::key("north", "p-1"),
        profile,
        samples::act(at, "save"),
    );
    assert_eq!(world.sweep().await.unscheduled, 1);
    assert_eq!(world.store.commit(&meanwhile.unwrap()).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(world.sweep().await, SweepReport { unscheduled: 1, ..SweepReport::default() });
    never_again(&world, "unscheduled twice").await;
}
