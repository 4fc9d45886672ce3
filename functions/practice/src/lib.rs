//! Reads and saves a practice's settings, activates its portal, reads its history, and tells callers who they are.

pub mod history;
pub mod me;
pub mod settings;

use http::StatusCode;
use portal::{
    operations::practice::{SaveSettings, practice_timeline, read_practice, save_practice},
    ports::{Clock, Ports, PracticeHistory, PracticeStore},
    practice::Practice as Settings,
};
use portal_aws::config::{AwsEnvironment, ClaimNames, TableName};
use portal_aws::http::{
    Answer, Handler, Problem, Request, history_cursor::place_from_cursor, routes::PracticeOperation,
};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, ClaimNames);

/// The function, over its ports.
#[derive(Debug)]
pub struct Practice<S, C> {
    /// The practices.
    pub store: S,
    /// The time.
    pub clock: C,
}

impl<S: PracticeStore + PracticeHistory, C: Clock> Handler for Practice<S, C> {
    type Operation = PracticeOperation;

    async fn handle(&self, operation: PracticeOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            PracticeOperation::ReadPractice => self.read(request).await,
            PracticeOperation::SavePractice => self.save(request).await,
            PracticeOperation::ReadPracticeTimeline => self.timeline(request).await,
            PracticeOperation::ReadMe => self.me(request).await,
        }
    }
}

impl<S: PracticeStore + PracticeHistory, C: Clock> Practice<S, C> {
    fn ports(&self) -> Ports<'_, S> {
        Ports { store: &self.store, clock: &self.clock }
    }

    async fn read(&self, request: &Request) -> Result<Answer, Problem> {
        let practice = read_practice(&self.ports(), request.scope()?).await?;
        answer(&practice.ok_or(Problem::PracticeNotSetUp)?)
    }

    async fn timeline(&self, request: &Request) -> Result<Answer, Problem> {
        let before = place_from_cursor(request)?;
        let page = practice_timeline(&self.ports(), request.scope()?, before.as_ref()).await?;
        Answer::document(StatusCode::OK, &history::PracticeTimelineJson::from_page(&page))
    }

    async fn me(&self, request: &Request) -> Result<Answer, Problem> {
        let identity = request.identity()?;
        let settings = match identity.practice() {
            Some(scope) => read_practice(&self.ports(), scope).await?,
            None => None,
        };
        Answer::document(StatusCode::OK, &me::MeJson::new(identity, settings.as_ref()))
    }

    async fn save(&self, request: &Request) -> Result<Answer, Problem> {
        let (settings, terms_accepted) = settings::read(request.form()?)?;
        let if_match = request.version_to_replace()?;
        let save = SaveSettings { scope: request.scope()?, request: request.id(), if_match, settings, terms_accepted };
        let saved = save_practice(&self.ports(), &save).await?;
        answer(&saved)
    }
}

fn answer(practice: &Settings) -> Result<Answer, Problem> {
    Answer::json(StatusCode::OK, &settings::PracticeJson::from_practice(practice), practice.version)
}
