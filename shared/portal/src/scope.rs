//! On whose behalf a request acts.

use crate::{
    ids::{JobId, JobKey, PatientId, PracticeId, RecordKey},
    timeline::Actor,
};

/// The practice and the person that a verified identity stands for.
///
/// Every store method that a request can reach takes one, so that a handler can name no practice of its own
/// choosing. Only the HTTP edge may build one, from the claims that the gateway has verified, and the store may give
/// back the one that a bulk job was begun with; the linter refuses the constructor everywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantScope {
    practice: PracticeId,
    actor: Actor,
}

impl TenantScope {
    /// The scope that verified claims give. Never call it with anything from a query or a body, nor with anything from
    /// a path except for Customer Care, who belong to no practice and name the one that they act for.
    #[must_use]
    pub const fn from_verified_claims(practice: PracticeId, actor: Actor) -> Self {
        Self { practice, actor }
    }

    /// The practice.
    #[must_use]
    pub const fn practice(&self) -> &PracticeId {
        &self.practice
    }

    /// The person or program.
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
