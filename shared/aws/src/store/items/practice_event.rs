//! An event of a practice's history. It is written once and never changed.

use std::borrow::Cow;

use portal::{
    ids::{JobId, PracticeId},
    ports::StoreError,
    practice_history::{PracticeEvent, PracticeEventKind, PracticeEventName},
};
use serde::{Deserialize, Serialize};

use super::{Item, Unreadable, change_context::Context, corrupt, named, need, parsed};
use crate::store::keys;

#[derive(Serialize, Deserialize)]
struct PracticeEventItem<'event> {
    practice: Cow<'event, str>,
    number: u8,
    kind: Cow<'event, str>,
    #[serde(flatten)]
    context: Context<'event>,
    #[serde(flatten)]
    details: Details<'event>,
}

/// The details that some kinds of event have.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Details<'event> {
    /// The names of settings. Absent instead of empty.
    changed: Option<Vec<Cow<'event, str>>>,
    job: Option<Cow<'event, str>>,
    patients: Option<u32>,
    dry_run: Option<bool>,
}

/// Encodes the item.
pub(in crate::store) fn encode(event: &PracticeEvent) -> Result<Item, StoreError> {
    let PracticeEvent { practice, context, number, kind } = event;
    let body = PracticeEventItem {
        practice: practice.as_str().into(),
        number: *number,
        kind: <&str>::from(kind.name()).into(),
        context: context.into(),
        details: details(kind),
    };
    super::encode(&keys::practice_event(practice, &event.place()), &body)
}

/// Decodes the item.
pub(in crate::store) fn decode(item: Item) -> Result<PracticeEvent, StoreError> {
    super::decode(item).and_then(event).map_err(corrupt)
}

fn event(item: PracticeEventItem<'_>) -> Result<PracticeEvent, Unreadable> {
    let PracticeEventItem { practice, number, kind: name, context, details } = item;
    Ok(PracticeEvent {
        practice: parsed(PracticeId::parse(&practice), "practice")?,
        context: context.decode()?,
        number,
        kind: kind(&name, &details)?,
    })
}

/// The inverse of [`PracticeEventKind::name`] and [`details`]. Tests cover every kind.
fn kind(name: &str, details: &Details<'_>) -> Result<PracticeEventKind, Unreadable> {
    let job = || parsed(JobId::parse(need(details.job.as_deref(), "job")?), "job");
    Ok(match named(name, "kind")? {
        PracticeEventName::PracticeCreated => PracticeEventKind::PracticeCreated,
        PracticeEventName::SettingsSaved => {
            let changed = details.changed.iter().flatten().map(|member| named(member, "changed"));
            PracticeEventKind::SettingsSaved { changed: changed.collect::<Result<_, _>>()? }
        }
        PracticeEventName::TermsAccepted => PracticeEventKind::TermsAccepted,
        PracticeEventName::BulkJobBegun => PracticeEventKind::BulkJobBegun {
            job: job()?,
            patients: details.patients,
            dry_run: need(details.dry_run, "dry_run")?,
        },
        PracticeEventName::BulkJobCancelled => PracticeEventKind::BulkJobCancelled { job: job()? },
    })
}

fn details(kind: &PracticeEventKind) -> Details<'_> {
    match kind {
        PracticeEventKind::PracticeCreated | PracticeEventKind::TermsAccepted => Details::default(),
        PracticeEventKind::SettingsSaved { changed } => Details {
            changed: (!changed.is_empty()).then(|| changed.iter().map(|member| member.name().into()).collect()),
            ..Details::default()
        },
        PracticeEventKind::BulkJobBegun { job, patients, dry_run } => Details {
            job: Some(job.as_str().into()),
            patients: *patients,
            dry_run: Some(*dry_run),
            ..Details::default()
        },
        PracticeEventKind::BulkJobCancelled { job } => Details { job: Some(job.as_str().into()), ..Details::default() },
    }
}

#[cfg(test)]
mod tests {
    use portal::{testing::samples, timeline::Role};

    use super::*;

    fn an_event(kind: PracticeEventKind) -> PracticeEvent {
        let context = samples::context_as(Role::Support, samples::noon(), "request-1");
        PracticeEvent { practice: samples::practice_id("lake"), context, number: 1, kind }
    }

    #[test]
    fn every_kind_of_event_can_be_decoded() {
        for kind in samples::practice_event_kinds() {
            let event = an_event(kind);
            assert_eq!(decode(encode(&event).unwrap()).unwrap(), event);
        }
    }

    #[test]
    fn an_item_that_was_never_written_is_corrupt() {
        let job = samples::job_id("job-1");
        let good = encode(&an_event(PracticeEventKind::BulkJobBegun { job, patients: None, dry_run: true })).unwrap();
        for name in ["practice", "number", "kind", "at", "role", "request", "job", "dry_run", "schema"] {
            let mut item = good.clone();
            assert!(item.remove(name).is_some(), "{name}");
            assert!(matches!(decode(item), Err(StoreError::Corrupt(_))), "{name}");
        }
        for name in ["practice", "kind", "role", "request", "by", "job"] {
            let mut item = good.clone();
            item.insert(name.to_owned(), crate::store::expression::text("no such thing"));
            assert!(matches!(decode(item), Err(StoreError::Corrupt(_))), "{name}");
        }
    }
}
