//! What SES tells of mails, and what it changes.

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
    record::{
        Change, Delivery, FailReason, InvitationState, NextActionKind, PortalRecord,
        delivery::{ClaimRequest, MailEvent},
    },
    refusal::RefusalCode,
    refusal::ReinviteRefusal,
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

/// Every state of a delivery, lowest first.
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
    /// SES's news of a try to hand over the current invitation's mail.
    fn news_of(&self, attempt: u32, news: Delivery) -> MailEvent {
        let record = self.record();
        let invitation = record.invitation.map_or_else(|| samples::invitation_id("none"), |invitation| invitation.id);
        MailEvent { key: record.key, invitation, attempt, message: samples::message_id(7), news }
    }

    async fn record_event(&self, event: &MailEvent) -> EventOutcome {
        record_event(&self.ports(), event, &self.request).await.unwrap()
    }

    /// SES tells something of the first try.
    async fn tell(&self, news: Delivery) -> EventOutcome {
        self.record_event(&self.news_of(1, news)).await
    }

    fn news(&self) -> Option<Delivery> {
        match self.record().invitation?.state {
            InvitationState::Sent { delivery, .. } => Some(delivery),
            InvitationState::Queued
            | InvitationState::Sending { .. }
            | InvitationState::Failed { .. }
            | InvitationState::Revoked { .. }
            | InvitationState::Consumed { .. } => None,
        }
    }

    /// The history's entries by SES.
    fn told(&self) -> Vec<EventKind> {
        let events = self.store.timeline(&samples::key("north", "p-1"));
        events.into_iter().filter(|event| event.act.actor.role == Role::MailService).map(|event| event.kind).collect()
    }

    /// Times that SES's acceptance of a mail was noted.
    fn stamps(&self) -> usize {
        let events = self.store.timeline(&samples::key("north", "p-1"));
        events.iter().filter(|event| matches!(event.kind, EventKind::InvitationSent { .. })).count()
    }
}

#[tokio::test]
async fn a_mail_whose_stamp_was_lost_is_stamped_by_ses() {
    let world = World::at(Sending).await;
    let invitation = world.record().invitation.unwrap().id;
    assert_eq!(world.tell(Delivery::Accepted).await, EventOutcome::Recorded);
    let sent = EventKind::InvitationSent { invitation, attempt: 1, message: samples::message_id(7) };
    assert_eq!(world.told(), [sent]);
    let panel = world.status("p-1").await;
    assert_eq!((panel.invitation.state, panel.invitation.delivery), (InvitationStatus::Sent, Some(Delivery::Accepted)));
    assert_eq!((day(panel.activated_on), world.usable_links()), (may(5), vec![true]));
    assert_eq!(world.record().next_action.unwrap().kind, NextActionKind::Remind, "and a reminder is planned");

    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.sweep().await.queued, 0, "nothing is left to send");
    assert_eq!(world.tell(Delivery::Accepted).await, EventOutcome::Known);
}

#[tokio::test]
async fn ses_and_the_sender_make_the_same_of_a_mail() {
    for opted_out in [false, true] {
        let world = World::at(Sending).await;
        if opted_out {
            world.staff(Step::OptOut).await.unwrap();
        }
        let (record, now) = (world.record(), world.clock.now());
        let invitation = record.invitation.clone().unwrap().id;
        let act = samples::act_of(Role::MailService, now, "request-1");
        let stamped = record.stamp(&samples::practice("north"), &invitation, record.fence, samples::message_id(7), act);
        assert_eq!(world.tell(Delivery::Accepted).await, EventOutcome::Recorded);
        assert_eq!(world.record(), stamped.unwrap().after, "opted out: {opted_out}");
    }
}

#[tokio::test]
async fn what_becomes_of_a_send_event_in_each_stage() {
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
        assert_eq!(world.tell(Delivery::Accepted).await, expected, "{stage:?}");
        assert_eq!(world.store.contents() == before, expected != EventOutcome::Recorded, "{stage:?}");
    }
}

