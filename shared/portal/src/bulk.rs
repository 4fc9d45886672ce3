//! Bulk jobs: one request invites many patients, or previews what an invitation of each would do.
//!
//! A job is processed in slices. Each run claims the job by a lease and processes one slice. The job stores its progress,
//! so the next run continues from there. A slice and its progress are written in one transaction, so every patient has
//! one result. As with a record, every step raises the version by one and is written only if the stored job has the
//! previous version.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{
    directory::DirectoryPlace,
    idempotency::{Digest, KeyedRequest, digest},
    ids::{JobId, PatientId, PracticeId, RequestId},
    policy::BULK_LEASE,
    record::PortalRecord,
    refusal::{InviteRefusal, Refusal as _},
    scope::TenantScope,
};

/// The result for one patient. In a dry run: the result that a real run would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkOutcome {
    /// This job invited the patient.
    Invited,
    /// A dry run found nothing that prevents the invitation.
    Invitable,
    /// A rule refused the invitation. The result names no other patient, because it is stored and may be read much later.
    Refused(InviteRefusal),
}

impl BulkOutcome {
    const INVITED: &'static str = "invited";
    const INVITABLE: &'static str = "invitable";

    /// Every outcome.
    pub fn all() -> impl Iterator<Item = Self> {
        let refused = InviteRefusal::CODES.iter().filter_map(|code| InviteRefusal::from_code(*code)).map(Self::Refused);
        [Self::Invited, Self::Invitable].into_iter().chain(refused)
    }

    /// The outcome of a refusal, without the refusal's detail, which is not stored.
    #[must_use]
    pub fn from_refusal(refusal: &InviteRefusal) -> Self {
        Self::Refused(InviteRefusal::from_code(refusal.code()).unwrap_or_else(|| refusal.clone()))
    }

    /// The outcome of this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            Self::INVITED => Some(Self::Invited),
            Self::INVITABLE => Some(Self::Invitable),
            code => code.parse().ok().and_then(InviteRefusal::from_code).map(Self::Refused),
        }
    }

    /// The code that clients match on: the refusal's, if it is one.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invited => Self::INVITED,
            Self::Invitable => Self::INVITABLE,
            Self::Refused(refusal) => refusal.code().name(),
        }
    }

    /// One sentence for people: the refusal's, if it is one.
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::Invited => "The patient was invited.",
            Self::Invitable => "The patient can be invited.",
            Self::Refused(refusal) => refusal.code().words().sentence,
        }
    }
}

/// One patient's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkResult {
    /// The patient.
    pub patient: PatientId,
    /// The outcome.
    pub outcome: BulkOutcome,
}

/// The results of one run. It has at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The slice's number within its job, starting at 1.
    pub number: u32,
    /// In the order in which the patients were processed.
    pub results: Vec<BulkResult>,
}

/// A place between two pages of results: the next page begins after the slice of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlicePlace(u32);

impl SlicePlace {
    /// The place after a slice.
    #[must_use]
    pub const fn after(slice: &Slice) -> Self {
        Self(slice.number)
    }

    /// Parses a place that an earlier answer contained: the slice's number in plain digits, no other form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number > 0).map(Self).filter(|place| place.0.to_string() == text)
    }

    /// The number of the slice that comes before this place.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Whom a job invites, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The patients that the request named. They are stored in an item of their own.
    Named {
        /// How many patients were named, at most [`crate::policy::MAX_BULK_PATIENTS`].
        total: u32,
        /// How many of them have been processed.
        processed: u32,
    },
    /// All patients of the practice who have an email address and were never invited, in the order of the directory's
    /// rows by date of birth.
    NeverInvited {
        /// The last row that was read.
        after: Option<DirectoryPlace>,
    },
}

/// The state of a job. The last two are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "snake_case")]
pub enum JobState {
    /// No patient has been processed yet.
    Queued,
    /// Patients are being processed; the next ones follow within seconds.
    Running,
    /// All patients have been processed.
    Done,
    /// The job was stopped before that.
    Cancelled,
}

impl JobState {
    /// The state's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the job is done or cancelled, so that no run claims it any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Done | Self::Cancelled => true,
        }
    }
}

