//! Mail events of SES, and the changes that they make.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    ids::{PracticeId, RecordKey},
    operations::{
        deliver::DeliveryOutcome,
        mail_event::{EventOutcome, record_event},
    },
    panel::{DateField, InvitationReason, InvitationStatus},
    ports::{
        ChangeStore, ClaimOutcome, Clock as _, CommitOutcome, DeliveryStore, DueEntry, DueShard, InvitationMail,
        Mailer, NoticeMail, Ports, SendOutcome, StoreError,
    },
    practice::Practice,
    record::guards::Recipient,
    record::{
        Change, InvitationState, NextActionKind, PortalRecord,
        delivery::{ClaimRequest, MailEvent},
    },
    refusal::{RefusalCode, ReinviteRefusal},
    states::{Delivery, FailReason},
    testing::{Fault, MemoryStore, Refused, refusal, samples},
    timeline::{EventKind, EventName, Role},
};

use crate::{
    stage::{
        Bounced, DAY, Expired, Failed, GAP, New, OTHER, OptedOut, Queued, Registered, Revoked, STAGES, Sending, Sent,
        Step, day, may,
    },
    world::{ADDRESS, World},
};

/// All delivery states, lowest rank first.
const RANKS: [Delivery; 7] = [
    Delivery::Accepted,
    Delivery::Delayed,
    Delivery::Delivered,
    Delivery::Complained,
    Delivery::Bounced,
    Delivery::Rejected,
    Delivery::Suppressed,
];

impl World {
    /// An event about an attempt to hand over the current invitation's mail.
    fn event(&self, attempt: u32, delivery: Delivery) -> MailEvent {
        let record = self.record();
        let invitation = record.invitation.map_or_else(|| samples::invitation_id("none"), |invitation| invitation.id);
        MailEvent { key: record.key, invitation, attempt, message: samples::message_id(7), delivery }
    }

    async fn record_event(&self, event: &MailEvent) -> EventOutcome {
        record_event(&self.ports(), event, &self.request).await.unwrap()
    }

    /// Records an event about the first attempt.
    async fn report(&self, delivery: Delivery) -> EventOutcome {
        self.record_event(&self.event(1, delivery)).await
    }

    fn delivery(&self) -> Option<Delivery> {
        match self.record().invitation?.state {
            InvitationState::Sent { delivery, .. } => Some(delivery),
            InvitationState::Queued
            | InvitationState::Sending { .. }
            | InvitationState::Failed { .. }
            | InvitationState::Revoked { .. }
            | InvitationState::Consumed { .. } => None,
        }
    }

    /// The timeline events by SES.
    fn ses_events(&self) -> Vec<EventKind> {
        let events = self.store.timeline(&samples::key("north", "p-1"));
        events
            .into_iter()
            .filter(|event| event.context.actor.role == Role::MailService)
            .map(|event| event.kind)
            .collect()
    }

    /// How often the acceptance of a mail was recorded.
    fn stamps(&self) -> usize {
        let events = self.store.timeline(&samples::key("north", "p-1"));
        events.iter().filter(|event| matches!(event.kind, EventKind::InvitationSent { .. })).count()
    }
}

#[tokio::test]
async fn a_mail_without_a_stamp_is_stamped_by_an_event() {
    let world = World::at(Sending).await;
    let invitation = world.record().invitation.unwrap().id;
    assert_eq!(world.report(Delivery::Accepted).await, EventOutcome::Recorded);
    let sent = EventKind::InvitationSent { invitation, attempt: 1, message: samples::message_id(7) };
    assert_eq!(world.ses_events(), [sent]);
    let panel = world.status("p-1").await;
    assert_eq!((panel.invitation.state, panel.invitation.delivery), (InvitationStatus::Sent, Some(Delivery::Accepted)));
    assert_eq!((day(panel.activated_on), world.usable_links()), (may(5), vec![true]));
    assert_eq!(world.record().next_action.unwrap().kind, NextActionKind::Remind, "a reminder is scheduled");

    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.sweep().await.queued, 0, "nothing is left to send");
    assert_eq!(world.report(Delivery::Accepted).await, EventOutcome::Known);
}

