//! Saves and reads patients' profiles, and finds patients.

pub mod hits;
pub mod profile;

use http::StatusCode;
use portal::email::Pepper;
use portal::{
    operations::{
        Command,
        patient::{read_profile, save_profile},
        search::search,
    },
    ports::{Clock, DirectoryStore, PortalStore, Ports},
    record::PortalRecord,
};
use portal_aws::config::{AwsEnvironment, ClaimNames, TableName};
use portal_aws::http::{Answer, DirectoryCursors, Handler, Problem, Request, routes::PatientsOperation};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, ClaimNames);

/// The function, over its ports.
#[derive(Debug)]
pub struct Patients<S, C> {
    /// The records.
    pub store: S,
    /// The time.
    pub clock: C,
    /// The cursors of search pages.
    pub cursors: DirectoryCursors,
}

impl<S: PortalStore + DirectoryStore, C: Clock> Handler for Patients<S, C> {
    type Operation = PatientsOperation;

    async fn handle(&self, operation: PatientsOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            PatientsOperation::SavePatient => self.save(request).await,
            PatientsOperation::ReadPatient => self.read(request).await,
            PatientsOperation::SearchPatients => self.search(request).await,
        }
    }
}

impl<S: PortalStore + DirectoryStore, C: Clock> Patients<S, C> {
    fn ports(&self) -> Ports<'_, S> {
        Ports { store: &self.store, clock: &self.clock }
    }

    async fn save(&self, request: &Request) -> Result<Answer, Problem> {
        let patient = request.patient()?;
        let profile = profile::read(request.form()?, self.clock.now())?;
        let if_match = request.version_to_replace()?;
        let command = Command { if_match, ..request.command(&patient)? };
        let saved = save_profile(&self.ports(), &command, &profile).await?;
        answer(if saved.created { StatusCode::CREATED } else { StatusCode::OK }, &saved.record)
    }

    async fn read(&self, request: &Request) -> Result<Answer, Problem> {
        let record = read_profile(&self.ports(), request.scope()?, &request.patient()?).await?;
        answer(StatusCode::OK, &record)
    }

    async fn search(&self, request: &Request) -> Result<Answer, Problem> {
        let scope = request.scope()?;
        let query = hits::read_query(request)?;
        let cursor = request.query("cursor");
        let after = cursor.map(|cursor| self.cursors.open(scope, &query, cursor)).transpose()?;
        let page = search(&self.ports(), scope, &query, after.as_ref()).await?;
        let next = page.next.map(|place| self.cursors.seal(scope, &query, &place)).transpose()?;
        Answer::document(StatusCode::OK, &hits::HitsJson::from_rows(&page.hits, next))
    }
}

fn answer(status: StatusCode, record: &PortalRecord) -> Result<Answer, Problem> {
    Answer::json(status, &profile::ProfileJson::from_record(record), record.version)
}
