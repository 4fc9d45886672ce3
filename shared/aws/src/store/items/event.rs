//! An event of a timeline. It is written once and never changed.

use std::borrow::Cow;

use portal::{
    ids::{InvitationId, MessageId, RecordKey},
    ports::StoreError,
    states::FacetStates,
    text::CloseReason,
    timeline::{EventKind, EventName, TimelineEvent},
};
use serde::{Deserialize, Serialize};

use super::{Item, Unreadable, change_context::Context, corrupt, named, need, parsed};
use crate::store::keys;

#[derive(Serialize, Deserialize)]
struct EventItem<'event> {
    version: u64,
    kind: Cow<'event, str>,
    #[serde(flatten)]
    context: Context<'event>,
    before: Option<States<'event>>,
    after: States<'event>,
    #[serde(flatten)]
    details: Details<'event>,
}

/// Choice, invitation and account, in this order.
type States<'event> = [Cow<'event, str>; 3];

/// The details that some kinds of event have.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Details<'event> {
    invitation: Option<Cow<'event, str>>,
    another_address: Option<bool>,
    /// Present only if true.
    address_confirmed: Option<bool>,
    attempt: Option<u32>,
    message: Option<Cow<'event, str>>,
    delivery: Option<Cow<'event, str>>,
    reason: Option<Cow<'event, str>>,
    guesses: Option<u8>,
    notice: Option<Cow<'event, str>>,
    /// The names of members of the profile. Absent instead of empty.
    changed: Option<Vec<Cow<'event, str>>>,
}

/// Encodes the item.
pub(in crate::store) fn encode(key: &RecordKey, event: &TimelineEvent) -> Result<Item, StoreError> {
    let TimelineEvent { version, context, kind, before, after } = event;
    let body = EventItem {
        version: *version,
        kind: <&str>::from(kind.name()).into(),
        context: context.into(),
        before: before.map(names),
        after: names(*after),
        details: details(kind),
    };
    super::encode(&keys::event(key, *version), &body)
}

/// Decodes the item.
pub(in crate::store) fn decode(item: Item) -> Result<TimelineEvent, StoreError> {
    super::decode(item).and_then(event).map_err(corrupt)
}

fn event(item: EventItem<'_>) -> Result<TimelineEvent, Unreadable> {
    let EventItem { version, kind: name, context, before, after, details } = item;
    Ok(TimelineEvent {
        version,
        context: context.decode()?,
        kind: kind(&name, &details)?,
        before: before.map(|names| states(&names, "before")).transpose()?,
        after: states(&after, "after")?,
    })
}

fn names(states: FacetStates) -> States<'static> {
    let FacetStates { choice, invitation, account } = states;
    [choice.into(), invitation.into(), account.into()].map(Cow::Borrowed)
}

fn states(names: &States<'_>, attribute: &'static str) -> Result<FacetStates, Unreadable> {
    let [choice, invitation, account] = names;
    Ok(FacetStates {
        choice: named(choice, attribute)?,
        invitation: named(invitation, attribute)?,
        account: named(account, attribute)?,
    })
}

/// The inverse of [`EventKind::name`] and [`details`]. Tests cover every kind.
fn kind(name: &str, details: &Details<'_>) -> Result<EventKind, Unreadable> {
    let invitation = || parsed(InvitationId::parse(need(details.invitation.as_deref(), "invitation")?), "invitation");
    let message = || parsed(MessageId::parse(need(details.message.as_deref(), "message")?), "message");
    let reason = || need(details.reason.as_deref(), "reason");
    let fail_reason = || named(reason()?, "reason");
    let revoke_reason = || named(reason()?, "reason");
    let delivery = || named(need(details.delivery.as_deref(), "delivery")?, "delivery");
    let notice = || named(need(details.notice.as_deref(), "notice")?, "notice");
    let changed = || details.changed.iter().flatten().map(|member| named(member, "changed")).collect::<Result<_, _>>();
    let address_confirmed = details.address_confirmed.unwrap_or_default();
    let another_address = || need(details.another_address, "another_address");
    Ok(match named(name, "kind")? {
        EventName::ProfileSaved => EventKind::ProfileSaved { changed: changed()? },
        EventName::Invited => EventKind::Invited { invitation: invitation()?, address_confirmed },
        EventName::Reinvited => {
            EventKind::Reinvited { invitation: invitation()?, another_address: another_address()?, address_confirmed }
        }
        EventName::InvitationSent => EventKind::InvitationSent {
            invitation: invitation()?,
            attempt: need(details.attempt, "attempt")?,
            message: message()?,
        },
        EventName::InvitationFailed => {
            EventKind::InvitationFailed { invitation: invitation()?, reason: fail_reason()? }
        }
        EventName::InvitationRevoked => {
            EventKind::InvitationRevoked { invitation: invitation()?, reason: revoke_reason()? }
        }
        EventName::DeliveryChanged => EventKind::DeliveryChanged { invitation: invitation()?, delivery: delivery()? },
        EventName::DateOfBirthChecked => {
            EventKind::DateOfBirthChecked { birth_date_attempts: need(details.guesses, "guesses")? }
        }
        EventName::Registered => EventKind::Registered,
        EventName::OptedOut => EventKind::OptedOut,
        EventName::OptedIn => EventKind::OptedIn,
        EventName::AccountEmailChanged => EventKind::AccountEmailChanged,
        EventName::AccountClosed => {
            EventKind::AccountClosed { reason: parsed(CloseReason::parse(reason()?), "reason")? }
        }
        EventName::AccountReopened => EventKind::AccountReopened,
        EventName::NoticeSent => EventKind::NoticeSent { notice: notice()?, message: message()? },
        EventName::NoticeFailed => EventKind::NoticeFailed { notice: notice()?, reason: fail_reason()? },
        EventName::RemindersStopped => EventKind::RemindersStopped,
    })
}

