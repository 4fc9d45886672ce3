//! Sending under storms: the functions `sender` and `sweep` with the real mailer over HTTP, against a stand-in for SES and
//! a model of SQS, in time that jumps. What happens to each mail follows from a seed, which each scenario prints beside
//! its figures; `PORTAL_SIMULATION_SEED` names another one.
//!
//! Beside the storms come strangers: requests, by the same chance, about patients of other practices.
//!
//! The large ones run on the store in memory, which every store agrees with; a smaller storm runs on DynamoDB's adapter.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a panic is the failure")]

mod chance;
mod ses;
mod shared;
mod sqs;
mod strangers;
#[path = "../common/table.rs"]
mod table;
mod watch;
mod world;

use std::sync::Arc;

use chrono::TimeDelta;
use portal::{
    operations::breaker::PAUSE,
    testing::{MemoryStore, samples},
};

use crate::{
    ses::Weather,
    sqs::Losses,
    world::{MAX_IN_FLIGHT, Outcome, Scenario, Store, World},
};

/// Mails that SES takes in a second, in storms.
const RATE: usize = 50;

/// 30 % of the calls are throttled, 5 % of the answers are lost, and SES takes less than the senders could send.
async fn storm<S: Store>(store: Arc<S>, name: &'static str, patients: usize) {
    let fair = Scenario::fair(name, 1);
    let weather = Weather { throttled_percent: 30, cut_percent: 5, a_second: RATE, ..fair.weather };
    let mut world = World::new(store, Scenario { weather, ..fair }).await;
    world.invite(patients).await;
    let Outcome { ses, queue, most_in_flight, .. } = world.settle().await;
    assert!(ses.cut > 0 && ses.throttled > patients / 4, "no storm");
    assert!(ses.duplicates() <= ses.cut);
    assert_eq!(queue.dead, 0);
    assert!(queue.most_receives <= 2);
    assert!(most_in_flight <= MAX_IN_FLIGHT);
    assert!(ses.most_a_second() <= RATE);
}

#[tokio::test]
async fn in_a_storm_everybody_is_mailed_and_only_a_lost_answer_doubles_a_mail() {
    storm(Arc::<MemoryStore>::default(), "storm", 2_000).await;
}

#[tokio::test]
async fn in_a_storm_on_dynamodb_everybody_is_mailed() {
    let table = table::in_process("storm").await;
    storm(table.store.clone(), "storm on DynamoDB", 200).await;
    table.end().await;
}

#[tokio::test]
async fn while_sending_is_paused_one_probe_a_minute_goes_out_and_afterwards_everything() {
    let (from, until) = (samples::noon() + TimeDelta::seconds(1), samples::noon() + TimeDelta::minutes(61));
    let fair = Scenario::fair("pause", 2);
    let weather = Weather { paused: Some((from, until)), ..fair.weather };
    let mut world = World::new(Arc::<MemoryStore>::default(), Scenario { weather, ..fair }).await;
    world.invite(300).await;
    for minute in 1..=70 {
        world.run_until(samples::noon() + TimeDelta::minutes(minute)).await;
        world.invite(3).await;
    }
    let Outcome { ses, queue, table_calls, told_paused, .. } = world.settle().await;
    assert_eq!((ses.duplicates(), queue.dead, queue.most_receives), (0, 0, 1));
    assert!(ses.taken.iter().any(|mail| mail.at < from), "nothing was under way when it began");
    for told in told_paused {
        // What was in flight already; from then on one at a time.
        let first = told.iter().take_while(|at| **at == told[0]).count();
        assert!((1..=10).contains(&first), "{first} at once");
        let probes = &told[first - 1..];
        assert!(probes.len() > 30, "{} probes: it must look again now and then", probes.len());
        assert_eq!(probes.windows(2).find(|pair| pair[1] - pair[0] < PAUSE), None, "two probes within a minute");
    }
    // A claim and a stamp for each mail, a claim and its return for each that was told to wait; nothing for the others.
    assert_eq!(table_calls, 2 * (ses.taken.len() + ses.paused));
    // A probe finds out within a minute, and whatever was left alone is due within the longest reschedule.
    let last = ses.taken.iter().map(|mail| mail.at).max().unwrap();
    assert!(last - until <= TimeDelta::minutes(17), "the last one went out at {last}");
}

#[tokio::test]
async fn senders_that_die_at_any_point_lose_nothing_and_double_only_what_ses_has_taken() {
    let scenario = Scenario { deaths_percent: 40, ..Scenario::fair("deaths", 3) };
    let mut world = World::new(Arc::<MemoryStore>::default(), scenario).await;
    world.invite(300).await;
    let Outcome { ses, deaths, orphans, .. } = world.settle().await;
    assert!(deaths >= 5 && orphans > 0, "{deaths} deaths and {orphans} orphans are no test");
    assert!(ses.duplicates() <= orphans);
}

#[tokio::test]
async fn messages_that_are_lost_or_come_twice_change_nothing() {
    let losses = Losses { lost_percent: 20, doubled_percent: 20 };
    let scenario = Scenario { losses, ..Scenario::fair("lossy queue", 4) };
    let mut world = World::new(Arc::<MemoryStore>::default(), scenario).await;
    world.invite(500).await;
    let Outcome { ses, queue, .. } = world.settle().await;
    assert!(queue.lost > 50 && queue.doubled > 50, "{queue:?}");
    assert_eq!((ses.taken.len(), queue.dead), (500, 0));
}
