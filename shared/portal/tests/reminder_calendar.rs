//! When reminders are due, in every time zone of the IANA database, checked against a model with plain numbers.
//!
//! The model divides two years of a zone into spans with one offset, and computes every period of daytime in them. A
//! reminder is due at the first second of daytime from the time on at which the local clock shows the time of sending, the
//! given number of days later. The test sends once a day. Around each clock change, and around the day that is one wait
//! before it, it sends every ten minutes, so that clock changes meet both sends and reminders.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, NaiveTime, Offset as _, TimeZone as _, Timelike as _, Utc, Weekday};
use chrono_tz::{TZ_VARIANTS, Tz};
use portal::{
    policy::{in_daytime, next_reminder},
    practice::ReminderPolicy,
};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// 1 January 2026, a Thursday like 1 January 1970.
const BEGIN: i64 = 1_767_225_600;
/// The number of days in two years.
const DAYS: i64 = 730;
/// Additional days for the longest wait and a weekend.
const EXTRA_DAYS: i64 = 60 + 4;

/// A zone's clocks over the two years, and over the additional days that the last reminders need.
struct Clocks {
    zone: Tz,
    /// The start of each span in UTC, and its offset: how far local time is ahead of UTC.
    spans: Vec<(i64, i64)>,
    /// Every period of daytime in UTC: the start, and the end, which is not part of it.
    daytime: Vec<(i64, i64)>,
}

impl Clocks {
    fn new(zone: Tz, policy: &ReminderPolicy) -> Self {
        let offset = |at| i64::from(zone.offset_from_utc_datetime(&instant(at).naive_utc()).fix().local_minus_utc());
        let mut spans = vec![(BEGIN - DAY, offset(BEGIN - DAY))];
        for hour in -23..(DAYS + EXTRA_DAYS) * 24 {
            // Find the second of the change.
            let at = BEGIN + hour * HOUR;
            if offset(at) != spans[spans.len() - 1].1 {
                let change = (at - HOUR + 1..=at).find(|second| offset(*second) == offset(at)).unwrap();
                spans.push((change, offset(at)));
            }
        }
        let mut clocks = Self { zone, spans, daytime: Vec::new() };
        clocks.daytime = clocks.daytime_periods(policy);
        clocks
    }

    fn daytime_periods(&self, policy: &ReminderPolicy) -> Vec<(i64, i64)> {
        let seconds = |time: NaiveTime| i64::from(time.num_seconds_from_midnight());
        let mut daytime = Vec::new();
        for (number, (from, offset)) in self.spans.iter().enumerate() {
            let until = self.spans.get(number + 1).map_or(BEGIN + (DAYS + EXTRA_DAYS) * DAY, |next| next.0);
            for day in (from + offset).div_euclid(DAY)..=(until + offset).div_euclid(DAY) {
                // Day 0 was a Thursday, so this is a Sunday.
                if day.rem_euclid(7) == 3 {
                    continue;
                }
                let opens = (day * DAY + seconds(policy.opens()) - offset).max(*from);
                let closes = (day * DAY + seconds(policy.closes()) - offset).min(until);
                if opens < closes {
                    daytime.push((opens, closes));
                }
            }
        }
        assert!(daytime.is_sorted());
        daytime
    }

    /// The local clock, as seconds since its own 1 January 1970.
    fn local(&self, at: i64) -> i64 {
        at + self.spans.iter().rev().find(|(from, _)| *from <= at).unwrap().1
    }

    /// When the local clock first shows this time or a later one.
    fn first(&self, local: i64) -> i64 {
        let ends = self.spans.iter().skip(1).map(|(from, _)| *from).chain([i64::MAX]);
        let shows = |(from, offset): &(i64, i64)| (local - offset).max(*from);
        self.spans.iter().zip(ends).find(|(span, end)| shows(span) < *end).map(|(span, _)| shows(span)).unwrap()
    }

    fn next_daytime(&self, at: i64) -> i64 {
        let next = self.daytime.partition_point(|(_, closes)| *closes <= at);
        self.daytime[next].0.max(at)
    }

    /// One send a day, each at another time of day, and many around each clock change and `days` before it.
    fn sends(&self, days: i64) -> BTreeSet<i64> {
        let around = |change: &(i64, i64)| {
            let change = change.0;
            [0, days * DAY].into_iter().flat_map(move |back| (-24..=24).map(move |step| change - back + step * 600 - 1))
        };
        let daily = (0..DAYS).map(|day| BEGIN + day * DAY + day * 7_919 % DAY);
        let within = |at: &i64| (BEGIN..BEGIN + DAYS * DAY).contains(at);
        daily.chain(self.spans[1..].iter().flat_map(around)).filter(within).collect()
    }

    fn check(&self, policy: &ReminderPolicy, reminders_sent: u8, days: i64) -> usize {
        let mut latest = i64::MIN;
        let sends = self.sends(days);
        for sent in &sends {
            let expected = self.next_daytime(self.first(self.local(*sent) + days * DAY));
            let due = next_reminder(policy, self.zone, instant(*sent), reminders_sent).unwrap();
            assert_eq!(due, instant(expected), "{} {}", self.zone, instant(*sent));
            // The same, checked by the words of the rule.
            let local = due.with_timezone(&self.zone);
            assert!(local.weekday() != Weekday::Sun && (policy.opens()..policy.closes()).contains(&local.time()));
            assert!(self.local(expected) - self.local(*sent) >= days * DAY, "{} {}", self.zone, instant(*sent));
            assert!(expected >= latest, "{} {}: due before the reminder of an earlier send", self.zone, instant(*sent));
            latest = expected;
        }
        sends.len()
    }
}

fn instant(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap()
}

/// Checks all zones for the reminder with this number, which waits for this many days.
fn check_every_zone(reminders_sent: u8, days: i64) {
    let policy = ReminderPolicy::default();
    assert_eq!(i64::from(policy.after_days()[usize::from(reminders_sent)]), days);
    let sends: usize =
        TZ_VARIANTS.iter().map(|zone| Clocks::new(*zone, &policy).check(&policy, reminders_sent, days)).sum();
    assert!(sends > 590 * 730);
    eprintln!("{} zones, {sends} sends", TZ_VARIANTS.len());
}

#[test]
fn the_first_reminder_is_due_at_the_first_permitted_moment_in_every_zone() {
    check_every_zone(0, 3);
}

#[test]
fn the_second_reminder_is_due_at_the_first_permitted_moment_in_every_zone() {
    check_every_zone(1, 7);
}

#[test]
fn the_third_reminder_is_due_at_the_first_permitted_moment_in_every_zone() {
    check_every_zone(2, 14);
}

/// A daytime that begins or ends in the hours that clock changes skip and repeat.
#[test]
fn a_daytime_at_a_clock_change_is_exact_to_the_second() {
    let time = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
    for (opens, closes) in
        [(time(0, 0), time(1, 0)), (time(1, 15), time(2, 45)), (time(2, 0), time(3, 0)), (time(0, 30), time(1, 30))]
    {
        let policy = ReminderPolicy::new(vec![1], opens, closes).unwrap();
        for zone in TZ_VARIANTS {
            let clocks = Clocks::new(zone, &policy);
            for (change, _) in &clocks.spans[1..] {
                for at in (change - 30 * HOUR..change + 30 * HOUR).step_by(7_193) {
                    let due = in_daytime(&policy, zone, instant(at));
                    assert_eq!(due, instant(clocks.next_daytime(at)), "{zone} {}", instant(at));
                }
            }
        }
    }
}
