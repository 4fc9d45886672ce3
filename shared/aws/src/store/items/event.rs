//! One entry of a record's history. Written once and never again.

use portal::{
    ids::{RecordKey, Subject},
    ports::StoreError,
    timeline::{Act, Actor, EventKind, FacetStates, TimelineEvent},
};
use serde::Serialize;

use super::{Item, Millis};
use crate::store::keys;

#[derive(Serialize)]
struct EventItem<'event> {
    version: u64,
    kind: &'static str,
    at: Millis,
    role: &'static str,
    by: Option<&'event str>,
    request: &'event str,
    /// Choice, invitation and account, in this order.
    before: Option<[&'static str; 3]>,
    after: [&'static str; 3],
    #[serde(flatten)]
    details: Details<'event>,
}

/// What some kinds of event say beside their name.
#[derive(Default, Serialize)]
struct Details<'event> {
    invitation: Option<&'event str>,
    another_address: Option<bool>,
    attempt: Option<u32>,
    message: Option<&'event str>,
    delivery: Option<&'static str>,
    reason: Option<&'static str>,
    guesses: Option<u8>,
    notice: Option<&'static str>,
}

/// Makes the item.
pub(in crate::store) fn encode(key: &RecordKey, event: &TimelineEvent) -> Result<Item, StoreError> {
    let TimelineEvent { version, act: Act { at, actor: Actor { role, subject }, request }, kind, before, after } =
        event;
    let body = EventItem {
        version: *version,
        kind: kind.name(),
        at: Millis(*at),
        role: role.name(),
        by: subject.as_ref().map(Subject::as_str),
        request: request.as_str(),
        before: before.map(names),
        after: names(*after),
        details: details(kind),
    };
    super::encode(&keys::event(key, *version), &body)
}

const fn names(states: FacetStates) -> [&'static str; 3] {
    let FacetStates { choice, invitation, account } = states;
    [choice, invitation, account]
}

fn details(kind: &EventKind) -> Details<'_> {
    match kind {
        EventKind::ProfileSaved
        | EventKind::Registered
        | EventKind::OptedOut
        | EventKind::OptedIn
        | EventKind::AccountEmailChanged
        | EventKind::RemindersStopped => Details::default(),
        EventKind::Invited { invitation } => Details { invitation: Some(invitation.as_str()), ..Details::default() },
        EventKind::Reinvited { invitation, another_address } => Details {
            invitation: Some(invitation.as_str()),
            another_address: Some(*another_address),
            ..Details::default()
        },
        EventKind::InvitationSent { invitation, attempt, message } => Details {
            invitation: Some(invitation.as_str()),
            attempt: Some(*attempt),
            message: Some(message.as_str()),
            ..Details::default()
        },
        EventKind::InvitationFailed { invitation, reason } => {
            Details { invitation: Some(invitation.as_str()), reason: Some(reason.name()), ..Details::default() }
        }
        EventKind::InvitationRevoked { invitation, reason } => {
            Details { invitation: Some(invitation.as_str()), reason: Some(reason.name()), ..Details::default() }
        }
        EventKind::DeliveryChanged { invitation, delivery } => {
            Details { invitation: Some(invitation.as_str()), delivery: Some(delivery.name()), ..Details::default() }
        }
        EventKind::NoticeSent { notice, message } => {
            Details { notice: Some(notice.name()), message: Some(message.as_str()), ..Details::default() }
        }
        EventKind::NoticeFailed { notice, reason } => {
            Details { notice: Some(notice.name()), reason: Some(reason.name()), ..Details::default() }
        }
        EventKind::DateOfBirthChecked { guesses } => Details { guesses: Some(*guesses), ..Details::default() },
    }
}
