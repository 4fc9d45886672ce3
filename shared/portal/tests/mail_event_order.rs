//! SES's events and the sender's stamp may arrive in any order, and repeatedly: the result is the same.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chrono::TimeDelta;
use portal::{
    email::EmailAddress,
    practice::Practice,
    record::guards::Recipient,
    record::{Change, Invitation, InvitationState, PortalRecord, account::Registration, delivery::MailEvent},
    states::Delivery,
    testing::samples,
    timeline::{ChangeContext, EventKind, Role},
};
use proptest::prelude::*;

/// What is recorded.
#[derive(Clone, Copy, Debug)]
enum Arrival {
    /// The sender records that SES accepted the mail.
    Stamp,
    /// An event of SES.
    Event(Delivery),
}

/// A command in between, if the rules allow it at that time.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Nothing,
    Revoke,
    OptOut,
    Register,
    Reinvite,
    ReinviteElsewhere,
}

/// A record whose mail a sender has claimed.
struct World {
    practice: Practice,
    record: PortalRecord,
    mailed: Invitation,
    stamps: usize,
}

impl World {
    fn new() -> Self {
        let (practice, id) = (samples::practice("north"), samples::invitation_id("i-1"));
        let patient = samples::new_patient(&samples::key("north", "p-1"), samples::profile(Some("jose@example.com")));
        let invited = patient.after.invite(
            &practice,
            &Recipient::default(),
            id.clone(),
            samples::staff_context(samples::noon(), "invite"),
        );
        let record = invited.unwrap().after.claim(&samples::claim_request(&id, samples::noon(), 1)).unwrap();
        let mailed = record.invitation.clone().unwrap();
        Self { practice, record, mailed, stamps: 0 }
    }

    fn context(role: Role) -> ChangeContext {
        samples::context_as(role, samples::noon() + TimeDelta::minutes(2), "meanwhile")
    }

    fn commit(&mut self, change: Change) {
        assert_eq!(change.before.as_ref(), Some(&self.record));
        assert_eq!(change.after.version, self.record.version + 1, "a change raises the version by one");
        assert_ne!(
            change.after,
            PortalRecord { version: change.after.version, ..self.record.clone() },
            "a change changes the record"
        );
        if matches!(change.event.kind, EventKind::InvitationSent { .. }) {
            self.stamps += 1;
        }
        assert!(self.stamps <= 1, "no invitation is stamped twice");
        if let (Some(before), Some(after)) = (delivery(&self.record), delivery(&change.after)) {
            assert!(after > before, "the rank of the delivery never falls");
        }
        self.record = change.after;
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Stamp => {
                // Like the sender: with the fence of its claim.
                let (id, message) = (self.mailed.id.clone(), samples::message_id(1));
                if let Some(change) = self.record.stamp(&self.practice, &id, 1, message, Self::context(Role::Sender)) {
                    self.commit(change);
                }
            }
            Arrival::Event(delivery) => {
                let event = MailEvent {
                    key: self.record.key.clone(),
                    invitation: self.mailed.id.clone(),
                    attempt: 1,
                    message: samples::message_id(1),
                    delivery,
                };
                for _ in 0..2 {
                    if let Some(change) =
                        self.record.record_event(&self.practice, &event, Self::context(Role::MailService))
                    {
                        self.commit(change);
                    }
                }
                let more = self.record.record_event(&self.practice, &event, Self::context(Role::MailService));
                assert_eq!(more, None, "an event makes at most two changes, and a repeat makes none");
            }
        }
    }

    /// Executes a command in between. Returns whether the rules allowed it.
    fn meanwhile(&mut self, command: Meanwhile) -> bool {
        let elsewhere = samples::email("elsewhere@example.com");
        let again = |email: Option<&EmailAddress>| {
            let id = samples::invitation_id("i-2");
            self.record.reinvite(&self.practice, &email.into(), id, Self::context(Role::Staff)).ok()
        };
        let change = match command {
            Meanwhile::Nothing => None,
            Meanwhile::Revoke => self.record.revoke(Self::context(Role::Staff)).ok(),
            Meanwhile::OptOut => self.record.opt_out(Self::context(Role::Staff)).ok(),
            Meanwhile::Reinvite => again(None),
            Meanwhile::ReinviteElsewhere => again(Some(&elsewhere)),
            Meanwhile::Register => {
                let id = samples::account_id("account-1");
                let registered = self.record.register(samples::date_of_birth(), id, None, Self::context(Role::Patient));
                let Registration::Registered(change) = registered else { panic!("{registered:?}") };
                Some(*change)
            }
        };
        let allowed = change.is_some();
        if let Some(change) = change {
            self.record = change.after;
        }
        allowed
    }
}

fn delivery(record: &PortalRecord) -> Option<Delivery> {
    match &record.invitation.as_ref()?.state {
        InvitationState::Sent { delivery, .. } => Some(*delivery),
        InvitationState::Queued
        | InvitationState::Sending { .. }
        | InvitationState::Failed { .. }
        | InvitationState::Revoked { .. }
        | InvitationState::Consumed { .. } => None,
    }
}

/// Up to two stamps and up to seven events, in any order.
fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let delivery = prop::sample::select(vec![
        Delivery::Accepted,
        Delivery::Delayed,
        Delivery::Delivered,
        Delivery::Complained,
        Delivery::Bounced,
        Delivery::Rejected,
        Delivery::Suppressed,
    ]);
    let events = prop::collection::vec(delivery.prop_map(Arrival::Event), 0..8);
    let stamp = prop::collection::vec(Just(Arrival::Stamp), 0..3);
    (events, stamp).prop_map(|(events, stamp)| [events, stamp].concat()).prop_shuffle()
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop::sample::select(vec![
        Meanwhile::Nothing,
        Meanwhile::Revoke,
        Meanwhile::OptOut,
        Meanwhile::Register,
        Meanwhile::Reinvite,
        Meanwhile::ReinviteElsewhere,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_order_has_the_same_result(arrivals in arrivals(), command in meanwhile(), place: prop::sample::Index) {
        let place = place.index(arrivals.len() + 1);
        let mut world = World::new();
        let (early, late) = arrivals.split_at(place);
        for arrival in early {
            world.arrive(*arrival);
        }
        let allowed = world.meanwhile(command);
        let record_after_command = world.record.clone();
        for arrival in late {
            world.arrive(*arrival);
        }

        let rank = |arrival: &Arrival| if let Arrival::Event(delivery) = arrival { *delivery } else { Delivery::Accepted };
        let highest = arrivals.iter().map(rank).max();
        let end = world.record.invitation.clone().unwrap();
        let superseded = allowed && matches!(command, Meanwhile::Reinvite | Meanwhile::ReinviteElsewhere);
        if superseded {
            prop_assert_eq!(&world.record, &record_after_command, "late events of an older mail do not change a newer invitation");
        } else if allowed && matches!(command, Meanwhile::Revoke | Meanwhile::Register) {
            prop_assert_eq!(delivery(&world.record), None, "an ended invitation stays ended");
            prop_assert_eq!(end.receipt().is_some(), highest.is_some());
        } else {
            prop_assert_eq!(delivery(&world.record), highest, "the highest rank, in every order");
        }
        prop_assert_eq!(world.stamps, usize::from(highest.is_some()));
        prop_assert_eq!(world.record.first_sent_at.is_some(), highest.is_some());
    }
}
