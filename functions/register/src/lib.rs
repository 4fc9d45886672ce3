//! What the holder of a mailed link can do: look at it, register, decline, get a new one, stop the reminders.

pub mod json;

use http::StatusCode;
use portal::{
    ids::LinkId,
    link::Token,
    operations::register::{Holder, LinkPreview, check, decline, new_link, register, stop_reminders},
    ports::{Clock, Entropy, LinkStore, Queue},
    record::RevokeReason,
    refusal::Refusal,
};
use portal_aws::http::{
    Answer, Handler, Problem, Request,
    respond::log_unqueued,
    routes::{CHECK_LINK, DECLINE, NEW_LINK, NOT_ME, REGISTER, UNSUBSCRIBE},
};

use crate::json::{AskedJson, LinkJson, RegisteredJson};

/// The function, over its ports.
#[derive(Debug)]
pub struct Register<S, Q, C, E> {
    /// The records, by the links that were mailed for them.
    pub store: S,
    /// The way to the sender.
    pub queue: Q,
    /// The time.
    pub clock: C,
    /// Ids for accounts and invitations.
    pub entropy: E,
}

impl<S: LinkStore, Q: Queue, C: Clock, E: Entropy> Handler for Register<S, Q, C, E> {
    const FUNCTION: &'static str = "register";

    async fn handle(&self, request: &Request) -> Result<Answer, Problem> {
        match request.operation() {
            CHECK_LINK => self.check(request).await,
            REGISTER => self.register(request).await,
            DECLINE => self.decline(request, RevokeReason::Declined).await,
            NOT_ME => self.decline(request, RevokeReason::WrongPerson).await,
            NEW_LINK => self.new_link(request).await,
            UNSUBSCRIBE => self.stop_reminders(request).await,
            _ => Err(Problem::NotFound),
        }
    }
}

impl<S: LinkStore, Q: Queue, C: Clock, E: Entropy> Register<S, Q, C, E> {
    async fn check(&self, request: &Request) -> Result<Answer, Problem> {
        match self.preview(request).await {
            Ok(preview) => Answer::document(StatusCode::OK, &LinkJson::usable(&preview)),
            // To whoever only looks it is an answer like any other.
            Err(Problem::Refused(Refusal::LinkNotUsable)) => Answer::document(StatusCode::OK, &LinkJson::UNUSABLE),
            Err(problem) => Err(problem),
        }
    }

    async fn preview(&self, request: &Request) -> Result<LinkPreview, Problem> {
        let token = json::token(request.form()?)?;
        Ok(check(&self.store, &self.clock, &token).await?)
    }

    async fn register(&self, request: &Request) -> Result<Answer, Problem> {
        let (token, date_of_birth) = json::registration(request.form()?, self.clock.now())?;
        let holder = Holder { keyed: request.keyed()?, ..holder(&token, request) };
        let registered = register(&self.store, &self.clock, &self.entropy, &holder, *date_of_birth.expose()).await?;
        Answer::document(StatusCode::CREATED, &RegisteredJson::of(&registered))
    }

    async fn decline(&self, request: &Request, reason: RevokeReason) -> Result<Answer, Problem> {
        let token = json::token(request.form()?)?;
        decline(&self.store, &self.clock, &holder(&token, request), reason).await?;
        Ok(Answer::done())
    }

    async fn new_link(&self, request: &Request) -> Result<Answer, Problem> {
        let token = json::token(request.form()?)?;
        let holder = Holder { keyed: request.keyed()?, ..holder(&token, request) };
        let unqueued = new_link(&self.store, &self.queue, &self.clock, &self.entropy, &holder).await?;
        log_unqueued(unqueued.as_ref(), request.id());
        Answer::document(StatusCode::ACCEPTED, &AskedJson {})
    }

    /// The body is not read: RFC 8058 has it say no more than the path does.
    async fn stop_reminders(&self, request: &Request) -> Result<Answer, Problem> {
        if let Ok(link) = LinkId::parse(request.query("t").unwrap_or_default()) {
            stop_reminders(&self.store, &self.clock, &link, request.id()).await?;
        }
        Ok(Answer::done())
    }
}

fn holder<'request>(token: &'request Token, request: &'request Request) -> Holder<'request> {
    Holder { token, request: request.id(), keyed: None }
}