#[tokio::test]
async fn an_event_makes_the_same_change_as_the_sender() {
    for opted_out in [false, true] {
        let world = World::at(Sending).await;
        if opted_out {
            world.staff(Step::OptOut).await.unwrap();
        }
        let (record, now) = (world.record(), world.clock.now());
        let invitation = record.invitation.clone().unwrap().id;
        let context = samples::context_as(Role::MailService, now, "request-1");
        let stamped =
            record.stamp(&samples::practice("north"), &invitation, record.fence, samples::message_id(7), context);
        assert_eq!(world.report(Delivery::Accepted).await, EventOutcome::Recorded);
        assert_eq!(world.record(), stamped.unwrap().after, "opted out: {opted_out}");
    }
}

#[tokio::test]
async fn each_stage_has_its_outcome_for_a_send_event() {
    for (stage, expected) in [
        (New, EventOutcome::Foreign),
        (Queued, EventOutcome::Foreign),
        (Sending, EventOutcome::Recorded),
        (Sent, EventOutcome::Known),
        (Expired, EventOutcome::Known),
        (Bounced, EventOutcome::Known),
        (Failed, EventOutcome::Recorded),
        (Revoked, EventOutcome::Foreign),
        (Registered, EventOutcome::Known),
        (OptedOut, EventOutcome::Known),
    ] {
        let world = World::at(stage).await;
        let before = world.store.contents();
        assert_eq!(world.report(Delivery::Accepted).await, expected, "{stage:?}");
        assert_eq!(world.store.contents() == before, expected != EventOutcome::Recorded, "{stage:?}");
    }
}

#[tokio::test]
async fn an_accepted_mail_ends_a_later_deferred_try() {
    let world = World::at(Sending).await;
    world.clock.advance(TimeDelta::minutes(12));
    assert_eq!(world.sweep().await.queued, 1);
    world.deliver_as(SendOutcome::Throttled).await;
    let waiting = world.record();
    assert_eq!(waiting.invitation.as_ref().unwrap().state, InvitationState::Queued);

    assert_eq!(world.report(Delivery::Accepted).await, EventOutcome::Recorded);
    let InvitationState::Sent { expires_at, .. } = world.record().invitation.unwrap().state else { panic!("sent") };
    assert_eq!(Some(expires_at), waiting.link.unwrap().secrets.last().map(|newest| newest.expires_at));
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.sweep().await.queued, 0);
    assert_eq!(world.usable_links(), [true, false], "the link in the sent mail works");
}

#[tokio::test]
async fn a_queued_mail_is_still_sent_if_no_link_was_ever_mailed() {
    let world = World::at(Queued).await;
    world.deliver_as(SendOutcome::Throttled).await;
    let before = world.store.contents();
    assert_eq!(world.report(Delivery::Delivered).await, EventOutcome::Known);
    assert_eq!(world.store.contents(), before);
}

#[tokio::test]
async fn a_failed_invitation_becomes_sent_if_ses_accepted_it() {
    let world = World::at(Sending).await;
    world.mailer.answer_next(vec![SendOutcome::Unknown; 4]);
    for _ in 0..5 {
        world.clock.advance(TimeDelta::minutes(12));
        world.sweep().await;
        world.deliver().await;
    }
    assert_eq!(world.status("p-1").await.invitation.reason, Some(InvitationReason::Failed(FailReason::Exhausted)));
    assert_eq!(world.record_event(&world.event(3, Delivery::Delivered)).await, EventOutcome::Recorded);
    let panel = world.status("p-1").await;
    assert_eq!(
        (panel.invitation.state, panel.invitation.delivery),
        (InvitationStatus::Sent, Some(Delivery::Delivered))
    );
    assert!(matches!(panel.activated_on, DateField::On { .. }) && world.usable_links().contains(&true));
    assert_eq!(world.owner(ADDRESS), Some(samples::patient_id("p-1")), "its address stayed claimed");
    assert_eq!(world.record().next_action.unwrap().kind, NextActionKind::Remind);
}

