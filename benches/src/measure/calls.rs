//! Times, processor time and memory. The variants of a function take turns, so that other load on the machine affects all
//! of them alike.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Cold, Throttled, Warm, figure, median, percentile, throttle::Throttle};
use crate::{
    compare::{self, Outcome},
    lambda::{Process, Program, TimedAnswer},
    proc,
    scenario::Scenario,
    world::{Bench, World},
};

/// Starts of each variant.
const STARTS: usize = 15;
/// Warm calls of one variant before the turn of the next one.
const CALLS_PER_TURN: usize = 25;
/// Warm calls before the measurement.
const WARM_UP: usize = 10;
/// Starts and warm calls with little processor time. There are few, because they are slow.
const THROTTLED_STARTS: usize = 5;
const THROTTLED_CALLS: usize = 50;

/// A variant to be measured, with its own world.
pub struct Candidate {
    /// The program.
    pub program: Program,
    /// Its own world.
    pub world: World,
}

/// The measurements of one variant.
pub struct Times {
    /// Starts.
    pub cold: Cold,
    /// Calls.
    pub warm: Warm,
    /// The peak memory, in bytes.
    pub peak_memory_bytes: u64,
}

/// The number of events that [`times`] and [`throttled`] need in each world.
#[must_use]
pub const fn events(calls: usize) -> usize {
    STARTS + 1 + WARM_UP + calls.next_multiple_of(CALLS_PER_TURN) + THROTTLED_STARTS + 1 + THROTTLED_CALLS
}

/// Starts every variant several times, then makes `calls` warm calls to one process of each.
///
/// # Errors
/// If a variant fails, or does not give the expected answer.
pub async fn times(
    bench: &Bench,
    scenario: &Scenario,
    candidates: &mut [Candidate],
    calls: usize,
) -> Result<Vec<Times>> {
    let mut starts: Vec<Vec<Start>> = candidates.iter().map(|_| Vec::new()).collect();
    for round in 0..STARTS {
        let each = start_each(bench, scenario, candidates).await.with_context(|| format!("start {round}"))?;
        for (start, starts) in each.into_iter().zip(&mut starts) {
            starts.push(start);
        }
    }
    let mut runs = Vec::new();
    for candidate in candidates.iter_mut() {
        let (mut process, _) = start(bench, scenario, candidate).await?;
        for _ in 0..WARM_UP {
            call(bench, scenario, candidate, &mut process).await?;
        }
        drop(candidate.world.aws.take_counts());
        runs.push(Run { process, took: Vec::new(), cpu: Duration::ZERO });
    }
    for _ in 0..calls.div_ceil(CALLS_PER_TURN) {
        for (candidate, run) in candidates.iter_mut().zip(&mut runs) {
            let before = proc::processor_time(run.process.pid())?;
            for _ in 0..CALLS_PER_TURN {
                run.took.push(micros(call(bench, scenario, candidate, &mut run.process).await?.took));
            }
            run.cpu += proc::processor_time(run.process.pid())?.saturating_sub(before);
        }
    }
    let measured = candidates.iter_mut().zip(runs).zip(starts);
    measured
        .map(|((candidate, run), starts)| {
            Ok(Times {
                cold: cold(starts)?,
                peak_memory_bytes: proc::peak_memory(run.process.pid())?,
                warm: run.warm(scenario, &candidate.world)?,
            })
        })
        .collect()
}