/// A run's exclusive claim of a job, for a limited time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The run that has the lease.
    pub run: RequestId,
    /// When the lease ends.
    pub until: DateTime<Utc>,
}

/// Why a run cannot claim a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobUnclaimable {
    /// The job is done or cancelled.
    Over,
    /// Another run has claimed it.
    Held {
        /// When that run's lease ends at the latest.
        until: DateTime<Utc>,
    },
}

/// A bulk job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkJob {
    /// The job's id.
    pub id: JobId,
    /// On whose behalf: every invitation is made in the name of the user who created the job.
    pub scope: TenantScope,
    /// The digest of the request's content, if the request had an idempotency key.
    pub content: Option<Digest>,
    /// Whether the job only previews outcomes and invites no patient.
    pub dry_run: bool,
    /// Whom the job invites.
    pub audience: Audience,
    /// The job's state.
    pub state: JobState,
    /// How many patients had each outcome, by its code.
    pub counts: BTreeMap<&'static str, u32>,
    /// How many slices have results.
    pub slices: u32,
    /// The run that is processing the job now.
    pub lease: Option<Lease>,
    /// When the job was created.
    pub created_at: DateTime<Utc>,
    /// When the job was last written.
    pub updated_at: DateTime<Utc>,
    /// Raised by one with every step.
    pub version: u64,
}

/// What one run has processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceProgress {
    /// The job's audience with the new progress.
    pub audience: Audience,
    /// Whether no patient is left.
    pub complete: bool,
    /// The results of the patients who belong to the audience. May be empty.
    pub results: Vec<BulkResult>,
}

impl JobId {
    /// The id of the job that a keyed request of a practice creates. A repeat of the request gets the same id.
    #[must_use]
    pub fn from_request(practice: &PracticeId, request: &KeyedRequest) -> Self {
        let bytes = digest(&[practice.as_str().as_bytes(), b"\n", &request.key]);
        let uuid = uuid::Builder::from_custom_bytes(bytes).into_uuid();
        let Ok(id) = Self::parse(&uuid.to_string()) else { unreachable!("a UUID is hex digits and hyphens") };
        id
    }
}

