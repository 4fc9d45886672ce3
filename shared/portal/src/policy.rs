//! The limits and durations of all rules, and the calculation of waiting times.

use chrono::{
    DateTime, Datelike as _, Days, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, Offset as _, TimeDelta,
    TimeZone as _, Utc, Weekday,
};
use chrono_tz::{GapInfo, Tz};

use crate::practice::ReminderPolicy;

/// How long a sender has exclusive use of a claimed mail. Longer than any sender runs.
pub const SEND_LEASE: TimeDelta = TimeDelta::seconds(120);
/// How long after the lease a send with unknown outcome waits for SES's events before it is tried again.
pub const SEND_GRACE: TimeDelta = TimeDelta::minutes(10);
/// How long the sweep waits for a new invitation's queue message before it sends another.
pub const FIRST_RESCHEDULE: TimeDelta = TimeDelta::minutes(2);
/// Maximum number of tries per invitation. A send that SES deferred does not count.
pub const MAX_TRIES: u8 = 5;
/// An invitation or a notice fails if SES has not accepted it within this time.
pub const LONGEST_DEFERRAL: TimeDelta = TimeDelta::days(3);
/// Maximum number of secrets stored per link. The oldest is removed first.
pub const MAX_SECRETS: usize = 16;
/// The period in which mails are counted, by patient and by address.
pub const MAIL_WINDOW: TimeDelta = TimeDelta::hours(24);
/// Shortest time between two mails to a patient that people ask for.
pub const MAIL_GAP: TimeDelta = TimeDelta::seconds(60);
/// Maximum number of invitations that staff send to a patient in [`MAIL_WINDOW`], by whatever command.
pub const MAX_STAFF_MAILS: usize = 5;
/// Maximum number of new links that the holder of a link may ask for in [`MAIL_WINDOW`]. They do not count for staff.
pub const MAX_HOLDER_MAILS: usize = 5;
/// Maximum number of mails to one address in [`MAIL_WINDOW`], from all practices together, notices included.
pub const MAX_ADDRESS_MAILS: usize = 10;
/// The part of [`MAX_ADDRESS_MAILS`] that is kept for practices that have sent none in [`MAIL_WINDOW`]. Otherwise one practice
/// could stop the mails of another.
pub const RESERVED_ADDRESS_MAILS: usize = 2;

/// How long a practice's invitations protect an address from other practices, from its first invitation on. Longer than
/// deferred mails, links and reminders take together.
pub const ADDRESS_LEASE: TimeDelta = TimeDelta::days(60);
/// How long after that a practice's next invitation of the address protects it again.
pub const ADDRESS_COOLDOWN: TimeDelta = TimeDelta::days(30);
/// How long it is remembered that an address is not that of a practice's patient.
pub const WRONG_PERSON_MEMORY: TimeDelta = TimeDelta::days(365);
/// Maximum number of addresses a day that are refused to a practice because of other practices' patients. After that, all
/// addresses that are new to the practice are refused alike.
pub const MAX_ADDRESS_REFUSALS: u32 = 20;
/// Maximum number of suppressed addresses remembered per patient.
pub const MAX_SUPPRESSED_ADDRESSES: usize = 8;
/// How long after its due time a reminder may still be sent if a rule refuses it temporarily.
pub const LONGEST_REMINDER_DELAY: TimeDelta = TimeDelta::days(14);
/// Maximum number of dates of birth compared per link.
pub const MAX_BIRTH_DATE_ATTEMPTS: u8 = 5;
/// Maximum number of dates of birth compared per patient in [`MAIL_WINDOW`], with all links together.
pub const MAX_DAILY_BIRTH_DATE_ATTEMPTS: usize = 15;

/// How long a command can be repeated with the same idempotency key.
pub const IDEMPOTENCY_WINDOW: TimeDelta = TimeDelta::hours(24);
/// Maximum number of keyed commands remembered per patient.
pub const MAX_REMEMBERED_REQUESTS: usize = 16;

/// Maximum number of notices that wait in a record.
pub const MAX_NOTICES: usize = 8;
/// How long to wait before a command that would exceed [`MAX_NOTICES`] is tried again. Notices are normally sent within a
/// second.
pub const NOTICES_WAIT: TimeDelta = TimeDelta::seconds(60);
/// How long the sweep waits before it sends a hint for the same notices again.
pub const HINT_WAIT: TimeDelta = TimeDelta::minutes(5);

/// Maximum number of patients that one bulk job may name.
pub const MAX_BULK_PATIENTS: usize = 500;
/// Maximum number of patients that one run of a bulk job processes.
pub const BULK_SLICE: u16 = 20;
/// How long a run has exclusive use of a bulk job. Longer than any run lasts.
pub const BULK_LEASE: TimeDelta = TimeDelta::seconds(45);
/// How long a bulk job pauses between two runs, so that it does not slow down other requests.
pub const BULK_PAUSE: TimeDelta = TimeDelta::seconds(1);

