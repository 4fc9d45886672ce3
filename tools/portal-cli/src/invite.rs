//! Invites many patients: one bulk job after the other. Each is watched until it ends.
//!
//! A job runs at the API, whether or not it is watched. The user can stop watching, and continue later or cancel it.

use std::{collections::BTreeMap, io, time::Duration};

use crate::{
    api::{Api, Failure, Halt, Refused},
    job::{Counts, Job, JobId, NewJob, Outcome, PatientResult, State},
    stop::Stop,
};

/// The waits between polls of a job. They double from the shortest to the longest.
#[derive(Clone, Copy, Debug)]
pub struct PollIntervals {
    /// The first wait.
    pub shortest: Duration,
    /// The maximum wait.
    pub longest: Duration,
}

impl PollIntervals {
    /// Fast enough for a person, and little load for the API.
    pub const DEFAULT: Self = Self { shortest: Duration::from_millis(500), longest: Duration::from_secs(5) };

    /// The wait after the poll with this number. The first one is 0.
    fn wait(self, polls: u32) -> Duration {
        self.shortest.saturating_mul(2_u32.saturating_pow(polls)).min(self.longest)
    }
}

/// Receives the progress of jobs.
pub trait Observer {
    /// Whether to read every result. Otherwise results are read only until the sentence of each refusal is known.
    fn wants_every_result(&self) -> bool;

    /// A job was polled.
    fn polled(&mut self, progress: &JobsProgress, job: &Job);

    /// One patient's result, in the order in which patients were processed.
    ///
    /// # Errors
    /// If the result cannot be written: no further job is begun.
    fn result(&mut self, result: &PatientResult) -> io::Result<()>;
}

/// The progress of the jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsProgress {
    /// The number of jobs that are known to have begun.
    pub begun: usize,
    /// The last of them, at the last poll.
    pub job: Option<Job>,
    /// The counts of the jobs before it.
    earlier: Counts,
    /// The sentence of each outcome among the results.
    pub sentences: BTreeMap<Outcome, String>,
}

impl JobsProgress {
    /// The counts of all jobs.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.earlier.clone();
        self.job.iter().for_each(|job| counts.add(&job.counts));
        counts
    }

    /// A job has begun.
    fn next(&mut self) {
        self.earlier = self.counts();
        self.job = None;
        self.begun += 1;
    }
}

/// How watching ended.
#[derive(Debug)]
pub enum Ended {
    /// All jobs are done.
    Done,
    /// The last job was cancelled. No job was begun after it.
    Cancelled,
    /// The user stopped watching.
    Interrupted,
    /// The API refused a request.
    Refused(Refused),
    /// No further request could succeed.
    Halted(Halt),
    /// The observer could not write a result.
    ReportFailed(io::Error),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refused) => Self::Refused(refused),
            Failure::Abandoned => Self::Interrupted,
            Failure::Halted(halt) => Self::Halted(halt),
        }
    }
}

/// Begins and watches jobs, and reports their progress.
#[derive(Debug)]
pub struct Watcher<'run, A> {
    api: &'run Api,
    intervals: PollIntervals,
    stop: &'run Stop,
    observer: &'run mut A,
    progress: JobsProgress,
}

impl<'run, A: Observer> Watcher<'run, A> {
    /// A watcher that polls at these intervals, until `stop` is raised.
    #[must_use]
    pub fn new(api: &'run Api, intervals: PollIntervals, stop: &'run Stop, observer: &'run mut A) -> Self {
        Self { api, intervals, stop, observer, progress: JobsProgress::default() }
    }

    /// Begins and watches the jobs, one after the other.
    #[must_use]
    pub fn invite(mut self, jobs: &[NewJob]) -> (JobsProgress, Ended) {
        let ended = jobs.iter().try_for_each(|job| {
            if self.stop.raised() {
                return Err(Ended::Interrupted);
            }
            let job = self.api.begin_job(job, self.stop)?;
            self.watch_to_end(job)
        });
        (self.progress, ended.err().unwrap_or(Ended::Done))
    }

    /// Watches a job that has begun.
    #[must_use]
    pub fn watch(mut self, id: &JobId) -> (JobsProgress, Ended) {
        let ended = self.api.job(id, self.stop).map_err(Ended::from).and_then(|job| self.watch_to_end(job));
        (self.progress, ended.err().unwrap_or(Ended::Done))
    }

    /// Watches a job until it ends, and reads its results.
    fn watch_to_end(&mut self, mut job: Job) -> Result<(), Ended> {
        self.progress.next();
        for polls in 0.. {
            self.progress.job = Some(job.clone());
            self.observer.polled(&self.progress, &job);
            if job.state.is_final() || self.stop.wait(self.intervals.wait(polls)) {
                break;
            }
            job = self.api.job(&job.id, self.stop)?;
        }
        match job.state {
            State::Queued | State::Running => Err(Ended::Interrupted),
            State::Done => self.read_results(&job),
            State::Cancelled => self.read_results(&job).and(Err(Ended::Cancelled)),
        }
    }

    fn read_results(&mut self, job: &Job) -> Result<(), Ended> {
        let (mut next, mut more) = (None, true);
        while more && (self.observer.wants_every_result() || self.is_missing_a_sentence(job)) {
            if self.stop.raised() {
                return Err(Ended::Interrupted);
            }
            let page = self.api.job_results(&job.id, next.as_deref(), self.stop)?;
            for result in page.results {
                self.observer.result(&result).map_err(Ended::ReportFailed)?;
                self.progress.sentences.entry(result.outcome).or_insert(result.sentence);
            }
            (more, next) = (page.next.is_some(), page.next);
        }
        Ok(())
    }

    fn is_missing_a_sentence(&self, job: &Job) -> bool {
        job.counts.each().any(|(outcome, _)| !outcome.is_good() && !self.progress.sentences.contains_key(outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::PollIntervals;

    #[test]
    fn the_wait_between_polls_doubles_up_to_a_maximum() {
        let waits: Vec<u128> = [0, 1, 2, 3, 4, 40].map(|polls| PollIntervals::DEFAULT.wait(polls).as_millis()).to_vec();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    }
}