#[tokio::test]
async fn an_accepted_mail_ends_the_waiting_of_a_later_try_that_was_put_off() {
    let world = World::at(Sending).await;
    world.clock.advance(TimeDelta::minutes(12));
    assert_eq!(world.sweep().await.queued, 1);
    world.deliver_as(SendOutcome::Throttled).await;
    let waiting = world.record();
    assert_eq!(waiting.invitation.as_ref().unwrap().state, InvitationState::Queued);

    assert_eq!(world.tell(Delivery::Accepted).await, EventOutcome::Recorded);
    let InvitationState::Sent { expires_at, .. } = world.record().invitation.unwrap().state else { panic!("sent") };
    assert_eq!(Some(expires_at), waiting.link.unwrap().secrets.last().map(|newest| newest.expires_at));
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.sweep().await.queued, 0);
    assert_eq!(world.usable_links(), [true, false], "the mail that went out has the link that works");
}

#[tokio::test]
async fn a_mail_that_waits_still_goes_out_if_no_link_was_ever_mailed() {
    let world = World::at(Queued).await;
    world.deliver_as(SendOutcome::Throttled).await;
    let before = world.store.contents();
    assert_eq!(world.tell(Delivery::Delivered).await, EventOutcome::Known);
    assert_eq!(world.store.contents(), before);
}

#[tokio::test]
async fn a_failed_invitation_that_was_accepted_after_all_is_sent() {
    let world = World::at(Sending).await;
    world.mailer.answer_next(vec![SendOutcome::Unknown; 4]);
    for _ in 0..5 {
        world.clock.advance(TimeDelta::minutes(12));
        world.sweep().await;
        world.deliver().await;
    }
    assert_eq!(world.status("p-1").await.invitation.reason, Some(InvitationReason::Failed(FailReason::Exhausted)));
    assert_eq!(world.record_event(&world.news_of(3, Delivery::Delivered)).await, EventOutcome::Recorded);
    let panel = world.status("p-1").await;
    assert_eq!(
        (panel.invitation.state, panel.invitation.delivery),
        (InvitationStatus::Sent, Some(Delivery::Delivered))
    );
    assert!(matches!(panel.activated_on, DateField::On { .. }) && world.usable_links().contains(&true));
    assert_eq!(world.owner(ADDRESS), Some(samples::patient_id("p-1")), "its address was never let go");
    assert_eq!(world.record().next_action.unwrap().kind, NextActionKind::Remind);
}

#[tokio::test]
async fn a_patient_who_has_opted_out_gets_no_link_and_no_reminder_by_it() {
    let world = World::at(Failed).await;
    world.staff(Step::OptOut).await.unwrap();
    assert_eq!(world.tell(Delivery::Delivered).await, EventOutcome::Recorded);
    assert_eq!((world.news(), world.usable_links()), (Some(Delivery::Delivered), vec![false]));
    world.nothing_happens_any_more().await;
    let panel = world.staff(Step::OptIn).await.unwrap();
    assert_eq!(panel.sentence, "The link stopped working when the patient opted out: send a new one with reinvite.");
}

#[tokio::test]
async fn an_invitation_that_was_used_before_its_stamp_only_notes_the_receipt() {
    let world = World::at(Sending).await;
    world.commit(world.registration()).await;
    assert_eq!(world.tell(Delivery::Bounced).await, EventOutcome::Recorded);
    assert_eq!(world.tell(Delivery::Bounced).await, EventOutcome::Known);
    let receipt = world.record().invitation.unwrap().receipt().cloned();
    assert_eq!(receipt.map(|receipt| receipt.message), Some(samples::message_id(7)));
    let panel = world.status("p-1").await;
    assert_eq!((panel.invitation.state, day(panel.activated_on)), (InvitationStatus::Consumed, may(5)));
}

#[tokio::test]
async fn news_of_a_mail_that_nobody_stamped_are_two_changes() {
    let world = World::at(Sending).await;
    let version = world.record().version;
    assert_eq!(world.tell(Delivery::Bounced).await, EventOutcome::Recorded);
    assert_eq!((world.record().version, world.news()), (version + 2, Some(Delivery::Bounced)));
    let told = world.told();
    assert_eq!(
        told.iter().map(EventKind::name).collect::<Vec<_>>(),
        [EventName::InvitationSent, EventName::DeliveryChanged]
    );
}