/// How far the sweep's clock may be ahead of a sender's.
pub const SWEEP_CLOCK_SKEW: TimeDelta = TimeDelta::minutes(1);

/// How long claimed notices wait until they are due again: as long as the newest notice has been waiting, and at least ten
/// minutes. Another sender may claim them [`HINT_WAIT`] and [`SWEEP_CLOCK_SKEW`] before they are due, which is still more
/// than [`SEND_LEASE`] after this claim. The wait doubles each time, so each notice is tried about ten times within
/// [`LONGEST_DEFERRAL`].
#[must_use]
pub fn notice_wait(age: TimeDelta) -> TimeDelta {
    age.max(TimeDelta::minutes(10))
}

/// Whole seconds, rounded up, so that waiting for that long is enough.
#[must_use]
pub fn round_up_to_secs(wait: TimeDelta) -> u64 {
    u64::try_from((wait + TimeDelta::milliseconds(999)).num_seconds()).unwrap_or(0)
}

/// How long the sweep waits before it queues the same invitation again: 2, 4, 8, then 15 minutes.
#[must_use]
pub fn reschedule_wait(reschedules: u32) -> TimeDelta {
    match reschedules {
        0 => TimeDelta::minutes(2),
        1 => TimeDelta::minutes(4),
        2 => TimeDelta::minutes(8),
        3.. => TimeDelta::minutes(15),
    }
}

/// How long a deferred send waits: exponential backoff from 5 s to 15 min by `deferrals`, with full jitter.
///
/// `jitter` is uniformly random. Without it, mails that were deferred together would be tried again together.
#[must_use]
pub fn deferral_wait(deferrals: u32, jitter: u32) -> TimeDelta {
    let ceiling_millis = 5_000_i64.saturating_mul(1 << deferrals.min(8)).min(900_000);
    TimeDelta::milliseconds(1_000 + i64::from(jitter) % ceiling_millis)
}

/// When the next reminder is due, if the policy has one: `after_days` days after the last send, within the
/// practice's daytime.
#[must_use]
pub fn next_reminder(
    policy: &ReminderPolicy,
    zone: Tz,
    sent_at: DateTime<Utc>,
    reminders_sent: u8,
) -> Option<DateTime<Utc>> {
    let days = *policy.after_days().get(usize::from(reminders_sent))?;
    let local = sent_at.with_timezone(&zone).naive_local().checked_add_days(Days::new(u64::from(days)))?;
    Some(in_daytime(policy, zone, first_instant(zone, local)))
}

/// The first instant from `at` on that is in the practice's daytime.
#[must_use]
pub fn in_daytime(policy: &ReminderPolicy, zone: Tz, at: DateTime<Utc>) -> DateTime<Utc> {
    let mut at = at;
    loop {
        let next = at + time_until_daytime(policy, at.with_timezone(&zone).naive_local());
        if offset(zone, next) == offset(zone, at) {
            return next;
        }
        // There is no daytime before the clock change. The change may start the daytime, or skip it: look again from there.
        at = clock_change(zone, at, next);
    }
}

/// The time until the next daytime begins, if no clock change comes before it; zero if it is daytime.
fn time_until_daytime(policy: &ReminderPolicy, local: NaiveDateTime) -> TimeDelta {
    // The calendar ends in the year 262142. On its last day, use that day.
    let next = |day: NaiveDate| day.succ_opt().unwrap_or(day);
    let mut day = local.date();
    if local.time() >= policy.closes() {
        day = next(day);
    }
    if day.weekday() == Weekday::Sun {
        day = next(day);
    }
    (day.and_time(policy.opens()) - local).max(TimeDelta::zero())
}

/// The first instant at which the zone's clocks show this time or, if a clock change skips it, a later time.
fn first_instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => at.to_utc(),
        MappedLocalTime::None => {
            GapInfo::new(&local, &zone).and_then(|gap| gap.end).map_or_else(|| local.and_utc(), |end| end.to_utc())
        }
    }
}