#[tokio::test]
async fn an_event_gives_an_opted_out_patient_no_link_and_no_reminder() {
    let world = World::at(Failed).await;
    world.staff(Step::OptOut).await.unwrap();
    assert_eq!(world.report(Delivery::Delivered).await, EventOutcome::Recorded);
    assert_eq!((world.delivery(), world.usable_links()), (Some(Delivery::Delivered), vec![false]));
    world.assert_nothing_happens().await;
    let panel = world.staff(Step::OptIn).await.unwrap();
    let sentence = "The link stopped working when the patient opted out: send a new one with reinvite.";
    assert!(panel.sentence.starts_with(sentence), "{}", panel.sentence);
}

#[tokio::test]
async fn an_invitation_that_was_used_before_its_stamp_only_gets_the_receipt() {
    let world = World::at(Sending).await;
    world.commit(world.registration()).await;
    assert_eq!(world.report(Delivery::Bounced).await, EventOutcome::Recorded);
    assert_eq!(world.report(Delivery::Bounced).await, EventOutcome::Known);
    let receipt = world.record().invitation.unwrap().receipt().cloned();
    assert_eq!(receipt.map(|receipt| receipt.message), Some(samples::message_id(7)));
    let panel = world.status("p-1").await;
    assert_eq!((panel.invitation.state, day(panel.activated_on)), (InvitationStatus::Consumed, may(5)));
}

#[tokio::test]
async fn an_event_about_an_unstamped_mail_makes_two_changes() {
    let world = World::at(Sending).await;
    let version = world.record().version;
    assert_eq!(world.report(Delivery::Bounced).await, EventOutcome::Recorded);
    assert_eq!((world.record().version, world.delivery()), (version + 2, Some(Delivery::Bounced)));
    let events = world.ses_events();
    assert_eq!(
        events.iter().map(EventKind::name).collect::<Vec<_>>(),
        [EventName::InvitationSent, EventName::DeliveryChanged]
    );
}

#[tokio::test]
async fn late_and_repeated_events_never_lower_the_rank() {
    for (place, first) in RANKS.into_iter().enumerate() {
        let world = World::at(Sent).await;
        world.report(first).await;
        for second in RANKS {
            let before = world.store.contents();
            if RANKS[..=place].contains(&second) {
                assert_eq!(world.report(second).await, EventOutcome::Known, "{first:?} {second:?}");
                assert_eq!(world.store.contents(), before, "{first:?} {second:?}");
            }
        }
        assert_eq!(world.delivery(), Some(first));
        let last = Delivery::Suppressed;
        assert_eq!(world.report(last).await == EventOutcome::Recorded, first != last, "{first:?}");
    }
}

#[tokio::test]
async fn a_failed_address_is_shown_blocked_and_never_reminded() {
    for (delivery, sentence) in [
        (Delivery::Bounced, "The mailbox does not exist: ask for another address."),
        (Delivery::Complained, "The recipient reported the mail as unwanted: ask for another address."),
        (Delivery::Rejected, "The mail service rejected the mail: ask for another address."),
        (
            Delivery::Suppressed,
            "Mail to this address bounced or was reported as unwanted before: ask for another address.",
        ),
    ] {
        let world = World::at(Sent).await;
        world.report(delivery).await;
        let panel = world.status("p-1").await;
        assert_eq!((panel.sentence.as_str(), panel.invitation.delivery), (sentence, Some(delivery)));
        assert_eq!(panel.actions.reinvite, Err(ReinviteRefusal::AddressSuppressed), "{delivery:?}");
        assert_eq!(refusal(world.reinvite(None).await), Refused::rule(RefusalCode::AddressSuppressed), "{delivery:?}");
        world.assert_nothing_happens().await;
        assert!(world.reinvite(Some(OTHER)).await.unwrap().mail_is_queued(), "{delivery:?}");
    }
    for delivery in [Delivery::Accepted, Delivery::Delayed, Delivery::Delivered] {
        let world = World::at(Sent).await;
        world.report(delivery).await;
        assert!(world.reinvite(None).await.is_ok(), "{delivery:?}");
    }
}

