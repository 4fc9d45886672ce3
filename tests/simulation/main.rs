//! Sending under fault storms: the functions `sender` and `sweep` with the real mailer over HTTP, against a fake SES and a
//! model of SQS, with a simulated clock. What happens to each mail depends on a seed, which each scenario prints beside its
//! figures. `PORTAL_SIMULATION_SEED` sets another seed.
//!
//! `tenant_isolation` sends random requests about patients of other practices.
//!
//! The large scenarios run on the store in memory, which the store contract compares with DynamoDB. A smaller storm runs
//! on DynamoDB's adapter.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a panic is the failure")]

mod chance;
mod observe;
mod ses;
mod shared;
mod sqs;
#[path = "../common/table.rs"]
mod table;
mod tenant_isolation;
mod world;

use std::sync::Arc;

use chrono::TimeDelta;
use portal::{
    operations::breaker::PAUSE,
    testing::{MemoryStore, samples},
};

use crate::{
    ses::SesFaults,
    sqs::QueueFaults,
    world::{MAX_IN_FLIGHT, Outcome, Scenario, Store, World},
};

/// Mails that SES accepts in a second, in storms.
const RATE: usize = 50;

/// 30 % of the calls are throttled, 5 % of the answers are lost, and SES accepts fewer mails than the senders could send.
async fn storm<S: Store>(store: Arc<S>, name: &'static str, patients: usize) {
    let scenario = Scenario::without_faults(name, 1);
    let ses_faults = SesFaults { throttled_percent: 30, cut_percent: 5, max_per_second: RATE, ..scenario.ses_faults };
    let mut world = World::new(store, Scenario { ses_faults, ..scenario }).await;
    world.invite(patients).await;
    let Outcome { ses, queue, most_in_flight, .. } = world.settle().await;
    assert!(ses.cut > 0 && ses.throttled > patients / 4, "the storm is too weak");
    assert!(ses.duplicates() <= ses.cut);
    assert_eq!(queue.dead, 0);
    assert!(queue.most_receives <= 2);
    assert!(most_in_flight <= MAX_IN_FLIGHT);
    assert!(ses.most_per_second() <= RATE);
}

#[tokio::test]
async fn in_a_storm_each_patient_is_mailed_and_only_a_lost_answer_duplicates_a_mail() {
    storm(Arc::<MemoryStore>::default(), "storm", 2_000).await;
}

#[tokio::test]
async fn in_a_storm_on_dynamodb_each_patient_is_mailed() {
    let table = table::in_process("storm").await;
    storm(table.store.clone(), "storm on DynamoDB", 200).await;
    table.end().await;
}

#[tokio::test]
async fn while_sending_is_paused_one_probe_a_minute_is_sent_and_afterwards_all_mails() {
    let (from, until) = (samples::noon() + TimeDelta::seconds(1), samples::noon() + TimeDelta::minutes(61));
    let scenario = Scenario::without_faults("pause", 2);
    let ses_faults = SesFaults { paused: Some((from, until)), ..scenario.ses_faults };
    let mut world = World::new(Arc::<MemoryStore>::default(), Scenario { ses_faults, ..scenario }).await;
    world.invite(300).await;
    for minute in 1..=70 {
        world.run_until(samples::noon() + TimeDelta::minutes(minute)).await;
        world.invite(3).await;
    }
    let Outcome { ses, queue, table_calls, paused_at, .. } = world.settle().await;
    assert_eq!((ses.duplicates(), queue.dead, queue.most_receives), (0, 0, 1));
    assert!(ses.accepted.iter().any(|mail| mail.at < from), "no mail was sent before the pause");
    for times in paused_at {
        // The mails that were in flight already; from then on one at a time.
        let first = times.iter().take_while(|at| **at == times[0]).count();
        assert!((1..=10).contains(&first), "{first} at once");
        let probes = &times[first - 1..];
        assert!(probes.len() > 30, "only {} probes", probes.len());
        assert_eq!(probes.windows(2).find(|pair| pair[1] - pair[0] < PAUSE), None, "two probes within a minute");
    }
    // A claim and a stamp for each sent mail, a claim and its release for each refused mail, and nothing for the others.
    assert_eq!(table_calls, 2 * (ses.accepted.len() + ses.paused));
    // A probe notices the end of the pause within a minute, and the other mails are due within the longest reschedule.
    let last = ses.accepted.iter().map(|mail| mail.at).max().unwrap();
    assert!(last - until <= TimeDelta::minutes(17), "the last mail was sent at {last}");
}

#[tokio::test]
async fn senders_that_die_at_any_point_lose_no_mail_and_duplicate_only_accepted_mails() {
    let scenario = Scenario { deaths_percent: 40, ..Scenario::without_faults("deaths", 3) };
    let mut world = World::new(Arc::<MemoryStore>::default(), scenario).await;
    world.invite(300).await;
    let Outcome { ses, deaths, orphans, .. } = world.settle().await;
    assert!(deaths >= 5 && orphans > 0, "{deaths} deaths and {orphans} orphans are too few");
    assert!(ses.duplicates() <= orphans);
}

#[tokio::test]
async fn lost_and_duplicated_messages_change_no_result() {
    let queue_faults = QueueFaults { lost_percent: 20, duplicated_percent: 20 };
    let scenario = Scenario { queue_faults, ..Scenario::without_faults("lossy queue", 4) };
    let mut world = World::new(Arc::<MemoryStore>::default(), scenario).await;
    world.invite(500).await;
    let Outcome { ses, queue, .. } = world.settle().await;
    assert!(queue.lost > 50 && queue.duplicated > 50, "{queue:?}");
    assert_eq!((ses.accepted.len(), queue.dead), (500, 0));
}
