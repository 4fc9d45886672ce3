//! Reads and saves a practice's settings, and activates its portal.

pub mod settings;

use http::StatusCode;
use portal::{
    operations::practice::{read_practice, save_practice},
    ports::{Clock, PracticeStore},
    practice::Practice as Settings,
};
use portal_aws::http::{
    Answer, Handler, Problem, Request,
    routes::{READ_PRACTICE, SAVE_PRACTICE},
};

/// The function, over its ports.
#[derive(Debug)]
pub struct Practice<S, C> {
    /// The practices.
    pub store: S,
    /// The time.
    pub clock: C,
}

impl<S: PracticeStore, C: Clock> Handler for Practice<S, C> {
    const FUNCTION: &'static str = "practice";

    async fn handle(&self, request: &Request) -> Result<Answer, Problem> {
        match request.operation() {
            READ_PRACTICE => self.read(request).await,
            SAVE_PRACTICE => self.save(request).await,
            _ => Err(Problem::NotFound),
        }
    }
}

impl<S: PracticeStore, C: Clock> Practice<S, C> {
    async fn read(&self, request: &Request) -> Result<Answer, Problem> {
        let practice = read_practice(&self.store, request.scope()?).await?;
        answer(&practice.ok_or(Problem::PracticeNotSetUp)?)
    }

    async fn save(&self, request: &Request) -> Result<Answer, Problem> {
        let (settings, terms_accepted) = settings::read(request.form()?)?;
        let if_match = request.version_to_replace()?;
        let saved = save_practice(&self.store, &self.clock, request.scope()?, &settings, terms_accepted, if_match);
        answer(&saved.await?)
    }
}

fn answer(practice: &Settings) -> Result<Answer, Problem> {
    Answer::json(StatusCode::OK, &settings::PracticeJson::of(practice), practice.version)
}
