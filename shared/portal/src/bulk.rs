//! Bulk jobs: one request invites many patients, or learns in advance what would come of it.
//!
//! A job is seen to in slices, each by one run, which takes a lease on it first. The job says how far they have come, so
//! whoever runs next goes on from there; a slice and the progress that it makes are written at one go, so every patient
//! has one result. As with a record, every step raises the version by one and is written only if the stored job has the
//! version before.

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

/// What became of one patient, or in a dry run would become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkOutcome {
    /// This job invited the patient.
    Invited,
    /// Nothing stood against inviting the patient when a dry run looked.
    Invitable,
    /// A rule refused the invitation. No other patient is named: a result is read long after.
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

    /// The outcome of a refusal, without the detail that nothing keeps.
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

/// What became of which patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkResult {
    /// Who.
    pub patient: PatientId,
    /// What.
    pub outcome: BulkOutcome,
}

/// The results of one run. It has at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Which one of its job, from 1 on.
    pub number: u32,
    /// In the order in which the patients were seen to.
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

    /// Reads a place that an answer has given out: its number in digits, and in no other form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number > 0).map(Self).filter(|place| place.0.to_string() == text)
    }

    /// The number of the slice that it is after.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Whom a job is about, and how far it has come with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The patients that the request named. They are stored beside the job.
    Named {
        /// How many they are, at most [`crate::policy::MOST_BULK_PATIENTS`].
        total: u32,
        /// How many of them have been seen to.
        seen: u32,
    },
    /// Everybody of the practice who has an email address and was never invited, in the order of the directory's rows
    /// under dates of birth.
    NeverInvited {
        /// The last row that was looked at.
        after: Option<DirectoryPlace>,
    },
}

/// Where a job stands. The last two are for good.
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

    /// Whether no run takes it up any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Done | Self::Cancelled => true,
        }
    }
}

/// A run's exclusive hold of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose.
    pub run: RequestId,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// Why a run cannot have a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobUnclaimable {
    /// It is done or cancelled.
    Over,
    /// Another run has it.
    Held {
        /// Until when at the latest.
        until: DateTime<Utc>,
    },
}

/// A bulk job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkJob {
    /// Which one.
    pub id: JobId,
    /// On whose behalf: every invitation is made by who asked for the job.
    pub scope: TenantScope,
    /// Of what was asked for, if the request had a key.
    pub content: Option<Digest>,
    /// Whether it only looks.
    pub dry_run: bool,
    /// Whom it is about.
    pub audience: Audience,
    /// Where it stands.
    pub state: JobState,
    /// How many patients had each outcome, by its code.
    pub counts: BTreeMap<&'static str, u32>,
    /// How many slices have results.
    pub slices: u32,
    /// Who sees to it now.
    pub lease: Option<Lease>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
    /// Raised by one with every step.
    pub version: u64,
}

/// What a run has seen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceProgress {
    /// How far it came.
    pub audience: Audience,
    /// Whether that is the end.
    pub complete: bool,
    /// What became of those it met who belong to the audience; possibly of nobody.
    pub results: Vec<BulkResult>,
}

impl JobId {
    /// The id of the job that a keyed request of a practice begins: a repeat meets the same one.
    #[must_use]
    pub fn of_request(practice: &PracticeId, request: &KeyedRequest) -> Self {
        let bytes = digest(&[practice.as_str().as_bytes(), b"\n", &request.key]);
        let uuid = uuid::Builder::from_custom_bytes(bytes).into_uuid();
        let Ok(id) = Self::parse(&uuid.to_string()) else { unreachable!("a UUID is hex digits and hyphens") };
        id
    }
}