#[tokio::test]
async fn late_and_repeated_news_never_lower_the_rank() {
    for (place, first) in RANKS.into_iter().enumerate() {
        let world = World::at(Sent).await;
        world.tell(first).await;
        for second in RANKS {
            let before = world.store.contents();
            if RANKS[..=place].contains(&second) {
                assert_eq!(world.tell(second).await, EventOutcome::Known, "{first:?} {second:?}");
                assert_eq!(world.store.contents(), before, "{first:?} {second:?}");
            }
        }
        assert_eq!(world.news(), Some(first));
        let last = Delivery::Suppressed;
        assert_eq!(world.tell(last).await == EventOutcome::Recorded, first != last, "{first:?}");
    }
}

#[tokio::test]
async fn a_dead_address_is_named_blocked_and_never_reminded() {
    for (news, sentence) in [
        (Delivery::Bounced, "The mailbox does not exist: ask for another address."),
        (Delivery::Complained, "The recipient reported the mail as unwanted: ask for another address."),
        (Delivery::Rejected, "The mail service rejected the mail: ask for another address."),
        (
            Delivery::Suppressed,
            "Mail to this address bounced or was reported as unwanted before: ask for another address.",
        ),
    ] {
        let world = World::at(Sent).await;
        world.tell(news).await;
        let panel = world.status("p-1").await;
        assert_eq!((panel.sentence.as_str(), panel.invitation.delivery), (sentence, Some(news)));
        assert_eq!(panel.actions.reinvite, Err(ReinviteRefusal::AddressSuppressed), "{news:?}");
        assert_eq!(refusal(world.reinvite(None).await), Refused::rule(RefusalCode::AddressSuppressed), "{news:?}");
        world.nothing_happens_any_more().await;
        assert!(world.reinvite(Some(OTHER)).await.unwrap().mail_is_queued(), "{news:?}");
    }
    for news in [Delivery::Accepted, Delivery::Delayed, Delivery::Delivered] {
        let world = World::at(Sent).await;
        world.tell(news).await;
        assert!(world.reinvite(None).await.is_ok(), "{news:?}");
    }
}

#[tokio::test]
async fn what_is_of_no_mail_of_the_current_invitation_changes_nothing() {
    for stage in STAGES {
        for news in RANKS {
            let world = World::at(stage).await;
            let event = || world.news_of(1, news);
            let before = world.store.contents();
            for (why, foreign) in [
                (
                    "an invitation that is not this one",
                    MailEvent { invitation: samples::invitation_id("i-x"), ..event() },
                ),
                ("another patient", MailEvent { key: samples::key("north", "p-2"), ..event() }),
                ("another practice", MailEvent { key: samples::key("south", "p-1"), ..event() }),
                ("a practice that is not there", MailEvent { key: samples::key("west", "p-1"), ..event() }),
                ("a try before the first", MailEvent { attempt: 0, ..event() }),
                ("a try that is yet to come", MailEvent { attempt: 9, ..event() }),
            ] {
                assert_eq!(world.record_event(&foreign).await, EventOutcome::Foreign, "{stage:?} {news:?}: {why}");
                assert_eq!(world.store.contents(), before, "{stage:?} {news:?}: {why}");
            }
        }
    }
}

#[tokio::test]
async fn news_of_an_invitation_that_was_superseded_is_not_news_of_the_new_one() {
    let world = World::at(Sent).await;
    let late = world.news_of(1, Delivery::Bounced);
    world.reinvite(None).await.unwrap();
    world.deliver().await;
    let before = world.store.contents();
    assert_eq!(world.record_event(&late).await, EventOutcome::Foreign);
    assert_eq!(world.store.contents(), before);
}

/// Tells what became of the mail before it answers the sender.
struct QuickService<'a>(&'a World, &'a [Delivery]);

impl Mailer for QuickService<'_> {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        for news in self.1 {
            let event = self.0.news_of(mail.attempt, *news);
            assert_eq!(event.key, mail.key, "the mail names the record that it belongs to");
            self.0.record_event(&event).await;
        }
        self.0.mailer.send(mail).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        self.0.mailer.notify(mail).await
    }
}

#[tokio::test]
async fn an_event_that_overtakes_the_senders_own_stamp_is_the_only_stamp() {
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
        assert_eq!((world.news(), world.stamps()), (Some(Delivery::Delivered), 1), "{answer:?}");
        world.clock.advance(DAY);
        assert_eq!(world.sweep().await.queued, 0, "{answer:?}: and no second mail");
    }
}