/// The instant at which the zone's offset changes between `from` and `to`. Offsets change at whole seconds.
fn clock_change(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> DateTime<Utc> {
    let (mut before, mut after) = (from.timestamp(), to.timestamp() + 1);
    while after - before > 1 {
        let between = before.midpoint(after);
        if DateTime::from_timestamp(between, 0).is_some_and(|at| offset(zone, at) == offset(zone, from)) {
            before = between;
        } else {
            after = between;
        }
    }
    DateTime::from_timestamp(after, 0).unwrap_or(to)
}

fn offset(zone: Tz, at: DateTime<Utc>) -> FixedOffset {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix()
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveTime, Timelike as _};
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn reminders_are_due_three_seven_and_fourteen_days_after_the_last_send() {
        let (policy, zone) = (ReminderPolicy::default(), chrono_tz::America::New_York);
        let sent = utc("2026-05-05T15:00:00Z"); // Tuesday, 11:00 in New York
        let due: Vec<_> = (0..=3).map(|sent_so_far| next_reminder(&policy, zone, sent, sent_so_far)).collect();
        assert_eq!(
            due,
            [
                Some(utc("2026-05-08T15:00:00Z")),
                Some(utc("2026-05-12T15:00:00Z")),
                Some(utc("2026-05-19T15:00:00Z")),
                None
            ]
        );
    }

    #[test]
    fn reminders_are_due_in_the_practices_daytime_and_never_on_sundays() {
        let (policy, zone) = (ReminderPolicy::default(), chrono_tz::America::New_York);
        for (at, expected, why) in [
            ("2026-05-05T12:59:59Z", "2026-05-05T13:00:00Z", "before opening, the same day at nine"),
            ("2026-05-05T13:00:00Z", "2026-05-05T13:00:00Z", "at nine"),
            ("2026-05-05T21:59:59Z", "2026-05-05T21:59:59Z", "just before six"),
            ("2026-05-05T22:00:00Z", "2026-05-06T13:00:00Z", "at six, the next morning"),
            ("2026-05-09T23:00:00Z", "2026-05-11T13:00:00Z", "Saturday evening, Monday morning"),
            ("2026-05-10T15:00:00Z", "2026-05-11T13:00:00Z", "Sunday noon, Monday morning"),
            ("2026-03-07T23:00:00Z", "2026-03-09T13:00:00Z", "over the clock change, nine is an hour earlier in UTC"),
        ] {
            assert_eq!(in_daytime(&policy, zone, utc(at)), utc(expected), "{why}");
        }
    }

    #[test]
    fn a_time_that_a_clock_change_skips_becomes_the_first_time_after_it() {
        let gap = NaiveDateTime::parse_from_str("2026-03-08 02:30", "%Y-%m-%d %H:%M").unwrap();
        assert_eq!(first_instant(chrono_tz::America::New_York, gap), utc("2026-03-08T07:00:00Z"));
        let odd = gap + TimeDelta::seconds(61);
        assert_eq!(first_instant(chrono_tz::America::New_York, odd), utc("2026-03-08T07:00:00Z"), "not later");
        let skipped_day = NaiveDateTime::parse_from_str("2011-12-30 09:00", "%Y-%m-%d %H:%M").unwrap();
        assert_eq!(first_instant(chrono_tz::Pacific::Apia, skipped_day), utc("2011-12-30T10:00:00Z"));
    }

    #[test]
    fn a_notice_is_tried_ten_times_in_three_days_and_never_while_a_sender_may_still_run() {
        let (mut tries, mut age) = (0, TimeDelta::zero());
        while age < LONGEST_DEFERRAL {
            tries += 1;
            // Another sender may claim what is due within `HINT_WAIT`.
            assert!(notice_wait(age) - HINT_WAIT > SEND_LEASE);
            age += notice_wait(age);
        }
        assert_eq!(tries, 10);
        assert_eq!(notice_wait(TimeDelta::seconds(-5)), TimeDelta::minutes(10), "also if clocks differ");
    }

    #[test]
    fn reschedules_wait_longer_each_time() {
        let minutes: Vec<_> = (0..6).map(|reschedules| reschedule_wait(reschedules).num_minutes()).collect();
        assert_eq!(minutes, [2, 4, 8, 15, 15, 15]);
    }

    proptest! {
        #[test]
        fn a_deferral_wait_is_within_its_bounds(deferrals: u32, jitter: u32) {
            let wait = deferral_wait(deferrals, jitter);
            prop_assert!(wait >= TimeDelta::seconds(1) && wait <= TimeDelta::seconds(901));
        }

        #[test]
        fn a_daytime_of_one_hour_is_found(open in 0_u32..23, zone in 0_usize..500, hours in 0_i64..20_000) {
            let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
            let policy = ReminderPolicy::new(vec![1], time(open), time(open + 1)).unwrap();
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let at = utc("2025-01-01T00:00:00Z") + TimeDelta::hours(hours);
            let due = in_daytime(&policy, zone, at);
            let local = due.with_timezone(&zone);
            prop_assert!(due >= at && local.hour() == open && local.weekday() != Weekday::Sun);
        }
    }
}
