//! Which patients are reminded: every state of a record, processed by the sweep.
//!
//! Most of these records would have no calendar row. Here each one gets a row, as if the row had become stale.

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    operations::sweep::SweepReport,
    policy::{ADDRESS_LEASE, LONGEST_REMINDER_DELAY},
    ports::{ChangeStore as _, Clock as _, CommitOutcome, PracticeStore as _},
    practice::{Practice, ReminderPolicy},
    record::guards::Recipient,
    record::{Account, Change, NextAction, NextActionKind, PortalRecord, account::Registration},
    states::{Delivery, FailReason, RevokeReason},
    testing::samples,
    timeline::{ChangeContext, EventKind, Role},
};

use crate::world::{ADDRESS, World};

/// When the first reminder is due after a mail at [`samples::noon`]: on Friday at nine in New York.
const DUE: &str = "2026-05-08T13:00:00Z";

fn context(role: Role) -> ChangeContext {
    samples::context_as(role, samples::noon(), "r")
}

fn delivered(delivery: Delivery) -> impl Fn(&PortalRecord) -> Change {
    move |record| {
        record.record_delivery(&record.invitation.as_ref().unwrap().id, delivery, context(Role::MailService)).unwrap()
    }
}

fn registered(record: &PortalRecord) -> Change {
    let account = samples::account_id("account-1");
    let registration = record.register(samples::date_of_birth(), account, None, context(Role::Patient));
    let Registration::Registered(change) = registration else { panic!("{registration:?}") };
    *change
}

/// After five date-of-birth attempts were counted, the last of which was not compared yet.
fn without_attempts_left(mut record: PortalRecord) -> PortalRecord {
    for _ in 0..5 {
        record = record.count_birth_date_attempt(&samples::token(1), context(Role::Patient)).unwrap().after;
    }
    record
}

fn locked(record: PortalRecord) -> PortalRecord {
    let (wrong, account) = (samples::date_of_birth() + TimeDelta::days(1), samples::account_id("account-1"));
    let registration = without_attempts_left(record).register(wrong, account, None, context(Role::Patient));
    let Registration::Locked(change) = registration else { panic!("{registration:?}") };
    change.after
}

fn declined(record: &PortalRecord, reason: RevokeReason) -> PortalRecord {
    record.decline(&samples::token(1), reason, context(Role::Patient)).unwrap().after
}

fn deactivated(record: &PortalRecord) -> PortalRecord {
    let mut record = registered(record).after;
    if let Account::Active { id, email, registered_at, last_login } = record.account {
        record.account = Account::Deactivated { id, email, registered_at, last_login };
    }
    record
}

/// Reinvited manually. The mail is queued, or claimed by a sender.
fn reinvited(record: &PortalRecord, claimed: bool) -> PortalRecord {
    let (practice, id) = (samples::practice("north"), samples::invitation_id("invitation-2"));
    let now = samples::noon() + TimeDelta::hours(1);
    let context = samples::staff_context(now, "r");
    let queued = record.reinvite(&practice, &Recipient::default(), id.clone(), context).unwrap().after;
    if claimed { queued.claim(&samples::claim_request(&id, now, 2)).unwrap() } else { queued }
}

fn failed(record: &PortalRecord, reason: FailReason) -> PortalRecord {
    let sending = reinvited(record, true);
    sending.fail_sending(sending.fence, reason, context(Role::Sender)).unwrap().after
}

/// A world with a patient who was mailed at noon. `make` changes the record, and then a reminder is due.
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
    let saved = world.store.save_practice(&samples::scope("north"), &practice, &[]).await.unwrap();
    assert_eq!(saved, CommitOutcome::Committed);
}

#[tokio::test]
async fn a_patient_whose_mail_was_sent_and_did_not_fail_is_reminded() {
    for state in [None, Some(Delivery::Delayed), Some(Delivery::Delivered)] {
        let world = due(|record| state.map_or(record.clone(), |state| delivered(state)(&record).after)).await;
        assert_eq!(world.sweep().await, SweepReport { reminded: 1, ..SweepReport::default() }, "{state:?}");
        let reminders = world.store.timeline(&samples::key("north", "p-1"));
        assert!(matches!(reminders.last().unwrap().kind, EventKind::Reinvited { another_address: false, .. }));
        assert_eq!(world.queue.take().len(), 1);
    }
    // A patient who opted out and in again normally has no reminder, because opting out removes it.
    let world = due(|record| {
        let out = record.opt_out(context(Role::Staff)).unwrap().after;
        out.opt_in(context(Role::Staff)).unwrap().after
    })
    .await;
    assert_eq!(world.sweep().await.reminded, 1, "a reminder that the test adds is allowed");
}