fn details(kind: &EventKind) -> Details<'_> {
    match kind {
        EventKind::ProfileSaved { changed } => Details {
            changed: (!changed.is_empty()).then(|| changed.iter().map(|member| member.name().into()).collect()),
            ..Details::default()
        },
        EventKind::Registered
        | EventKind::OptedOut
        | EventKind::OptedIn
        | EventKind::AccountEmailChanged
        | EventKind::AccountReopened
        | EventKind::RemindersStopped => Details::default(),
        EventKind::Invited { invitation, address_confirmed } => Details {
            invitation: Some(invitation.as_str().into()),
            address_confirmed: address_confirmed.then_some(true),
            ..Details::default()
        },
        EventKind::Reinvited { invitation, another_address, address_confirmed } => Details {
            invitation: Some(invitation.as_str().into()),
            another_address: Some(*another_address),
            address_confirmed: address_confirmed.then_some(true),
            ..Details::default()
        },
        EventKind::InvitationSent { invitation, attempt, message } => Details {
            invitation: Some(invitation.as_str().into()),
            attempt: Some(*attempt),
            message: Some(message.as_str().into()),
            ..Details::default()
        },
        EventKind::InvitationFailed { invitation, reason } => Details {
            invitation: Some(invitation.as_str().into()),
            reason: Some(reason.name().into()),
            ..Details::default()
        },
        EventKind::InvitationRevoked { invitation, reason } => Details {
            invitation: Some(invitation.as_str().into()),
            reason: Some(reason.name().into()),
            ..Details::default()
        },
        EventKind::DeliveryChanged { invitation, delivery } => Details {
            invitation: Some(invitation.as_str().into()),
            delivery: Some(delivery.name().into()),
            ..Details::default()
        },
        EventKind::AccountClosed { reason } => Details { reason: Some(reason.expose().into()), ..Details::default() },
        EventKind::NoticeSent { notice, message } => {
            Details { notice: Some(notice.name().into()), message: Some(message.as_str().into()), ..Details::default() }
        }
        EventKind::NoticeFailed { notice, reason } => {
            Details { notice: Some(notice.name().into()), reason: Some(reason.name().into()), ..Details::default() }
        }
        EventKind::DateOfBirthChecked { birth_date_attempts } => {
            Details { guesses: Some(*birth_date_attempts), ..Details::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use portal::{
        states::{AccountFacet, ChoiceFacet, InvitationFacet, RevokeReason},
        testing::samples,
        timeline::Role,
    };
    use strum::IntoEnumIterator as _;

    use super::*;

    fn read_back(event: &TimelineEvent) -> Result<TimelineEvent, StoreError> {
        decode(encode(&samples::key("lake", "p-1"), event).unwrap())
    }

    fn an_event(kind: EventKind) -> TimelineEvent {
        let states =
            FacetStates { choice: ChoiceFacet::In, invitation: InvitationFacet::None, account: AccountFacet::None };
        TimelineEvent {
            version: 7,
            context: samples::staff_context(samples::noon(), "request-1"),
            kind,
            before: None,
            after: states,
        }
    }

    #[test]
    fn every_kind_of_event_can_be_decoded() {
        for kind in samples::event_kinds() {
            let event = an_event(kind);
            assert_eq!(read_back(&event).unwrap(), event);
        }
    }

    #[test]
    fn every_state_and_every_actor_can_be_decoded() {
        for choice in ChoiceFacet::iter() {
            for invitation in InvitationFacet::iter() {
                for account in AccountFacet::iter() {
                    let after = FacetStates { choice, invitation, account };
                    let event = TimelineEvent { before: Some(after), after, ..an_event(EventKind::OptedIn) };
                    assert_eq!(read_back(&event).unwrap(), event);
                }
            }
        }
        for role in Role::iter() {
            let context = samples::context_as(role, samples::noon(), "request-1");
            let event = TimelineEvent { context, ..an_event(EventKind::Registered) };
            assert_eq!(read_back(&event).unwrap(), event);
        }
    }

    #[test]
    fn an_item_that_was_never_written_is_corrupt() {
        let kind = EventKind::InvitationRevoked {
            invitation: samples::invitation_id("invitation-1"),
            reason: RevokeReason::Declined,
        };
        let good = encode(&samples::key("lake", "p-1"), &an_event(kind)).unwrap();
        for name in ["version", "kind", "at", "role", "request", "after", "invitation", "reason", "schema"] {
            let mut item = good.clone();
            assert!(item.remove(name).is_some(), "{name}");
            assert!(matches!(decode(item), Err(StoreError::Corrupt(_))), "{name}");
        }
        for name in ["kind", "role", "request", "by", "invitation", "reason"] {
            let mut item = good.clone();
            item.insert(name.to_owned(), crate::store::expression::text("no such thing"));
            assert!(matches!(decode(item), Err(StoreError::Corrupt(_))), "{name}");
        }
    }
}