/// Measures the times with the processor time that Lambda gives to 128 MB.
///
/// # Errors
/// As for [`times`].
pub async fn throttled(bench: &Bench, scenario: &Scenario, candidates: &mut [Candidate]) -> Result<Vec<Throttled>> {
    let mut measured = Vec::new();
    for candidate in candidates {
        let (mut answers, mut first_calls) = (Vec::new(), Vec::new());
        for _ in 0..THROTTLED_STARTS {
            let (_process, _throttle, first) = start_throttled(bench, scenario, candidate).await?;
            answers.push(millis(first.since_start));
            first_calls.push(millis(first.took));
        }
        let (mut process, _throttle, _) = start_throttled(bench, scenario, candidate).await?;
        let mut took = Vec::new();
        for _ in 0..THROTTLED_CALLS {
            took.push(micros(call(bench, scenario, candidate, &mut process).await?.took));
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

/// Starts every variant once, and compares the results for one event with those of ours.
///
/// # Errors
/// As for [`times`].
pub async fn start_each(bench: &Bench, scenario: &Scenario, candidates: &mut [Candidate]) -> Result<Vec<Start>> {
    let mut starts = Vec::new();
    for candidate in candidates.iter_mut() {
        starts.push(start(bench, scenario, candidate).await?.1);
    }
    let outcomes = candidates.iter().zip(&starts).map(|(candidate, start)| Outcome {
        variant: &candidate.program.variant,
        answer: &start.answer,
        aws: &start.aws,
    });
    compare::require_same(&outcomes.collect::<Vec<_>>())?;
    Ok(starts)
}

/// The measurements of one start, until the first answer.
pub struct Start {
    first_next: Duration,
    first_answer: Duration,
    cpu: Duration,
    peak_memory_bytes: u64,
    answer: Value,
    aws: crate::aws::Counts,
}

async fn start(bench: &Bench, scenario: &Scenario, candidate: &mut Candidate) -> Result<(Process, Start)> {
    let event = candidate.world.next_event(bench)?;
    drop(candidate.world.aws.take_counts());
    let mut process = Process::start(&candidate.program, &[], bench.log(&candidate.program)).await?;
    let first_next = process.ready().await?;
    let first = invoke(scenario, &mut process, &event).await?;
    let start = Start {
        first_next,
        first_answer: first.since_start,
        cpu: proc::processor_time(process.pid())?,
        peak_memory_bytes: proc::peak_memory(process.pid())?,
        answer: first.answer,
        aws: candidate.world.aws.take_counts(),
    };
    Ok((process, start))
}

/// Like Lambda, does not throttle a program before the first event.
async fn start_throttled(
    bench: &Bench,
    scenario: &Scenario,
    candidate: &mut Candidate,
) -> Result<(Process, Throttle, TimedAnswer)> {
    let event = candidate.world.next_event(bench)?;
    let mut process = Process::start(&candidate.program, &[], bench.log(&candidate.program)).await?;
    process.ready().await?;
    let throttle = Throttle::new(process.pid());
    let first = invoke(scenario, &mut process, &event).await?;
    Ok((process, throttle, first))
}

async fn call(
    bench: &Bench,
    scenario: &Scenario,
    candidate: &mut Candidate,
    process: &mut Process,
) -> Result<TimedAnswer> {
    let event = candidate.world.next_event(bench)?;
    invoke(scenario, process, &event).await
}

async fn invoke(scenario: &Scenario, process: &mut Process, event: &Value) -> Result<TimedAnswer> {
    let answer = process.invoke(event).await?;
    scenario.check(&answer.answer)?;
    Ok(answer)
}

fn cold(starts: Vec<Start>) -> Result<Cold> {
    let figures = |figure: fn(&Start) -> f64| starts.iter().map(figure).collect::<Vec<_>>();
    let cpu_millis_each = figures(|start| millis(start.cpu));
    Ok(Cold {
        starts: starts.len(),
        first_next_millis: median(&figures(|start| millis(start.first_next))),
        first_answer_millis: median(&figures(|start| millis(start.first_answer))),
        cpu_millis: median(&cpu_millis_each),
        cpu_millis_each,
        peak_memory_bytes: starts.iter().map(|start| start.peak_memory_bytes).max().unwrap_or_default(),
        aws: starts.into_iter().next_back().context("nothing was started")?.aws,
    })
}

/// A process, and the times of its calls.
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
