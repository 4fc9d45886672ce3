//! The settings of a practice.

use chrono::NaiveTime;
use portal::{
    ids::PracticeId,
    ports::StoreError,
    practice::{LinkDays, Practice, PracticeSettings, ReminderPolicy},
    text::{DisplayName, Phone},
};
use serde::{Deserialize, Serialize};

use super::{Item, Millis, Unreadable, corrupt, need, parsed};
use crate::store::keys;

#[derive(Serialize, Deserialize)]
struct PracticeItem {
    practice: String,
    version: u64,
    name: String,
    sender_name: String,
    support_phone: String,
    time_zone: String,
    link_days: u8,
    reminder_days: Vec<u8>,
    opens: NaiveTime,
    closes: NaiveTime,
    #[serde(default)]
    activated_at: Option<Millis>,
}

/// Encodes the item.
pub(in crate::store) fn encode(practice: &Practice) -> Result<Item, StoreError> {
    let Practice { id, settings, portal_activated_at, version } = practice;
    let PracticeSettings { name, sender_name, support_phone, time_zone, link_days, reminders } = settings;
    let body = PracticeItem {
        practice: id.as_str().to_owned(),
        version: *version,
        name: name.as_str().to_owned(),
        sender_name: sender_name.as_str().to_owned(),
        support_phone: support_phone.as_str().to_owned(),
        time_zone: time_zone.name().to_owned(),
        link_days: link_days.get(),
        reminder_days: reminders.after_days().to_vec(),
        opens: reminders.opens(),
        closes: reminders.closes(),
        activated_at: portal_activated_at.map(Millis),
    };
    super::encode(&keys::practice(id), &body)
}

/// Decodes the item.
pub(in crate::store) fn decode(item: Item) -> Result<Practice, StoreError> {
    super::decode(item).and_then(practice).map_err(corrupt)
}

fn practice(item: PracticeItem) -> Result<Practice, Unreadable> {
    Ok(Practice {
        id: parsed(PracticeId::parse(&item.practice), "practice")?,
        settings: PracticeSettings {
            name: parsed(DisplayName::parse(&item.name), "name")?,
            sender_name: parsed(DisplayName::parse(&item.sender_name), "sender_name")?,
            support_phone: parsed(Phone::parse(&item.support_phone), "support_phone")?,
            time_zone: parsed(item.time_zone.parse(), "time_zone")?,
            link_days: need(LinkDays::new(item.link_days), "link_days")?,
            reminders: need(ReminderPolicy::new(item.reminder_days, item.opens, item.closes), "reminder_days")?,
        },
        portal_activated_at: item.activated_at.map(Into::into),
        version: item.version,
    })
}
