//! The history of a practice: the append-only list of what was changed in it, apart from its patients.
//!
//! A patient's changes are in the [timeline](crate::timeline) of the patient.

use crate::{
    bulk::{Audience, BulkJob},
    history::HistoryPlace,
    ids::{JobId, PracticeId},
    practice::{Practice, PracticeSettings},
    timeline::ChangeContext,
};

/// A member of a practice's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
#[expect(missing_docs, reason = "named after the members of the settings")]
pub enum SettingsMember {
    Name,
    SenderName,
    SupportPhone,
    TimeZone,
    LinkDays,
    Reminders,
}

impl SettingsMember {
    /// The member's stable name, which is also its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The member in the words of a sentence.
    const fn in_words(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::SenderName => "sender name",
            Self::SupportPhone => "support phone",
            Self::TimeZone => "time zone",
            Self::LinkDays => "how long links work",
            Self::Reminders => "reminders",
        }
    }
}

/// The members in which the settings differ.
fn changed_members(before: &PracticeSettings, after: &PracticeSettings) -> Vec<SettingsMember> {
    let PracticeSettings { name, sender_name, support_phone, time_zone, link_days, reminders } = before;
    let changed = [
        (SettingsMember::Name, *name != after.name),
        (SettingsMember::SenderName, *sender_name != after.sender_name),
        (SettingsMember::SupportPhone, *support_phone != after.support_phone),
        (SettingsMember::TimeZone, *time_zone != after.time_zone),
        (SettingsMember::LinkDays, *link_days != after.link_days),
        (SettingsMember::Reminders, *reminders != after.reminders),
    ];
    changed.into_iter().filter_map(|(member, differs)| differs.then_some(member)).collect()
}

/// What happened in a practice. Contains ids, counts and names of settings, never a value of a setting or of a patient.
#[derive(Clone, Debug, PartialEq, Eq, strum::EnumDiscriminants)]
#[strum_discriminants(
    name(PracticeEventName),
    doc = "The stable name of a kind of practice event.",
    derive(strum::EnumIter, strum::EnumString, strum::IntoStaticStr),
    strum(serialize_all = "kebab-case")
)]
pub enum PracticeEventKind {
    /// The first settings were saved.
    PracticeCreated,
    /// The settings were saved again. Without members, the same settings were saved.
    SettingsSaved {
        /// The members that changed.
        changed: Vec<SettingsMember>,
    },
    /// The terms were accepted, which activated the portal.
    TermsAccepted,
    /// A bulk job began.
    BulkJobBegun {
        /// The job.
        job: JobId,
        /// The number of patients that it names. `None` if it is for all patients who were never invited.
        patients: Option<u32>,
        /// Whether it only previews outcomes.
        dry_run: bool,
    },
    /// A bulk job was cancelled.
    BulkJobCancelled {
        /// The job.
        job: JobId,
    },
}

impl PracticeEventKind {
    /// The name of the kind.
    #[must_use]
    pub fn name(&self) -> PracticeEventName {
        self.into()
    }
}

/// One entry of a practice's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PracticeEvent {
    /// The practice.
    pub practice: PracticeId,
    /// When, by whom and for which request the change was made.
    pub context: ChangeContext,
    /// The event's number within the request.
    pub number: u8,
    /// What happened.
    pub kind: PracticeEventKind,
}

impl PracticeEvent {
    /// The events of a save of settings: what was saved, and whether the save accepted the terms.
    #[must_use]
    pub fn from_save(before: Option<&Practice>, after: &Practice, context: &ChangeContext) -> Vec<Self> {
        let saved = before.map_or(PracticeEventKind::PracticeCreated, |before| PracticeEventKind::SettingsSaved {
            changed: changed_members(&before.settings, &after.settings),
        });
        let was_active = before.is_some_and(|before| before.portal_activated_at.is_some());
        let accepted = (!was_active && after.portal_activated_at.is_some()).then_some(PracticeEventKind::TermsAccepted);
        let event = |(number, kind)| Self { practice: after.id.clone(), context: context.clone(), number, kind };
        (0..).zip([saved].into_iter().chain(accepted)).map(event).collect()
    }

    /// The event of a new bulk job.
    #[must_use]
    pub fn from_new_job(job: &BulkJob, context: ChangeContext) -> Self {
        let patients = match &job.audience {
            Audience::Named { total, .. } => Some(*total),
            Audience::NeverInvited { .. } => None,
        };
        let kind = PracticeEventKind::BulkJobBegun { job: job.id.clone(), patients, dry_run: job.dry_run };
        Self { practice: job.scope.practice().clone(), context, number: 0, kind }
    }

    /// The event of a cancelled bulk job.
    #[must_use]
    pub fn from_cancelled_job(job: &BulkJob, context: ChangeContext) -> Self {
        let kind = PracticeEventKind::BulkJobCancelled { job: job.id.clone() };
        Self { practice: job.scope.practice().clone(), context, number: 0, kind }
    }