#[tokio::test]
async fn an_event_about_no_mail_of_the_current_invitation_changes_nothing() {
    for stage in STAGES {
        for delivery in RANKS {
            let world = World::at(stage).await;
            let event = || world.event(1, delivery);
            let before = world.store.contents();
            for (why, foreign) in [
                ("another invitation", MailEvent { invitation: samples::invitation_id("i-x"), ..event() }),
                ("another patient", MailEvent { key: samples::key("north", "p-2"), ..event() }),
                ("another practice", MailEvent { key: samples::key("south", "p-1"), ..event() }),
                ("an unknown practice", MailEvent { key: samples::key("west", "p-1"), ..event() }),
                ("an attempt before the first", MailEvent { attempt: 0, ..event() }),
                ("an attempt that was not made yet", MailEvent { attempt: 9, ..event() }),
            ] {
                assert_eq!(world.record_event(&foreign).await, EventOutcome::Foreign, "{stage:?} {delivery:?}: {why}");
                assert_eq!(world.store.contents(), before, "{stage:?} {delivery:?}: {why}");
            }
        }
    }
}

#[tokio::test]
async fn an_event_about_a_superseded_invitation_does_not_change_the_new_one() {
    let world = World::at(Sent).await;
    let late = world.event(1, Delivery::Bounced);
    world.reinvite(None).await.unwrap();
    world.deliver().await;
    let before = world.store.contents();
    assert_eq!(world.record_event(&late).await, EventOutcome::Foreign);
    assert_eq!(world.store.contents(), before);
}

/// A mail service whose events arrive before its answer to the sender.
struct QuickService<'a>(&'a World, &'a [Delivery]);

impl Mailer for QuickService<'_> {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        for delivery in self.1 {
            let event = self.0.event(mail.attempt, *delivery);
            assert_eq!(event.key, mail.key, "the mail contains the key of its record");
            self.0.record_event(&event).await;
        }
        self.0.mailer.send(mail).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        self.0.mailer.notify(mail).await
    }
}

#[tokio::test]
async fn an_event_before_the_senders_stamp_is_the_only_stamp() {
    for (answer, expected) in [
        (SendOutcome::Accepted(samples::message_id(1)), DeliveryOutcome::Superseded),
        (SendOutcome::Refused, DeliveryOutcome::Superseded),
        (SendOutcome::Throttled, DeliveryOutcome::Superseded),
        (SendOutcome::Unknown, DeliveryOutcome::Unknown),
    ] {
        let world = World::at(Queued).await;
        world.mailer.answer_next([answer.clone()]);
        let quick = QuickService(&world, &[Delivery::Delivered, Delivery::Accepted]);
        assert_eq!(world.deliver_with(&quick).await.pop().unwrap().unwrap(), expected, "{answer:?}");
        assert_eq!((world.delivery(), world.stamps()), (Some(Delivery::Delivered), 1), "{answer:?}");
        world.clock.advance(DAY);
        assert_eq!(world.sweep().await.queued, 0, "{answer:?}: no second mail");
    }
}

#[tokio::test]
async fn after_a_transient_fault_an_event_is_recorded_once() {
    for fault in [Fault::Busy, Fault::Unavailable, Fault::LostReply] {
        // The calls: read the record, read the practice, then two commits, each of which fails once.
        let world = World::at(Sending).await;
        let version = world.record().version;
        world.store.fail_next([None, None, Some(fault), None, Some(fault)]);
        assert_eq!(world.report(Delivery::Delivered).await, EventOutcome::Recorded, "{fault:?}");
        assert_eq!((world.record().version, world.stamps()), (version + 2, 1), "{fault:?}");
        assert_eq!(world.delivery(), Some(Delivery::Delivered), "{fault:?}");
    }
}

