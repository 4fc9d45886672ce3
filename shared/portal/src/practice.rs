//! A practice's settings: its name and contact data, whether it has activated the portal, and its reminder policy.

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;

use crate::{
    ids::PracticeId,
    text::{DisplayName, Phone},
};

/// For how many days an activation link works: 1 to 30, by default 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkDays(u8);

impl Default for LinkDays {
    fn default() -> Self {
        Self(7)
    }
}

impl LinkDays {
    /// The given number of days; `None` if it is not within 1 to 30.
    #[must_use]
    pub fn new(days: u8) -> Option<Self> {
        (1..=30).contains(&days).then_some(Self(days))
    }

    /// The number of days.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// When a link that is mailed now stops working.
    #[must_use]
    pub fn expiry(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + chrono::TimeDelta::days(i64::from(self.0))
    }
}

/// When reminders are sent. The calculation is in [`crate::policy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReminderPolicy {
    after_days: Vec<u8>,
    opens: NaiveTime,
    closes: NaiveTime,
}

impl ReminderPolicy {
    /// The maximum number of reminders after an invitation.
    pub const MAX_REMINDERS: usize = 3;
    /// The longest wait before a reminder, in days.
    pub const LONGEST_WAIT_DAYS: u8 = 60;

    /// A policy with the wait before each reminder, in days, and the practice's daytime.
    ///
    /// `None` if there are more than [`Self::MAX_REMINDERS`] reminders, if a wait is not within 1 to
    /// [`Self::LONGEST_WAIT_DAYS`] days or not longer than the one before, or if the daytime is shorter than an hour.
    /// A shorter daytime could fall into the hour that a clock change skips, and then no reminder would ever be due.
    #[must_use]
    pub fn new(after_days: Vec<u8>, opens: NaiveTime, closes: NaiveTime) -> Option<Self> {
        let few = after_days.len() <= Self::MAX_REMINDERS;
        let bounded = after_days.iter().all(|days| (1..=Self::LONGEST_WAIT_DAYS).contains(days));
        let rising = after_days.is_sorted_by(|one, next| one < next);
        let lasts = closes - opens >= chrono::TimeDelta::hours(1);
        (few && bounded && rising && lasts).then_some(Self { after_days, opens, closes })
    }

    /// The wait before each reminder, in days.
    #[must_use]
    pub fn after_days(&self) -> &[u8] {
        &self.after_days
    }

    /// Local time from which reminders may be sent.
    #[must_use]
    pub const fn opens(&self) -> NaiveTime {
        self.opens
    }

    /// Local time from which no reminder is sent.
    #[must_use]
    pub const fn closes(&self) -> NaiveTime {
        self.closes
    }
}

impl Default for ReminderPolicy {
    fn default() -> Self {
        let hour = |hours| NaiveTime::MIN + chrono::TimeDelta::hours(hours);
        Self { after_days: vec![3, 7, 14], opens: hour(9), closes: hour(18) }
    }
}

/// The settings of a practice, which its administrators can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PracticeSettings {
    /// The practice's name, as patients know it.
    pub name: DisplayName,
    /// The sender name of mails.
    pub sender_name: DisplayName,
    /// The number that patients call with a question.
    pub support_phone: Phone,
    /// The time zone in which dates are shown and the daytime of reminders is meant.
    pub time_zone: Tz,
    /// How long links work.
    pub link_days: LinkDays,
    /// When reminders are sent.
    pub reminders: ReminderPolicy,
}

/// A practice, the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Practice {
    /// The practice's id.
    pub id: PracticeId,
    /// Its settings.
    pub settings: PracticeSettings,
    /// When it activated the portal by agreeing to the terms. This is permanent. `None` if it has not.
    pub portal_activated_at: Option<DateTime<Utc>>,
    /// Raised by one with every change.
    pub version: u64,
}

impl Practice {
    /// The practice after a change of settings. `terms_accepted` activates the portal if it is not active yet. An activation
    /// is permanent.
    #[must_use]
    pub fn save(
        before: Option<&Self>,
        id: PracticeId,
        settings: PracticeSettings,
        terms_accepted: bool,
        now: DateTime<Utc>,
    ) -> Self {
        let activated = before.and_then(|practice| practice.portal_activated_at);
        Self {
            id,
            settings,
            portal_activated_at: activated.or(terms_accepted.then_some(now)),
            version: before.map_or(0, |practice| practice.version) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u32) -> NaiveTime {
        NaiveTime::from_hms_opt(hour, 0, 0).unwrap()
    }

    #[test]
    fn reminder_policies_are_bounded() {
        assert!(ReminderPolicy::new(vec![], at(9), at(18)).is_some());
        assert!(ReminderPolicy::new(vec![1, 2, 60], at(0), at(1)).is_some());
        for (days, opens, closes) in [
            (vec![1, 2, 3, 4], 9, 18),
            (vec![0], 9, 18),
            (vec![61], 9, 18),
            (vec![7, 3], 9, 18),
            (vec![3, 3], 9, 18),
            (vec![3], 18, 9),
            (vec![3], 9, 9),
        ] {
            assert_eq!(ReminderPolicy::new(days, at(opens), at(closes)), None);
        }
    }

    #[test]
    fn links_work_for_one_to_thirty_days() {
        assert_eq!(LinkDays::new(0), None);
        assert_eq!(LinkDays::new(31), None);
        assert_eq!(LinkDays::new(30).map(LinkDays::get), Some(30));
        assert_eq!(LinkDays::default().get(), 7);
    }
}
