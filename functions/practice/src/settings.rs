//! A practice's settings in JSON.

use chrono::NaiveTime;
use chrono_tz::Tz;
use portal::{
    practice::{LinkDays, Practice, PracticeSettings, ReminderPolicy},
    text::{DisplayName, Phone},
};
use portal_aws::http::{
    Problem,
    fields::{FieldCode, Form, flag, list, small_number, text},
    respond::instant,
};
use serde::Serialize;
use serde_json::Value;

/// A time of day as the API writes it.
const TIME_OF_DAY: &str = "%H:%M";

/// Reads the settings that a body gives, and whether it accepts the terms.
pub fn read(mut form: Form) -> Result<(PracticeSettings, bool), Problem> {
    let name = form.required("name", text(DisplayName::parse));
    let sender_name = form.required("senderName", text(DisplayName::parse));
    let support_phone = form.required("supportPhone", text(Phone::parse));
    let time_zone = form.required("timeZone", text(str::parse::<Tz>));
    let terms_accepted = form.nested("portal", |portal| portal.optional("termsAccepted", flag));
    let link_days = form.optional("linkDays", link_days);
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

fn link_days(value: &Value) -> Result<LinkDays, FieldCode> {
    LinkDays::new(small_number(value)?).ok_or(FieldCode::Invalid)
}

fn reminders(form: &mut Form) -> Option<ReminderPolicy> {
    let usual = ReminderPolicy::default();
    let after_days = form.optional("afterDays", list(small_number));
    let daytime = form.optional("daytime", daytime);
    let (opens, closes) = daytime.unwrap_or((usual.opens(), usual.closes()));
    let after_days = after_days.unwrap_or_else(|| usual.after_days().to_vec());
    form.whole(ReminderPolicy::new(after_days, opens, closes))
}

fn daytime(value: &Value) -> Result<(NaiveTime, NaiveTime), FieldCode> {
    match list(|time| text(time_of_day)(time))(value)?.as_slice() {
        [opens, closes] => Ok((*opens, *closes)),
        _ => Err(FieldCode::Invalid),
    }
}

fn time_of_day(text: &str) -> Result<NaiveTime, ()> {
    let plain = text.len() == TIME_OF_DAY.len();
    NaiveTime::parse_from_str(text, TIME_OF_DAY).ok().filter(|_| plain).ok_or(())
}

/// A practice as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PracticeJson<'practice> {
    practice_id: &'practice str,
    name: &'practice str,
    sender_name: &'practice str,
    support_phone: &'practice str,
    time_zone: &'static str,
    portal: PortalJson,
    link_days: u8,
    reminders: RemindersJson<'practice>,
    version: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PortalJson {
    terms_accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    activated_at: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RemindersJson<'practice> {
    after_days: &'practice [u8],
    daytime: [String; 2],
}

impl<'practice> PracticeJson<'practice> {
    /// A practice and its settings.
    pub fn of(practice: &'practice Practice) -> Self {
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
                activated_at: practice.portal_activated_at.map(instant),
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