    /// The event's place in the practice's history.
    #[must_use]
    pub fn place(&self) -> HistoryPlace {
        HistoryPlace::from_context(&self.context, self.number)
    }

    /// One sentence: who did what.
    #[must_use]
    pub fn sentence(&self) -> String {
        let who = self.context.actor.role.in_words();
        match &self.kind {
            PracticeEventKind::PracticeCreated => format!("{who} saved the practice's settings for the first time."),
            PracticeEventKind::SettingsSaved { changed } if changed.is_empty() => {
                format!("{who} saved the practice's settings without a change.")
            }
            PracticeEventKind::SettingsSaved { changed } => {
                let members: Vec<&str> = changed.iter().map(|member| member.in_words()).collect();
                format!("{who} changed the practice's settings: {}.", members.join(", "))
            }
            PracticeEventKind::TermsAccepted => format!("{who} accepted the terms, which activated the portal."),
            PracticeEventKind::BulkJobBegun { patients, dry_run, .. } => {
                let what = if *dry_run { "began to preview the invitation of" } else { "began to invite" };
                let whom = match patients {
                    None => "all patients who were never invited".to_owned(),
                    Some(1) => "1 patient".to_owned(),
                    Some(count) => format!("{count} patients"),
                };
                format!("{who} {what} {whom}.")
            }
            PracticeEventKind::BulkJobCancelled { .. } => format!("{who} stopped a bulk job."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{practice::LinkDays, testing::samples, timeline::Role};

    fn context() -> ChangeContext {
        samples::staff_context(samples::noon(), "request-1")
    }

    fn saved(before: Option<&Practice>, after: &Practice) -> Vec<PracticeEventKind> {
        PracticeEvent::from_save(before, after, &context()).into_iter().map(|event| event.kind).collect()
    }

    #[test]
    fn a_save_leaves_an_event_and_an_activation_another_one() {
        let active = samples::practice("lake");
        let inactive = Practice { portal_activated_at: None, ..active.clone() };
        assert_eq!(saved(None, &inactive), [PracticeEventKind::PracticeCreated]);
        assert_eq!(saved(None, &active), [PracticeEventKind::PracticeCreated, PracticeEventKind::TermsAccepted]);
        let unchanged = PracticeEventKind::SettingsSaved { changed: vec![] };
        assert_eq!(saved(Some(&inactive), &active), [unchanged.clone(), PracticeEventKind::TermsAccepted]);
        assert_eq!(saved(Some(&active), &active), [unchanged], "an activation happens once");
    }

    #[test]
    fn each_setting_that_differs_is_named() {
        let practice = samples::practice("lake");
        let with = |change: fn(&mut PracticeSettings)| {
            let mut after = practice.settings.clone();
            change(&mut after);
            changed_members(&practice.settings, &after)
        };
        let text = |text| crate::text::DisplayName::parse(text).unwrap();
        let renamed = PracticeSettings { name: text("New"), sender_name: text("Newer"), ..practice.settings.clone() };
        assert_eq!(changed_members(&practice.settings, &renamed), [SettingsMember::Name, SettingsMember::SenderName]);
        let phone = |settings: &mut PracticeSettings| {
            settings.support_phone = crate::text::Phone::parse("555-0199").unwrap();
        };
        assert_eq!(with(phone), [SettingsMember::SupportPhone]);
        assert_eq!(with(|settings| settings.time_zone = chrono_tz::UTC), [SettingsMember::TimeZone]);
        assert_eq!(with(|settings| settings.link_days = LinkDays::new(30).unwrap()), [SettingsMember::LinkDays]);
        let reminders = |settings: &mut PracticeSettings| {
            let old = &settings.reminders;
            let policy = crate::practice::ReminderPolicy::new(vec![], old.opens(), old.closes());
            settings.reminders = policy.unwrap();
        };
        assert_eq!(with(reminders), [SettingsMember::Reminders]);
        assert_eq!(with(|_| {}), []);
    }

    #[test]
    fn each_kind_has_a_sentence() {
        let sentences: Vec<String> = samples::practice_event_kinds()
            .into_iter()
            .map(|kind| {
                let context = samples::context_as(Role::Support, samples::noon(), "request-1");
                PracticeEvent { practice: samples::practice_id("lake"), context, number: 0, kind }.sentence()
            })
            .collect();
        let expected = [
            "Customer Care saved the practice's settings for the first time.",
            "Customer Care saved the practice's settings without a change.",
            "Customer Care changed the practice's settings: name, sender name, support phone, time zone, how long links \
             work, reminders.",
            "Customer Care accepted the terms, which activated the portal.",
            "Customer Care began to invite 1 patient.",
            "Customer Care began to preview the invitation of 12 patients.",
            "Customer Care began to invite all patients who were never invited.",
            "Customer Care stopped a bulk job.",
        ];
        assert_eq!(sentences, expected);
    }
}
