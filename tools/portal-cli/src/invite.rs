//! Inviting many: one bulk job after the other, each watched until it is over.
//!
//! A job runs at the API, whether or not anybody watches. Whoever stops watching can watch on later, or cancel it.

use std::{collections::BTreeMap, io, time::Duration};

use crate::{
    api::{Api, Failure, Halt, Refused},
    job::{Counts, Job, JobId, NewJob, Outcome, PatientResult, State},
    stop::Stop,
};

/// How often a job is looked at: at first after the shortest time, then after twice as long each time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The first wait.
    pub shortest: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Pace {
    /// Soon enough for a person, and little to do for the API.
    pub const POLITE: Self = Self { shortest: Duration::from_millis(500), longest: Duration::from_secs(5) };

    /// How long to wait after so many looks, the first being 0.
    fn wait(self, looks: u32) -> Duration {
        self.shortest.saturating_mul(2_u32.saturating_pow(looks)).min(self.longest)
    }
}

/// Whoever is told of jobs.
pub trait Audience {
    /// Whether every result is wanted. Otherwise there are only as many as it takes to know each refusal's sentence.
    fn wants_every_result(&self) -> bool;

    /// A job was looked at.
    fn looked(&mut self, seen: &Seen, job: &Job);

    /// What became of one patient, in the order in which they were seen to.
    ///
    /// # Errors
    /// If it cannot be taken down: no further job is begun.
    fn result(&mut self, result: &PatientResult) -> io::Result<()>;
}

/// What is known of the jobs so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Jobs that are known to have begun.
    pub begun: usize,
    /// The last of them, as it was last looked at.
    pub job: Option<Job>,
    /// What became of the patients of those before it.
    earlier: Counts,
    /// The sentence of each outcome that was found among the results.
    pub sentences: BTreeMap<Outcome, String>,
}

impl Seen {
    /// What became of the patients of all of them.
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

/// How it ended.
#[derive(Debug)]
pub enum Ended {
    /// All jobs are done.
    Done,
    /// Somebody cancelled the last job. None was begun after it.
    Cancelled,
    /// Somebody wished to stop watching.
    Interrupted,
    /// The API does not do what was asked of it.
    Refused(Refused),
    /// Nothing could be asked of the API any more.
    Halted(Halt),
    /// The audience could not take a result down.
    Untold(io::Error),
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

/// Whoever watches jobs, and tells of them.
#[derive(Debug)]
pub struct Watcher<'run, A> {
    api: &'run Api,
    pace: Pace,
    stop: &'run Stop,
    audience: &'run mut A,
    seen: Seen,
}

impl<'run, A: Audience> Watcher<'run, A> {
    /// Watches at this pace, until it is to stop.
    #[must_use]
    pub fn new(api: &'run Api, pace: Pace, stop: &'run Stop, audience: &'run mut A) -> Self {
        Self { api, pace, stop, audience, seen: Seen::default() }
    }

    /// Begins the jobs, each when the one before it is done.
    #[must_use]
    pub fn invite(mut self, jobs: &[NewJob]) -> (Seen, Ended) {
        let ended = jobs.iter().try_for_each(|job| {
            if self.stop.raised() {
                return Err(Ended::Interrupted);
            }
            let job = self.api.begin_job(job, self.stop)?;
            self.see_through(job)
        });
        (self.seen, ended.err().unwrap_or(Ended::Done))
    }

    /// Watches a job that has begun.
    #[must_use]
    pub fn watch(mut self, id: &JobId) -> (Seen, Ended) {
        let ended = self.api.job(id, self.stop).map_err(Ended::from).and_then(|job| self.see_through(job));
        (self.seen, ended.err().unwrap_or(Ended::Done))
    }

    /// Watches a job until it is over, and asks what became of its patients.
    fn see_through(&mut self, mut job: Job) -> Result<(), Ended> {
        self.seen.next();
        for looks in 0.. {
            self.seen.job = Some(job.clone());
            self.audience.looked(&self.seen, &job);
            if job.state.is_final() || self.stop.wait(self.pace.wait(looks)) {
                break;
            }
            job = self.api.job(&job.id, self.stop)?;
        }
        match job.state {
            State::Queued | State::Running => Err(Ended::Interrupted),
            State::Done => self.results(&job),
            State::Cancelled => self.results(&job).and(Err(Ended::Cancelled)),
        }
    }

    fn results(&mut self, job: &Job) -> Result<(), Ended> {
        let (mut next, mut more) = (None, true);
        while more && (self.audience.wants_every_result() || self.lacks_a_sentence(job)) {
            if self.stop.raised() {
                return Err(Ended::Interrupted);
            }
            let page = self.api.job_results(&job.id, next.as_deref(), self.stop)?;
            for result in page.results {
                self.audience.result(&result).map_err(Ended::Untold)?;
                self.seen.sentences.entry(result.outcome).or_insert(result.sentence);
            }
            (more, next) = (page.next.is_some(), page.next);
        }
        Ok(())
    }

    fn lacks_a_sentence(&self, job: &Job) -> bool {
        job.counts.each().any(|(outcome, _)| !outcome.is_good() && !self.seen.sentences.contains_key(outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn a_job_is_looked_at_less_and_less_often_up_to_a_bound() {
        let waits: Vec<u128> = [0, 1, 2, 3, 4, 40].map(|looks| Pace::POLITE.wait(looks).as_millis()).to_vec();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    }
}
