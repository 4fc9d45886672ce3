//! Times, processor time and memory. The variants of a function take turns, so that whatever else the machine does meets
//! all of them alike.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Cold, Throttled, Warm, figure, median, percentile, throttle::Throttle};
use crate::{
    lambda::{Answered, Process, Program},
    proc,
    same::{self, Done},
    scenario::Scenario,
    world::{Bench, World},
};

/// Starts of each variant.
const STARTS: usize = 15;
/// Warm calls of one variant before it is another one's turn.
const TURN: usize = 25;
/// Warm calls that are not measured yet.
const WARM_UP: usize = 10;
/// Starts and warm calls with little processor time: they are slow.
const THROTTLED_STARTS: usize = 5;
const THROTTLED_CALLS: usize = 50;

/// One variant's share of a measurement.
pub struct Turn {
    /// The program.
    pub program: Program,
    /// Its own world.
    pub world: World,
}

/// What was measured of one variant.
pub struct Times {
    /// Starts.
    pub cold: Cold,
    /// Calls.
    pub warm: Warm,
    /// The most memory, in bytes.
    pub peak_memory_bytes: u64,
}

/// Events that [`times`] takes of each world, and [`throttled`] besides.
#[must_use]
pub const fn events(calls: usize) -> usize {
    STARTS + 1 + WARM_UP + calls.next_multiple_of(TURN) + THROTTLED_STARTS + 1 + THROTTLED_CALLS
}

/// Starts every variant several times, then has one process of each work so many calls.
///
/// # Errors
/// If one fails, or does not answer as it should.
pub async fn times(bench: &Bench, scenario: &Scenario, turns: &mut [Turn], calls: usize) -> Result<Vec<Times>> {
    let mut starts: Vec<Vec<Start>> = turns.iter().map(|_| Vec::new()).collect();
    for round in 0..STARTS {
        let each = start_each(bench, scenario, turns).await.with_context(|| format!("start {round}"))?;
        for (start, starts) in each.into_iter().zip(&mut starts) {
            starts.push(start);
        }
    }
    let mut runs = Vec::new();
    for turn in turns.iter_mut() {
        let (mut process, _) = start(bench, scenario, turn).await?;
        for _ in 0..WARM_UP {
            call(bench, scenario, turn, &mut process).await?;
        }
        drop(turn.world.aws.take_counts());
        runs.push(Run { process, took: Vec::new(), cpu: Duration::ZERO });
    }
    for _ in 0..calls.div_ceil(TURN) {
        for (turn, run) in turns.iter_mut().zip(&mut runs) {
            let before = proc::processor_time(run.process.pid())?;
            for _ in 0..TURN {
                run.took.push(micros(call(bench, scenario, turn, &mut run.process).await?.took));
            }
            run.cpu += proc::processor_time(run.process.pid())?.saturating_sub(before);
        }
    }
    let measured = turns.iter_mut().zip(runs).zip(starts);
    measured
        .map(|((turn, run), starts)| {
            Ok(Times {
                cold: cold(starts)?,
                peak_memory_bytes: proc::peak_memory(run.process.pid())?,
                warm: run.warm(scenario, &turn.world)?,
            })
        })
        .collect()
}

/// The same with the processor time that Lambda gives to 128 MB.
///
/// # Errors
/// As for [`times`].
pub async fn throttled(bench: &Bench, scenario: &Scenario, turns: &mut [Turn]) -> Result<Vec<Throttled>> {
    let mut measured = Vec::new();
    for turn in turns {
        let (mut answers, mut first_calls) = (Vec::new(), Vec::new());
        for _ in 0..THROTTLED_STARTS {
            let (_process, _throttle, first) = start_throttled(bench, scenario, turn).await?;
            answers.push(millis(first.since_start));
            first_calls.push(millis(first.took));
        }
        let (mut process, _throttle, _) = start_throttled(bench, scenario, turn).await?;
        let mut took = Vec::new();
        for _ in 0..THROTTLED_CALLS {
            took.push(micros(call(bench, scenario, turn, &mut process).await?.took));
        }
        took.sort_by(f64::total_cmp);
        measured.push(Throttled {
            first_answer_millis: median(&answers),
            first_call_millis: median(&first_calls),
            p50_micros: percentile(&took, 50),
            p99_micros: percentile(&took, 99),
        });
    }
    Ok(measured)
}

