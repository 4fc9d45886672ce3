//! The progress of invitation jobs.

use std::io::{self, Write};

use portal_cli::{
    invite::{JobsProgress, Observer},
    job::{Counts, Job, PatientResult, State},
    report::Report,
};

use super::Progress;

/// The progress of one job or several.
pub struct InviteProgress<W: Write> {
    progress: Progress,
    /// Patients of all jobs, if they were named.
    patients: Option<u64>,
    /// The number of jobs to begin.
    jobs: usize,
    /// The number of jobs that were announced.
    announced: usize,
    report: Option<Report<W, { PatientResult::COLUMNS.len() }>>,
}

impl<W: Write> InviteProgress<W> {
    /// Begins the progress of `jobs` jobs, and of `patients` patients if they are named.
    pub fn begin(
        jobs: usize,
        patients: Option<u64>,
        report: Option<Report<W, { PatientResult::COLUMNS.len() }>>,
    ) -> Self {
        Self { progress: Progress::begin(patients), patients, jobs, announced: 0, report }
    }

    /// Clears the bar, and ends the report.
    pub fn end(self) -> io::Result<()> {
        self.progress.end();
        self.report.map_or(Ok(()), Report::end)
    }
}

impl<W: Write> Observer for InviteProgress<W> {
    fn wants_every_result(&self) -> bool {
        self.report.is_some()
    }

    fn polled(&mut self, jobs: &JobsProgress, job: &Job) {
        if self.announced < jobs.begun {
            self.announced = jobs.begun;
            let patients = job.total.map(|total| format!(", {total} patients")).unwrap_or_default();
            let place = if self.jobs > 1 { format!(" {} of {}", jobs.begun, self.jobs) } else { String::new() };
            self.progress.print(&format!("Job{place}: {}{patients}", job.id));
        }
        let counts = jobs.counts();
        let done = counts.good().saturating_add(counts.refused());
        // Before the first result, the remaining time would be a guess.
        if done > 0
            && let Some(length) = self.patients.or(job.total)
        {
            self.progress.set_length(length);
        }
        let waiting = if job.state == State::Queued { ", waiting for its turn" } else { "" };
        self.progress.show(done, done, format!("{}{waiting}", summary_line(&counts, job.dry_run)));
    }

    fn result(&mut self, result: &PatientResult) -> io::Result<()> {
        self.report.as_mut().map_or(Ok(()), |report| report.add(&result.cells()).map_err(io::Error::from))
    }
}

/// The counts in one line.
pub fn summary_line(counts: &Counts, dry_run: bool) -> String {
    let (good, refused) = (counts.good(), counts.refused());
    let done = if dry_run { "could be invited" } else { "invited" };
    format!("{} patients: {good} {done}, {refused} not", good.saturating_add(refused))
}
