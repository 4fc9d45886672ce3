//! Notices wait in the record, and its place in the calendar is one sender's at a time.

use chrono::TimeDelta;
use portal::{
    policy::MAX_NOTICES,
    ports::{CommitOutcome, DeliveryStore as _, DueEntry},
    record::{FailReason, NextActionKind, PortalRecord},
    testing::samples,
    timeline::Role,
};
use tokio::task::JoinSet;

use super::calendar::due;
use crate::{backend::Backend, story::Story};

async fn changed<B: Backend>(backend: &B) -> Story<'_, B> {
    let mut story = Story::with_account(backend, "lake", "p-1", "Jose@Example.com").await;
    story.change_email("New@Example.com").await;
    story
}

async fn write_down(story: &mut Story<'_, impl Backend>, sent: bool) {
    let context = story.context(Role::Sender);
    let (notice, message) = (story.record.notices[0].clone(), samples::message_id(7));
    let change = if sent {
        story.record.notice_sent(&notice, message, context)
    } else {
        story.record.notice_failed(&notice, FailReason::Refused, context)
    };
    story.step(change.unwrap()).await;
}

pub(crate) async fn notices_read_back(backend: &impl Backend) {
    let mut story = changed(backend).await;
    let mut number = 0;
    while story.record.notices.len() < MAX_NOTICES {
        number += 1;
        story.change_email(&format!("Jose+{number}@Example.com")).await;
    }
    // Whatever else happens to the record, they stay in it.
    story.opt_out(Role::Staff).await;
    story.commit(PortalRecord::opt_in).await;
    for left in (0..MAX_NOTICES).rev() {
        assert!(story.record.next_action.is_some());
        write_down(&mut story, left % 2 == 0).await;
        assert_eq!(story.record.notices.len(), left);
    }
    assert_eq!(story.record.next_action, None);
}

pub(crate) async fn notices_are_due_at_once_and_until_they_are_gone(backend: &impl Backend) {
    let mut story = changed(backend).await;
    let entry = DueEntry::from_record(&story.record).unwrap();
    assert_eq!((entry.kind, entry.at), (NextActionKind::Notify, story.now));
    assert_eq!(due(backend, &story).await, [entry]);
    write_down(&mut story, false).await;
    assert_eq!(due(backend, &story).await, [DueEntry::from_record(&story.record).unwrap()]);
    write_down(&mut story, true).await;
    story.now += TimeDelta::days(100);
    assert_eq!(due(backend, &story).await, []);
}

pub(crate) async fn of_many_senders_one_claims_the_notices(backend: &impl Backend) {
    let mut story = changed(backend).await;
    let (entry, until) =
        (DueEntry::from_record(&story.record).unwrap(), story.record.notice_claim_end(story.now).unwrap());
    let mut senders = JoinSet::new();
    for _ in 0..16 {
        let (shared, entry) = (backend.store().clone(), entry.clone());
        senders.spawn(async move { shared.reschedule(&entry, until).await.unwrap() });
    }
    assert_eq!(senders.join_all().await.into_iter().filter(|won| *won).count(), 1);
    story.record = story.record.rescheduled(until).unwrap();
    story.is_stored().await;
    assert_eq!(story.record.notice_claim_end(story.now), None);
    assert_eq!(due(backend, &story).await, []);
    // The claim is over, and what it was of is not another kind's.
    story.now = until;
    let again = due(backend, &story).await;
    assert_eq!(again, [DueEntry { at: until, reschedules: entry.reschedules + 1, ..entry }]);
    let wrong = DueEntry { kind: NextActionKind::Deliver, ..again[0].clone() };
    assert!(!backend.store().reschedule(&wrong, until + TimeDelta::hours(1)).await.unwrap());
    write_down(&mut story, true).await;
    write_down(&mut story, true).await;
    assert!(!backend.store().reschedule(&again[0], until + TimeDelta::hours(1)).await.unwrap());
    story.is_stored().await;
}

pub(crate) async fn a_stale_notice_writes_nothing_twice(backend: &impl Backend) {
    let mut story = changed(backend).await;
    let context = story.context(Role::Sender);
    let late = story.record.notice_sent(&story.record.notices[0], samples::message_id(1), context).unwrap();
    story.opt_out(Role::Staff).await;
    assert_eq!(story.try_commit(&late).await, CommitOutcome::Stale);
    story.is_stored().await;
    let context = story.context(Role::Sender);
    let sent = story.record.notice_sent(&story.record.notices[0], samples::message_id(1), context).unwrap();
    story.step(sent.clone()).await;
    assert_eq!(story.try_commit(&sent).await, CommitOutcome::Committed, "a repetition recognises itself");
    story.is_stored().await;
    assert_eq!(story.record.notices.len(), 1);
}