/// Starts every variant once, and holds what the others make of the event against what ours makes of it.
///
/// # Errors
/// As for [`times`].
pub async fn start_each(bench: &Bench, scenario: &Scenario, turns: &mut [Turn]) -> Result<Vec<Start>> {
    let mut starts = Vec::new();
    for turn in turns.iter_mut() {
        starts.push(start(bench, scenario, turn).await?.1);
    }
    let done = turns.iter().zip(&starts);
    let done =
        done.map(|(turn, start)| Done { variant: &turn.program.variant, answer: &start.answer, aws: &start.aws });
    same::require(&done.collect::<Vec<_>>())?;
    Ok(starts)
}

/// One start, until after the first answer.
pub struct Start {
    first_next: Duration,
    first_answer: Duration,
    cpu: Duration,
    peak_memory_bytes: u64,
    answer: Value,
    aws: crate::aws::Counts,
}

async fn start(bench: &Bench, scenario: &Scenario, turn: &mut Turn) -> Result<(Process, Start)> {
    let event = turn.world.next_event(bench)?;
    drop(turn.world.aws.take_counts());
    let mut process = Process::start(&turn.program, &[], bench.log(&turn.program)).await?;
    let first_next = process.ready().await?;
    let first = checked(scenario, &mut process, &event).await?;
    let start = Start {
        first_next,
        first_answer: first.since_start,
        cpu: proc::processor_time(process.pid())?,
        peak_memory_bytes: proc::peak_memory(process.pid())?,
        answer: first.answer,
        aws: turn.world.aws.take_counts(),
    };
    Ok((process, start))
}

/// Lambda gives a start all the processor time there is, and throttles from the first event on.
async fn start_throttled(bench: &Bench, scenario: &Scenario, turn: &mut Turn) -> Result<(Process, Throttle, Answered)> {
    let event = turn.world.next_event(bench)?;
    let mut process = Process::start(&turn.program, &[], bench.log(&turn.program)).await?;
    process.ready().await?;
    let throttle = Throttle::new(process.pid());
    let first = checked(scenario, &mut process, &event).await?;
    Ok((process, throttle, first))
}

async fn call(bench: &Bench, scenario: &Scenario, turn: &mut Turn, process: &mut Process) -> Result<Answered> {
    let event = turn.world.next_event(bench)?;
    checked(scenario, process, &event).await
}

async fn checked(scenario: &Scenario, process: &mut Process, event: &Value) -> Result<Answered> {
    let answered = process.invoke(event).await?;
    scenario.check(&answered.answer)?;
    Ok(answered)
}

fn cold(starts: Vec<Start>) -> Result<Cold> {
    let of = |figure: fn(&Start) -> f64| starts.iter().map(figure).collect::<Vec<_>>();
    let cpu_millis_each = of(|start| millis(start.cpu));
    Ok(Cold {
        starts: starts.len(),
        first_next_millis: median(&of(|start| millis(start.first_next))),
        first_answer_millis: median(&of(|start| millis(start.first_answer))),
        cpu_millis: median(&cpu_millis_each),
        cpu_millis_each,
        peak_memory_bytes: starts.iter().map(|start| start.peak_memory_bytes).max().unwrap_or_default(),
        aws: starts.into_iter().next_back().context("nothing was started")?.aws,
    })
}

/// A process, and what its calls took.
struct Run {
    process: Process,
    took: Vec<f64>,
    cpu: Duration,
}

impl Run {
    fn warm(mut self, scenario: &Scenario, world: &World) -> Result<Warm> {
        let aws = world.aws.take_counts();
        let calls = u64::try_from(self.took.len())?;
        scenario.check_calls(&aws, calls)?;
        self.took.sort_by(f64::total_cmp);
        Ok(Warm {
            calls: self.took.len(),
            p50_micros: percentile(&self.took, 50),
            p95_micros: percentile(&self.took, 95),
            p99_micros: percentile(&self.took, 99),
            cpu_micros: micros(self.cpu) / figure(calls),
            aws,
        })
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