#[tokio::test]
async fn a_store_that_fails_for_a_moment_loses_no_news_and_notes_none_twice() {
    for fault in [Fault::Busy, Fault::Unavailable, Fault::LostReply] {
        // Record, practice, then the two changes, each of which fails once.
        let world = World::at(Sending).await;
        let version = world.record().version;
        world.store.fail_next([None, None, Some(fault), None, Some(fault)]);
        assert_eq!(world.tell(Delivery::Delivered).await, EventOutcome::Recorded, "{fault:?}");
        assert_eq!((world.record().version, world.stamps()), (version + 2, 1), "{fault:?}");
        assert_eq!(world.news(), Some(Delivery::Delivered), "{fault:?}");
    }
}

#[tokio::test]
async fn a_store_that_stays_away_is_an_error_and_the_event_can_come_again() {
    // Record, practice, the two changes: reads are not repeated, writes are.
    for (reached, faults) in [(0, 1), (1, 1), (2, 8), (3, 8)] {
        let world = World::at(Sending).await;
        let version = world.record().version;
        let event = world.news_of(1, Delivery::Delivered);
        world.store.fail_next((0..reached).map(|_| None).chain(vec![Some(Fault::Unavailable); faults]));
        assert!(record_event(&world.ports(), &event, &world.request).await.is_err(), "{reached}");
        assert_eq!(world.record_event(&event).await, EventOutcome::Recorded, "{reached}");
        assert_eq!((world.record().version, world.stamps()), (version + 2, 1), "{reached}");
        assert_eq!(world.news(), Some(Delivery::Delivered), "{reached}");
    }
}

/// A store in which something else is committed just before the first change.
struct Overtaken<'a> {
    store: &'a MemoryStore,
    first: Mutex<Option<Change>>,
}

impl ChangeStore for Overtaken<'_> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let first = self.first.lock().unwrap().take();
        if let Some(first) = first {
            assert_eq!(self.store.commit(&first).await?, CommitOutcome::Committed);
        }
        self.store.commit(change).await
    }
}

impl DeliveryStore for Overtaken<'_> {
    async fn claim(&self, key: &RecordKey, request: &ClaimRequest) -> Result<ClaimOutcome, StoreError> {
        self.store.claim(key, request).await
    }

    async fn defer(&self, record: &PortalRecord) -> Result<bool, StoreError> {
        self.store.defer(record).await
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        self.store.record(key).await
    }

    async fn practice_of(&self, practice: &PracticeId) -> Result<Option<Practice>, StoreError> {
        self.store.practice_of(practice).await
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
async fn what_came_in_between_is_read_and_the_event_is_judged_anew() {
    let world = World::at(Sending).await;
    let (record, now) = (world.record(), world.clock.now());
    let practice = samples::practice("north");
    let invitation = record.invitation.clone().unwrap().id;
    let sender = samples::act_of(Role::Sender, now, "send");
    let stamp = record.stamp(&practice, &invitation, record.fence, samples::message_id(1), sender).unwrap();
    let out = record.opt_out(samples::act(now, "out")).unwrap();
    for (first, version, delivery) in
        [(stamp, record.version + 2, Delivery::Delayed), (out, record.version + 3, Delivery::Delayed)]
    {
        let world = World::at(Sending).await;
        let overtaken = Overtaken { store: &world.store, first: Mutex::new(Some(first)) };
        let event = world.news_of(1, Delivery::Delayed);
        let ports = Ports { store: &overtaken, clock: &world.clock };
        let heard = record_event(&ports, &event, &samples::request_id("event")).await.unwrap();
        assert_eq!((heard, world.news()), (EventOutcome::Recorded, Some(delivery)));
        assert_eq!((world.record().version, world.stamps()), (version, 1));
    }

    let world = World::at(Sent).await;
    world.clock.advance(GAP);
    let again = world.record().reinvite(&practice, None, samples::invitation_id("i-2"), samples::act(now, "again"));
    let overtaken = Overtaken { store: &world.store, first: Mutex::new(Some(again.unwrap())) };
    let event = world.news_of(1, Delivery::Bounced);
    let ports = Ports { store: &overtaken, clock: &world.clock };
    let heard = record_event(&ports, &event, &world.request).await.unwrap();
    assert_eq!((heard, world.told()), (EventOutcome::Known, vec![]), "the invitation has been superseded");
}
