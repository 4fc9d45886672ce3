//! The tenant scope: on whose behalf a request is made.

use crate::{
    ids::{JobId, JobKey, PatientId, PracticeId, RecordKey},
    timeline::Actor,
};

/// The practice and the actor of a verified identity.
///
/// Every store method that reads a practice's data for a request takes a scope, so a handler cannot choose another
/// practice. Only the HTTP edge may create a scope, from the claims that the gateway has verified, and the store may
/// restore the scope of a bulk job. The linter refuses the constructor everywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantScope {
    practice: PracticeId,
    actor: Actor,
}

impl TenantScope {
    /// The scope for verified claims. Never call it with data from a query or a body. Data from a path is allowed only for
    /// Customer Care, who belong to no practice and name the practice in the path.
    #[must_use]
    pub const fn from_verified_claims(practice: PracticeId, actor: Actor) -> Self {
        Self { practice, actor }
    }

    /// The practice.
    #[must_use]
    pub const fn practice(&self) -> &PracticeId {
        &self.practice
    }

    /// The person or program that makes the request.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The key of one of the practice's patients.
    #[must_use]
    pub fn record(&self, patient: &PatientId) -> RecordKey {
        RecordKey { practice: self.practice.clone(), patient: patient.clone() }
    }

    /// The key of one of the practice's bulk jobs.
    #[must_use]
    pub fn job(&self, job: &JobId) -> JobKey {
        JobKey { practice: self.practice.clone(), job: job.clone() }
    }
}