#[tokio::test]
async fn a_persistent_fault_is_an_error_and_the_event_can_be_received_again() {
    // The calls: read the record, read the practice, two commits. Only commits are retried.
    for (calls_before, faults) in [(0, 1), (1, 1), (2, 8), (3, 8)] {
        let world = World::at(Sending).await;
        let version = world.record().version;
        let event = world.event(1, Delivery::Delivered);
        world.store.fail_next((0..calls_before).map(|_| None).chain(vec![Some(Fault::Unavailable); faults]));
        assert!(record_event(&world.ports(), &event, &world.request).await.is_err(), "{calls_before}");
        assert_eq!(world.record_event(&event).await, EventOutcome::Recorded, "{calls_before}");
        assert_eq!((world.record().version, world.stamps()), (version + 2, 1), "{calls_before}");
        assert_eq!(world.delivery(), Some(Delivery::Delivered), "{calls_before}");
    }
}

/// A store that commits another change just before the first one.
struct RacingStore<'a> {
    store: &'a MemoryStore,
    first: Mutex<Option<Change>>,
}

impl ChangeStore for RacingStore<'_> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let first = self.first.lock().unwrap().take();
        if let Some(first) = first {
            assert_eq!(self.store.commit(&first).await?, CommitOutcome::Committed);
        }
        self.store.commit(change).await
    }
}

impl DeliveryStore for RacingStore<'_> {
    async fn claim(&self, key: &RecordKey, request: &ClaimRequest) -> Result<ClaimOutcome, StoreError> {
        self.store.claim(key, request).await
    }

    async fn defer(&self, record: &PortalRecord) -> Result<bool, StoreError> {
        self.store.defer(record).await
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        self.store.record(key).await
    }

    async fn practice_by_id(&self, practice: &PracticeId) -> Result<Option<Practice>, StoreError> {
        self.store.practice_by_id(practice).await
    }

    async fn due(
        &self,
        shard: DueShard,
        after: Option<&DueEntry>,
        until: DateTime<Utc>,
        limit: u16,
    ) -> Result<Vec<DueEntry>, StoreError> {
        self.store.due(shard, after, until, limit).await
    }

    async fn unschedule(&self, entry: &DueEntry) -> Result<bool, StoreError> {
        self.store.unschedule(entry).await
    }

    async fn reschedule(&self, entry: &DueEntry, next: DateTime<Utc>) -> Result<bool, StoreError> {
        self.store.reschedule(entry, next).await
    }
}

#[tokio::test]
async fn after_a_lost_race_the_record_is_read_and_the_event_is_decided_again() {
    let world = World::at(Sending).await;
    let (record, now) = (world.record(), world.clock.now());
    let practice = samples::practice("north");
    let invitation = record.invitation.clone().unwrap().id;
    let sender = samples::context_as(Role::Sender, now, "send");
    let stamp = record.stamp(&practice, &invitation, record.fence, samples::message_id(1), sender).unwrap();
    let opt_out = record.opt_out(samples::staff_context(now, "out")).unwrap();
    for (first, version, delivery) in
        [(stamp, record.version + 2, Delivery::Delayed), (opt_out, record.version + 3, Delivery::Delayed)]
    {
        let world = World::at(Sending).await;
        let racing = RacingStore { store: &world.store, first: Mutex::new(Some(first)) };
        let event = world.event(1, Delivery::Delayed);
        let ports = Ports { store: &racing, clock: &world.clock };
        let outcome = record_event(&ports, &event, &samples::request_id("event")).await.unwrap();
        assert_eq!((outcome, world.delivery()), (EventOutcome::Recorded, Some(delivery)));
        assert_eq!((world.record().version, world.stamps()), (version, 1));
    }

    let world = World::at(Sent).await;
    world.clock.advance(GAP);
    let again = world.record().reinvite(
        &practice,
        &Recipient::default(),
        samples::invitation_id("i-2"),
        samples::staff_context(now, "again"),
    );
    let racing = RacingStore { store: &world.store, first: Mutex::new(Some(again.unwrap())) };
    let event = world.event(1, Delivery::Bounced);
    let ports = Ports { store: &racing, clock: &world.clock };
    let outcome = record_event(&ports, &event, &world.request).await.unwrap();
    assert_eq!((outcome, world.ses_events()), (EventOutcome::Known, vec![]), "the invitation has been superseded");
}