#[tokio::test]
async fn no_other_patient_is_reminded_and_their_rows_are_removed() {
    type Make = Box<dyn FnOnce(PortalRecord) -> PortalRecord>;
    let after = |make: fn(PortalRecord) -> PortalRecord| -> Make { Box::new(make) };
    let cases: Vec<(&str, Make)> = vec![
        ("complained", after(|record| delivered(Delivery::Complained)(&record).after)),
        ("bounced", after(|record| delivered(Delivery::Bounced)(&record).after)),
        ("rejected", after(|record| delivered(Delivery::Rejected)(&record).after)),
        ("suppressed", after(|record| delivered(Delivery::Suppressed)(&record).after)),
        ("opted out", after(|record| record.opt_out(context(Role::Staff)).unwrap().after)),
        ("registered", after(|record| registered(&record).after)),
        ("deactivated", after(|record| deactivated(&record))),
        (
            "registered and opted out",
            after(|record| registered(&record).after.opt_out(context(Role::Patient)).unwrap().after),
        ),
        ("unsubscribed", after(|record| record.stop_reminders(context(Role::Patient)).unwrap().after)),
        ("revoked", after(|record| record.revoke(context(Role::Staff)).unwrap().after)),
        ("declined", after(|record| declined(&record, RevokeReason::Declined))),
        ("wrong person", after(|record| declined(&record, RevokeReason::WrongPerson))),
        ("locked", after(locked)),
        ("about to be locked", after(without_attempts_left)),
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
        assert_eq!(world.record(), before.unscheduled(), "{case}: nothing else changes");
        assert!(world.queue.messages().is_empty(), "{case}");
        assert_never_due_again(&world, case).await;
    }
}

/// Asserts that two months of sweeps find nothing.
async fn assert_never_due_again(world: &World, case: &str) {
    for _ in 0..60 {
        world.clock.advance(TimeDelta::days(1));
        assert_eq!(world.sweep().await, SweepReport::default(), "{case}");
    }
}

/// Sweeps once a day until the reminder is not rescheduled. Returns the number of days and the last report.
async fn sweep_daily(world: &World) -> (u32, SweepReport) {
    let mut days = 0;
    loop {
        let report = world.sweep().await;
        if report.rescheduled == 0 {
            return (days, report);
        }
        assert_eq!(report, SweepReport { rescheduled: 1, ..SweepReport::default() });
        days += 1;
        world.clock.advance(TimeDelta::days(1));
        // A reminder that is due on Sunday moves to Monday at nine.
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
async fn a_temporarily_refused_reminder_is_retried_for_a_limited_time() {
    let world = due(without_date_of_birth).await;
    let (days, last) = sweep_daily(&world).await;
    assert_eq!(last, SweepReport { unscheduled: 1, ..SweepReport::default() });
    assert!(world.clock.now() - samples::at(DUE) >= LONGEST_REMINDER_DELAY, "after {days} days");
    assert!(days <= 20, "{days}");
    assert_never_due_again(&world, "no date of birth").await;

    // Another patient has taken over the lapsed claim. The store refuses the commit, not the record.
    let world = due(|record| record).await;
    world.clock.advance(ADDRESS_LEASE);
    world.save("south", "p-2", Some(ADDRESS)).await;
    world.invite("south", "p-2").await.unwrap();
    let (_, last) = sweep_daily(&world).await;
    assert_eq!(last, SweepReport { unscheduled: 1, ..SweepReport::default() });
    assert_eq!(world.record().next_action, None);

    let world = due(|record| record).await;
    save(&world, |practice| practice.portal_activated_at = None).await;
    let (_, last) = sweep_daily(&world).await;
    assert_eq!(last, SweepReport { unscheduled: 1, ..SweepReport::default() });
}

#[tokio::test]
async fn a_reminder_is_sent_when_its_refusal_ends_in_time() {
    let world = due(without_date_of_birth).await;
    assert_eq!(world.sweep().await.rescheduled, 1);
    world.save("north", "p-1", Some(ADDRESS)).await;
    assert_eq!(world.sweep().await, SweepReport::default(), "not before the next day");
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
async fn the_current_reminder_policy_decides() {
    let policy = |days: &[u8], opens: u32| {
        let default = ReminderPolicy::default();
        let opens = default.opens() + TimeDelta::hours(opens.into());
        ReminderPolicy::new(days.to_vec(), opens, default.closes()).unwrap()
    };
    // The practice stops reminders: the due one is removed.
    let world = due(|record| record).await;
    save(&world, |practice| practice.settings.reminders = policy(&[], 0)).await;
    assert_eq!(world.sweep().await, SweepReport { unscheduled: 1, ..SweepReport::default() });
    assert_never_due_again(&world, "no reminders").await;

    // The practice now opens an hour later: the reminder is moved once.
    let world = due(|record| record).await;
    save(&world, |practice| practice.settings.reminders = policy(&[3], 1)).await;
    assert_eq!(world.sweep().await, SweepReport { rescheduled: 1, ..SweepReport::default() });
    assert_eq!(world.record().next_action.unwrap().at, samples::at(DUE) + TimeDelta::hours(1));
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.sweep().await, SweepReport { reminded: 1, ..SweepReport::default() });
}

/// A command that was decided before the sweep removed the row restores it, and the next sweep removes it again.
#[tokio::test]
async fn a_row_that_comes_back_is_unscheduled_again() {
    let world = due(|record| record.stop_reminders(context(Role::Patient)).unwrap().after).await;
    let profile = samples::profile(Some("new@example.com"));
    let at: DateTime<Utc> = world.clock.now();
    let meanwhile = PortalRecord::save_profile(
        Some(&world.record()),
        samples::key("north", "p-1"),
        profile,
        samples::staff_context(at, "save"),
    );
    assert_eq!(world.sweep().await.unscheduled, 1);
    assert_eq!(world.store.commit(&meanwhile.unwrap()).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(world.sweep().await, SweepReport { unscheduled: 1, ..SweepReport::default() });
    assert_never_due_again(&world, "unscheduled twice").await;
}