impl BulkJob {
    /// A new job.
    #[must_use]
    pub fn queued(
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

    /// How many patients have been seen to.
    #[must_use]
    pub fn processed(&self) -> u32 {
        self.counts.values().sum()
    }

    /// How many patients it is about, as soon as that is known.
    #[must_use]
    pub fn total(&self) -> Option<u32> {
        match self.audience {
            Audience::Named { total, .. } => Some(total),
            Audience::NeverInvited { .. } => (self.state == JobState::Done).then(|| self.processed()),
        }
    }

    /// A run takes the job up, for [`BULK_LEASE`] at most.
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

    /// A run gives the job back, with what it has seen to; the slice, if there are results. `None` if the run does not
    /// have the job any more: somebody else sees to the same patients.
    ///
    /// What a run has begun counts even if the job was cancelled meanwhile, which it stays.
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

    /// Somebody stops the job. `None` if it is over: nothing changes.
    #[must_use]
    pub fn cancel(&self, now: DateTime<Utc>) -> Option<Self> {
        (!self.state.is_over()).then(|| self.step(now, |after| after.state = JobState::Cancelled))
    }

    fn step(&self, now: DateTime<Utc>, apply: impl FnOnce(&mut Self)) -> Self {
        let mut after = Self { version: self.version + 1, updated_at: now, ..self.clone() };
        apply(&mut after);
        // Nobody goes on from there any more, and it is somebody's date of birth.
        if let (true, Audience::NeverInvited { after }) = (after.state.is_over(), &mut after.audience) {
            *after = None;
        }
        after
    }

    /// The invitation of one patient, as the record remembers it: a slice that is seen to a second time invites nobody
    /// twice.
    #[must_use]
    pub fn keyed_invitation(&self) -> KeyedRequest {
        KeyedRequest::new("bulk", self.id.as_str(), &[])
    }

    /// Whether a patient whom a job about those who were never invited meets belongs to them: also if it is this very job
    /// that has invited the patient, in a run that ended before it could say so.
    #[must_use]
    pub fn is_about(&self, record: &PortalRecord, now: DateTime<Utc>) -> bool {
        let never_invited = record.invitation.is_none() && record.profile.email.is_some();
        let by_this_job = || matches!(record.earlier(&self.keyed_invitation(), now), Ok(Some(_)));
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

    fn seen(seen: u32, complete: bool, outcomes: &[BulkOutcome]) -> SliceProgress {
        let result = |(number, outcome): (usize, &BulkOutcome)| BulkResult {
            patient: samples::patient_id(&format!("p-{number}")),
            outcome: outcome.clone(),
        };
        SliceProgress {
            audience: Audience::Named { total: 3, seen },
            complete,
            results: outcomes.iter().enumerate().map(result).collect(),
        }
    }

    #[test]
    fn one_run_has_a_job_until_it_gives_it_back_or_its_lease_is_over() {
        let now = samples::noon();
        let claimed = job().claim(&run("run-1"), now).unwrap();
        assert_eq!((claimed.state, claimed.version), (JobState::Running, 2));
        let until = now + BULK_LEASE;
        let last = until - TimeDelta::milliseconds(1);
        assert_eq!(claimed.claim(&run("run-2"), last), Err(JobUnclaimable::Held { until }));
        let taken_over = claimed.claim(&run("run-2"), until).unwrap();
        assert_eq!(taken_over.advance(&run("run-1"), seen(2, false, &[BulkOutcome::Invited]), until), None);

        let refused = BulkOutcome::Refused(InviteRefusal::OptedOut);
        let (after, slice) =
            taken_over.advance(&run("run-2"), seen(2, false, &[BulkOutcome::Invited, refused]), until).unwrap();
        assert_eq!(after.counts, BTreeMap::from([("invited", 1), ("opted_out", 1)]));
        assert_eq!((after.processed(), after.slices, after.version), (2, 1, 4));
        assert_eq!(slice.map(|slice| (slice.number, slice.results.len())), Some((1, 2)));
        assert_eq!(after.advance(&run("run-2"), seen(2, false, &[]), until), None, "it has given it back");

        let again = after.claim(&run("run-2"), until).unwrap();
        let (done, slice) = again.advance(&run("run-2"), seen(3, true, &[]), until).unwrap();
        assert_eq!((done.state, done.slices, slice), (JobState::Done, 1, None));
        assert_eq!(done.claim(&run("run-3"), until), Err(JobUnclaimable::Over));
    }

    #[test]
    fn a_cancelled_job_stays_cancelled_and_keeps_what_was_begun() {
        let now = samples::noon();
        let cancelled = job().claim(&run("run-1"), now).unwrap().cancel(now).unwrap();
        assert_eq!(cancelled.claim(&run("run-2"), now), Err(JobUnclaimable::Over));
        assert_eq!(cancelled.cancel(now), None);
        let (after, slice) = cancelled.advance(&run("run-1"), seen(3, true, &[BulkOutcome::Invited]), now).unwrap();
        assert_eq!((after.state, after.processed()), (JobState::Cancelled, 1));
        assert!(slice.is_some());
    }

    #[test]
    fn how_many_were_never_invited_is_known_in_the_end() {
        let now = samples::noon();
        let audience = Audience::NeverInvited { after: None };
        let begun = BulkJob { audience: audience.clone(), ..job() };
        assert_eq!((job().total(), begun.total()), (Some(3), None));
        let met = SliceProgress { audience, ..seen(0, true, &[BulkOutcome::Invitable]) };
        let (done, _) = begun.claim(&run("run-1"), now).unwrap().advance(&run("run-1"), met, now).unwrap();
        assert_eq!(done.total(), Some(1));
    }

    #[test]
    fn a_job_that_is_over_keeps_no_date_of_birth() {
        let now = samples::noon();
        let on = Redacted::new(NaiveDate::from_ymd_opt(1980, 2, 29).unwrap());
        let place = DirectoryPlace::Born { on, patient: samples::patient_id("p-1") };
        let audience = Audience::NeverInvited { after: Some(place) };
        let claimed = BulkJob { audience: audience.clone(), ..job() }.claim(&run("run-1"), now).unwrap();
        let left = |complete| {
            let met = SliceProgress { audience: audience.clone(), ..seen(0, complete, &[]) };
            claimed.advance(&run("run-1"), met, now).unwrap().0.audience
        };
        assert_eq!(left(false), audience, "the next run goes on from there");
        let nowhere = Audience::NeverInvited { after: None };
        assert_eq!(left(true), nowhere);
        let cancelled = claimed.cancel(now).unwrap();
        assert_eq!(cancelled.audience, nowhere);
        let met = SliceProgress { audience: audience.clone(), ..seen(0, false, &[]) };
        assert_eq!(cancelled.advance(&run("run-1"), met, now).unwrap().0.audience, nowhere);
    }

    #[test]
    fn a_key_leads_to_one_job_of_its_practice() {
        let id = |practice: &str, key: &str, content: &[u8]| {
            JobId::of_request(&samples::practice_id(practice), &KeyedRequest::new("bulk", key, content))
        };
        let first = id("lake", "key-1", b"{}");
        assert_eq!(id("lake", "key-1", b"{ }"), first, "what is asked for is compared later");
        assert_ne!(id("hill", "key-1", b"{}"), first);
        assert_ne!(id("lake", "key-2", b"{}"), first);
        assert_eq!(first.as_str().len(), 36);
    }

    #[test]
    fn every_outcome_has_a_code_of_its_own_and_reads_back() {
        let codes: BTreeMap<_, _> = BulkOutcome::all().map(|outcome| (outcome.code(), outcome)).collect();
        assert_eq!(codes.len(), BulkOutcome::all().count());
        for (code, outcome) in codes {
            assert_eq!(BulkOutcome::from_code(code), Some(outcome));
        }
        assert_eq!(BulkOutcome::from_code("too_soon"), None);
    }

    #[test]
    fn a_place_is_read_in_one_form_only() {
        for (text, number) in [("1", 1), ("21", 21), ("4294967295", u32::MAX)] {
            assert_eq!(SlicePlace::parse(text).map(SlicePlace::number), Some(number), "{text}");
        }
        for text in ["", "0", "01", "+1", "-1", " 1", "1.0", "x", "4294967296", "１"] {
            assert_eq!(SlicePlace::parse(text), None, "{text}");
        }
    }
}
