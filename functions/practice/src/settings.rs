//! A practice's settings in JSON.

use chrono::NaiveTime;
use chrono_tz::Tz;
#[cfg(feature = "describe")]
use portal::ids::PracticeId;
use portal::{
    practice::{LinkDays, Practice, PracticeSettings, ReminderPolicy},
    text::{DisplayName, Phone},
};
use portal_aws::http::{
    Problem,
    fields::{Form, flag, list, small_number, text, text_like},
    value::{AfterDays, Daytime, Instant, LinkDayCount, TimeOfDay, TimeZone},
};
use serde::Serialize;

/// The format of a time of day in the API.
const TIME_OF_DAY: &str = "%H:%M";

/// Reads the settings from a body, and whether the practice accepts the terms.
///
/// # Errors
/// [`Problem::Invalid`]
pub fn read(mut form: Form) -> Result<(PracticeSettings, bool), Problem> {
    let name = form.required("name", text(DisplayName::parse).about("The practice's name, as patients know it."));
    let sender_name = form.required("senderName", text(DisplayName::parse).about("The name that mails come from."));
    let support_phone =
        form.required("supportPhone", text(Phone::parse).about("The number that patients call with a question."));
    let time_zone = form.required("timeZone", text_like::<_, _, TimeZone>(str::parse::<Tz>));
    let terms_accepted = form.nested("portal", |portal| {
        let about = "Whether the practice agrees to the terms, which activates the portal. False if it is left out.";
        portal.optional("termsAccepted", flag().about(about))
    });
    let link_days = form.optional(
        "linkDays",
        small_number()
            .then::<_, LinkDayCount>(LinkDays::new)
            .about("For how many days a link works. 7 if it is left out."),
    );
    let reminders = form.nested("reminders", reminders);
    let settings = || {
        Some(PracticeSettings {
            name: name?,
            sender_name: sender_name?,
            support_phone: support_phone?,
            time_zone: time_zone?,
            link_days: link_days.unwrap_or_default(),
            reminders: reminders.unwrap_or_default(),
        })
    };
    form.finish(settings().map(|settings| (settings, terms_accepted.unwrap_or_default())))
}

fn reminders(form: &mut Form) -> Option<ReminderPolicy> {
    let default = ReminderPolicy::default();
    let after_days = form.optional(
        "afterDays",
        list(small_number()).then::<_, AfterDays>(Some).about(
            "How many days after the previous mail each reminder is sent, each number larger than the one before. 3, 7 \
             and 14 if it is left out.",
        ),
    );
    let daytime = form.optional(
        "daytime",
        list(text_like::<_, _, TimeOfDay>(time_of_day)).then::<_, Daytime>(|times| daytime(&times)).about(
            "The time of day in the practice's time zone when reminders may begin and must end, at least an hour apart. \
             On Sundays none is sent. 09:00 to 18:00 if it is left out.",
        ),
    );
    let (opens, closes) = daytime.unwrap_or((default.opens(), default.closes()));
    let after_days = after_days.unwrap_or_else(|| default.after_days().to_vec());
    form.whole(ReminderPolicy::new(after_days, opens, closes))
}

fn daytime(times: &[NaiveTime]) -> Option<(NaiveTime, NaiveTime)> {
    if let [opens, closes] = times { Some((*opens, *closes)) } else { None }
}

fn time_of_day(text: &str) -> Result<NaiveTime, ()> {
    let plain = text.len() == TIME_OF_DAY.len();
    NaiveTime::parse_from_str(text, TIME_OF_DAY).ok().filter(|_| plain).ok_or(())
}

/// A practice's settings.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PracticeSettings"))]
#[serde(rename_all = "camelCase")]
pub struct PracticeJson<'practice> {
    #[cfg_attr(feature = "describe", schemars(with = "PracticeId"))]
    practice_id: &'practice str,
    /// The practice's name, as patients know it.
    #[cfg_attr(feature = "describe", schemars(with = "DisplayName"))]
    name: &'practice str,
    /// The name that mails come from.
    #[cfg_attr(feature = "describe", schemars(with = "DisplayName"))]
    sender_name: &'practice str,
    /// The number that patients call with a question.
    #[cfg_attr(feature = "describe", schemars(with = "Phone"))]
    support_phone: &'practice str,
    #[cfg_attr(feature = "describe", schemars(with = "TimeZone"))]
    time_zone: &'static str,
    portal: PortalJson,
    /// For how many days a link works.
    #[cfg_attr(feature = "describe", schemars(with = "LinkDayCount"))]
    link_days: u8,
    reminders: RemindersJson<'practice>,
    /// Raised by one with every change. The `ETag`, without its quotes.
    version: u64,
}

/// Whether the practice has activated its portal.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PortalActivation"))]
#[serde(rename_all = "camelCase")]
struct PortalJson {
    /// Whether the practice agreed to the terms, which activated the portal.
    terms_accepted: bool,
    /// When the portal was activated. Only if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    activated_at: Option<Instant>,
}

/// When reminders are sent to patients who have not registered.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "ReminderSettings"))]
#[serde(rename_all = "camelCase")]
struct RemindersJson<'practice> {
    /// How many days after the previous mail each reminder is sent.
    #[cfg_attr(feature = "describe", schemars(with = "AfterDays"))]
    after_days: &'practice [u8],
    /// The time of day in the practice's time zone when reminders may begin and must end.
    #[cfg_attr(feature = "describe", schemars(with = "Daytime"))]
    daytime: [String; 2],
}

impl<'practice> PracticeJson<'practice> {
    /// The JSON of a practice and its settings.
    pub fn from_practice(practice: &'practice Practice) -> Self {
        let settings = &practice.settings;
        let reminders = &settings.reminders;
        let time = |time: NaiveTime| time.format(TIME_OF_DAY).to_string();
        Self {
            practice_id: practice.id.as_str(),
            name: settings.name.as_str(),
            sender_name: settings.sender_name.as_str(),
            support_phone: settings.support_phone.as_str(),
            time_zone: settings.time_zone.name(),
            portal: PortalJson {
                terms_accepted: practice.portal_activated_at.is_some(),
                activated_at: practice.portal_activated_at.map(Instant),
            },
            link_days: settings.link_days.get(),
            reminders: RemindersJson {
                after_days: reminders.after_days(),
                daytime: [time(reminders.opens()), time(reminders.closes())],
            },
            version: practice.version,
        }
    }
}
