//! The calendar of what is due: candidates in order, and one winner of each.

use chrono::TimeDelta;
use portal::{
    policy::FIRST_RESCHEDULE,
    ports::{DeliveryStore as _, DueEntry, DueShard},
    record::NextActionKind,
    testing::samples,
};
use tokio::task::JoinSet;

use crate::{backend::Backend, story::Story};

pub(crate) async fn due(backend: &impl Backend, story: &Story<'_, impl Backend>) -> Vec<DueEntry> {
    let mut due = Vec::new();
    for shard in DueShard::all_from(DueShard::from_hash(0)) {
        due.extend(backend.store().due(shard, None, story.now, 100).await.unwrap());
    }
    due
}

pub(crate) async fn what_is_due_comes_in_order_and_in_portions(backend: &impl Backend) {
    let mut stories = Vec::new();
    for number in 0..24_u8 {
        let mut story =
            Story::begin(backend, "lake", &format!("p-{number}"), Some(&format!("p{number}@example.com"))).await;
        // Not in the order of the keys.
        story.now += TimeDelta::minutes(i64::from(number * 7 % 24));
        story.invite(None).await;
        stories.push(story);
    }
    let last = stories.iter().map(|story| story.now).max().unwrap() + FIRST_RESCHEDULE;
    let mut seen = 0;
    for shard in DueShard::all_from(DueShard::from_hash(0)) {
        let all = backend.store().due(shard, None, last, 100).await.unwrap();
        assert!(all.is_sorted_by_key(|entry| entry.at));
        seen += all.len();
        if let Some(entry) = all.last() {
            assert_eq!(backend.store().due(shard, None, entry.at, 100).await.unwrap(), all, "due at this very instant");
            let earlier = entry.at - TimeDelta::milliseconds(1);
            assert_eq!(backend.store().due(shard, None, earlier, 100).await.unwrap(), all[..all.len() - 1]);
            assert_eq!(backend.store().due(shard, None, last, 1).await.unwrap(), all[..1]);
        }
    }
    assert_eq!(seen, stories.len());
}

pub(crate) async fn a_row_says_what_the_record_does(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    assert_eq!(due(backend, &story).await, []);
    story.invite(None).await;
    story.now += FIRST_RESCHEDULE;
    let entry = |story: &Story<'_, _>| DueEntry::from_record(&story.record).unwrap();
    assert_eq!(due(backend, &story).await, [entry(&story)]);
    story.send().await;
    assert_eq!(due(backend, &story).await, [], "the reminder is not due yet");
    story.now += TimeDelta::days(5);
    assert_eq!(due(backend, &story).await, [entry(&story)]);
    assert_eq!(entry(&story).kind, NextActionKind::Remind);
    story.revoke().await;
    assert_eq!(due(backend, &story).await, []);
}

pub(crate) async fn of_many_nudges_one_wins(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    story.now += FIRST_RESCHEDULE;
    let entries = due(backend, &story).await;
    let next = story.now + TimeDelta::minutes(2);
    let mut sweeps = JoinSet::new();
    for _ in 0..16 {
        let (shared, entry) = (backend.store().clone(), entries[0].clone());
        sweeps.spawn(async move { shared.reschedule(&entry, next).await.unwrap() });
    }
    assert_eq!(sweeps.join_all().await.into_iter().filter(|won| *won).count(), 1);
    story.record = story.record.rescheduled(next).unwrap();
    story.is_stored().await;
    assert_eq!(due(backend, &story).await, []);
    story.now = next;
    assert_eq!(due(backend, &story).await, [DueEntry { at: next, reschedules: 1, ..entries[0].clone() }]);
}

pub(crate) async fn an_outlived_row_is_not_nudged(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    story.now += FIRST_RESCHEDULE;
    let entry = due(backend, &story).await.remove(0);
    let next = story.now + TimeDelta::minutes(2);
    for wrong in [
        DueEntry { kind: NextActionKind::Remind, ..entry.clone() },
        DueEntry { at: entry.at - TimeDelta::milliseconds(1), ..entry.clone() },
        DueEntry { invitation: samples::invitation_id("another"), ..entry.clone() },
        DueEntry { key: samples::key("lake", "p-unknown"), ..entry.clone() },
    ] {
        assert!(!backend.store().reschedule(&wrong, next).await.unwrap());
    }
    story.send().await;
    assert!(!backend.store().reschedule(&entry, next).await.unwrap());
    story.revoke().await;
    assert!(!backend.store().reschedule(&entry, next).await.unwrap());
    story.is_stored().await;
}