impl BulkJob {
    /// A new job.
    #[must_use]
    pub fn new(
        id: JobId,
        scope: &TenantScope,
        request: Option<&KeyedRequest>,
        dry_run: bool,
        audience: Audience,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            scope: scope.clone(),
            content: request.map(|request| request.content),
            dry_run,
            audience,
            state: JobState::Queued,
            counts: BTreeMap::new(),
            slices: 0,
            lease: None,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    /// How many patients have been processed.
    #[must_use]
    pub fn processed(&self) -> u32 {
        self.counts.values().sum()
    }

    /// How many patients the job has in all, once that is known.
    #[must_use]
    pub fn total(&self) -> Option<u32> {
        match self.audience {
            Audience::Named { total, .. } => Some(total),
            Audience::NeverInvited { .. } => (self.state == JobState::Done).then(|| self.processed()),
        }
    }

    /// Claims the job for a run, for [`BULK_LEASE`] at most.
    ///
    /// # Errors
    /// [`JobUnclaimable`]
    pub fn claim(&self, run: &RequestId, now: DateTime<Utc>) -> Result<Self, JobUnclaimable> {
        if self.state.is_over() {
            return Err(JobUnclaimable::Over);
        }
        match &self.lease {
            Some(lease) if lease.until > now => return Err(JobUnclaimable::Held { until: lease.until }),
            Some(_) | None => {}
        }
        let lease = Some(Lease { run: run.clone(), until: now + BULK_LEASE });
        Ok(self.step(now, |after| {
            after.state = JobState::Running;
            after.lease = lease;
        }))
    }

    /// Releases the job after a run and records the run's progress. Returns the job, and the slice if there are results.
    /// `None` if the run no longer has the lease: another run processes the same patients.
    ///
    /// If the job was cancelled during the run, the progress is recorded and the job stays cancelled.
    #[must_use]
    pub fn advance(
        &self,
        run: &RequestId,
        progress: SliceProgress,
        now: DateTime<Utc>,
    ) -> Option<(Self, Option<Slice>)> {
        self.lease.as_ref().filter(|lease| lease.run == *run)?;
        let SliceProgress { audience, complete, results } = progress;
        let after = self.step(now, |after| {
            after.lease = None;
            after.audience = audience;
            for result in &results {
                *after.counts.entry(result.outcome.code()).or_default() += 1;
            }
            after.slices += u32::from(!results.is_empty());
            if complete && !after.state.is_over() {
                after.state = JobState::Done;
            }
        });
        let slice = (!results.is_empty()).then_some(Slice { number: after.slices, results });
        Some((after, slice))
    }

    /// Cancels the job. `None` if it is done or cancelled already: nothing changes.
    #[must_use]
    pub fn cancel(&self, now: DateTime<Utc>) -> Option<Self> {
        (!self.state.is_over()).then(|| self.step(now, |after| after.state = JobState::Cancelled))
    }

    fn step(&self, now: DateTime<Utc>, apply: impl FnOnce(&mut Self)) -> Self {
        let mut after = Self { version: self.version + 1, updated_at: now, ..self.clone() };
        apply(&mut after);
        // No run continues from this place any more, and it contains a patient's date of birth.
        if let (true, Audience::NeverInvited { after }) = (after.state.is_over(), &mut after.audience) {
            *after = None;
        }
        after
    }

    /// The key under which a patient's record remembers the invitation by this job. If a slice is processed again, no
    /// patient is invited twice.
    #[must_use]
    pub fn keyed_invitation(&self) -> KeyedRequest {
        KeyedRequest::new("bulk", self.id.as_str(), &[])
    }

    /// Whether the patient belongs to the audience [`Audience::NeverInvited`]. This includes a patient whom this same job
    /// has invited in a run that ended before it recorded the result.
    #[must_use]
    pub fn audience_includes(&self, record: &PortalRecord, now: DateTime<Utc>) -> bool {
        let never_invited = record.invitation.is_none() && record.profile.email.is_some();
        let by_this_job = || matches!(record.find_request(&self.keyed_invitation(), now), Ok(Some(_)));
        never_invited || by_this_job()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, TimeDelta};

    use super::*;
    use crate::{redacted::Redacted, testing::samples};

    fn job() -> BulkJob {
        samples::bulk_job("lakeside", "job-1", 3)
    }

    fn run(name: &str) -> RequestId {
        samples::request_id(name)
    }

    fn progress(processed: u32, complete: bool, outcomes: &[BulkOutcome]) -> SliceProgress {
        let result = |(number, outcome): (usize, &BulkOutcome)| BulkResult {
            patient: samples::patient_id(&format!("p-{number}")),
            outcome: outcome.clone(),
        };
        SliceProgress {
            audience: Audience::Named { total: 3, processed },
            complete,
            results: outcomes.iter().enumerate().map(result).collect(),
        }
    }

    #[test]
    fn one_run_has_a_job_until_it_releases_it_or_its_lease_ends() {
        let now = samples::noon();
        let claimed = job().claim(&run("run-1"), now).unwrap();
        assert_eq!((claimed.state, claimed.version), (JobState::Running, 2));
        let until = now + BULK_LEASE;
        let last = until - TimeDelta::milliseconds(1);
        assert_eq!(claimed.claim(&run("run-2"), last), Err(JobUnclaimable::Held { until }));
        let taken_over = claimed.claim(&run("run-2"), until).unwrap();
        assert_eq!(taken_over.advance(&run("run-1"), progress(2, false, &[BulkOutcome::Invited]), until), None);

        let refused = BulkOutcome::Refused(InviteRefusal::OptedOut);
        let (after, slice) =
            taken_over.advance(&run("run-2"), progress(2, false, &[BulkOutcome::Invited, refused]), until).unwrap();
        assert_eq!(after.counts, BTreeMap::from([("invited", 1), ("opted_out", 1)]));
        assert_eq!((after.processed(), after.slices, after.version), (2, 1, 4));
        assert_eq!(slice.map(|slice| (slice.number, slice.results.len())), Some((1, 2)));
        assert_eq!(after.advance(&run("run-2"), progress(2, false, &[]), until), None, "the run has released the job");

        let again = after.claim(&run("run-2"), until).unwrap();
        let (done, slice) = again.advance(&run("run-2"), progress(3, true, &[]), until).unwrap();
        assert_eq!((done.state, done.slices, slice), (JobState::Done, 1, None));
        assert_eq!(done.claim(&run("run-3"), until), Err(JobUnclaimable::Over));
    }

    #[test]
    fn a_cancelled_job_stays_cancelled_and_keeps_the_results_of_a_started_run() {
        let now = samples::noon();
        let cancelled = job().claim(&run("run-1"), now).unwrap().cancel(now).unwrap();
        assert_eq!(cancelled.claim(&run("run-2"), now), Err(JobUnclaimable::Over));
        assert_eq!(cancelled.cancel(now), None);
        let (after, slice) = cancelled.advance(&run("run-1"), progress(3, true, &[BulkOutcome::Invited]), now).unwrap();
        assert_eq!((after.state, after.processed()), (JobState::Cancelled, 1));
        assert!(slice.is_some());
    }

    #[test]
    fn the_total_of_never_invited_patients_is_known_when_the_job_is_done() {
        let now = samples::noon();
        let audience = Audience::NeverInvited { after: None };
        let queued = BulkJob { audience: audience.clone(), ..job() };
        assert_eq!((job().total(), queued.total()), (Some(3), None));
        let next = SliceProgress { audience, ..progress(0, true, &[BulkOutcome::Invitable]) };
        let (done, _) = queued.claim(&run("run-1"), now).unwrap().advance(&run("run-1"), next, now).unwrap();
        assert_eq!(done.total(), Some(1));
    }

    #[test]
    fn a_done_or_cancelled_job_keeps_no_date_of_birth() {
        let now = samples::noon();
        let date = Redacted::new(NaiveDate::from_ymd_opt(1980, 2, 29).unwrap());
        let place = DirectoryPlace::BirthDate { date, patient: samples::patient_id("p-1") };
        let audience = Audience::NeverInvited { after: Some(place) };
        let claimed = BulkJob { audience: audience.clone(), ..job() }.claim(&run("run-1"), now).unwrap();
        let place_after = |complete| {
            let next = SliceProgress { audience: audience.clone(), ..progress(0, complete, &[]) };
            claimed.advance(&run("run-1"), next, now).unwrap().0.audience
        };
        assert_eq!(place_after(false), audience, "the next run continues from there");
        let no_place = Audience::NeverInvited { after: None };
        assert_eq!(place_after(true), no_place);
        let cancelled = claimed.cancel(now).unwrap();
        assert_eq!(cancelled.audience, no_place);
        let next = SliceProgress { audience: audience.clone(), ..progress(0, false, &[]) };
        assert_eq!(cancelled.advance(&run("run-1"), next, now).unwrap().0.audience, no_place);
    }

    #[test]
    fn a_key_identifies_one_job_of_its_practice() {
        let id = |practice: &str, key: &str, content: &[u8]| {
            JobId::from_request(&samples::practice_id(practice), &KeyedRequest::new("bulk", key, content))
        };
        let first = id("lake", "key-1", b"{}");
        assert_eq!(id("lake", "key-1", b"{ }"), first, "the content is compared later");
        assert_ne!(id("hill", "key-1", b"{}"), first);
        assert_ne!(id("lake", "key-2", b"{}"), first);
        assert_eq!(first.as_str().len(), 36);
    }

    #[test]
    fn every_outcome_has_its_own_code_and_parses_from_it() {
        let codes: BTreeMap<_, _> = BulkOutcome::all().map(|outcome| (outcome.code(), outcome)).collect();
        assert_eq!(codes.len(), BulkOutcome::all().count());
        for (code, outcome) in codes {
            assert_eq!(BulkOutcome::from_code(code), Some(outcome));
        }
        assert_eq!(BulkOutcome::from_code("not_invited"), None);
    }

    #[test]
    fn a_place_parses_from_one_form_only() {
        for (text, number) in [("1", 1), ("21", 21), ("4294967295", u32::MAX)] {
            assert_eq!(SlicePlace::parse(text).map(SlicePlace::number), Some(number), "{text}");
        }
        for text in ["", "0", "01", "+1", "-1", " 1", "1.0", "x", "4294967296", "１"] {
            assert_eq!(SlicePlace::parse(text), None, "{text}");
        }
    }
}
