//! Serves the holder of a mailed link: check it, register, decline, request a new link, stop the reminders.

pub mod json;

use http::StatusCode;
use portal::email::Pepper;
use portal::{
    ids::LinkId,
    link::Token,
    operations::{
        OperationError,
        register::{Holder, check, decline, new_link, register, stop_reminders},
    },
    ports::{Clock, Entropy, LinkStore, Ports, Queue},
    refusal::LinkRefusal,
    states::RevokeReason,
};
use portal_aws::config::{AwsEnvironment, OriginSecrets, QueueUrl, TableName};
use portal_aws::http::{Answer, Handler, Problem, Request, respond::log_unqueued, routes::RegisterOperation};

use crate::json::{LinkJson, NewLinkJson, RegisteredJson};

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, QueueUrl, Option<OriginSecrets>);

/// The function, over its ports.
#[derive(Debug)]
pub struct Register<S, Q, C, E> {
    /// The records, by their links.
    pub store: S,
    /// The queue to the sender.
    pub queue: Q,
    /// The time.
    pub clock: C,
    /// Randomness for the ids of accounts and invitations.
    pub entropy: E,
}

impl<S: LinkStore, Q: Queue, C: Clock, E: Entropy> Handler for Register<S, Q, C, E> {
    type Operation = RegisterOperation;

    async fn handle(&self, operation: RegisterOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            RegisterOperation::CheckLink => self.check(request).await,
            RegisterOperation::Register => self.register(request).await,
            RegisterOperation::DeclineInvitation => self.decline(request, RevokeReason::Declined).await,
            RegisterOperation::ReportWrongPerson => self.decline(request, RevokeReason::WrongPerson).await,
            RegisterOperation::RequestNewLink => self.new_link(request).await,
            RegisterOperation::StopReminders => self.stop_reminders(request).await,
        }
    }
}

impl<S: LinkStore, Q: Queue, C: Clock, E: Entropy> Register<S, Q, C, E> {
    fn ports(&self) -> Ports<'_, S> {
        Ports { store: &self.store, clock: &self.clock }
    }

    async fn check(&self, request: &Request) -> Result<Answer, Problem> {
        // An unusable link is a normal answer here, not a problem.
        let token = json::read_token(request.form()?)?;
        let preview = match token {
            Ok(token) => check(&self.ports(), &token).await,
            Err(refusal) => Err(OperationError::Refused(refusal)),
        };
        match preview {
            Ok(preview) => Answer::document(StatusCode::OK, &LinkJson::from_preview(&preview)),
            Err(OperationError::Refused(LinkRefusal::LinkNotUsable)) => {
                Answer::document(StatusCode::OK, &LinkJson::UNUSABLE)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn register(&self, request: &Request) -> Result<Answer, Problem> {
        let (token, date_of_birth) = json::read_registration(request.form()?, self.clock.now())?;
        let token = require_token(token)?;
        let holder = Holder { keyed: request.keyed()?, ..holder(&token, request) };
        let registered = register(&self.ports(), &self.entropy, &holder, *date_of_birth.expose()).await?;
        Answer::document(StatusCode::CREATED, &RegisteredJson::from_registered(&registered))
    }

    async fn decline(&self, request: &Request, reason: RevokeReason) -> Result<Answer, Problem> {
        let token = require_token(json::read_token(request.form()?)?)?;
        decline(&self.ports(), &holder(&token, request), reason).await?;
        Ok(Answer::done())
    }

    async fn new_link(&self, request: &Request) -> Result<Answer, Problem> {
        let token = require_token(json::read_token(request.form()?)?)?;
        let holder = Holder { keyed: request.keyed()?, ..holder(&token, request) };
        let unqueued = new_link(&self.ports(), &self.queue, &self.entropy, &holder).await?;
        log_unqueued(unqueued.as_ref(), request.id());
        Answer::document(StatusCode::ACCEPTED, &NewLinkJson {})
    }

    /// The body is not read: by RFC 8058 it contains no more than the path does.
    async fn stop_reminders(&self, request: &Request) -> Result<Answer, Problem> {
        if let Ok(link) = LinkId::parse(request.query("t").unwrap_or_default()) {
            stop_reminders(&self.ports(), &link, request.id()).await?;
        }
        Ok(Answer::done())
    }
}

/// The token, or the problem of an unusable link.
fn require_token(token: Result<Token, LinkRefusal>) -> Result<Token, Problem> {
    token.map_err(|refusal| Problem::refused(&refusal))
}

fn holder<'request>(token: &'request Token, request: &'request Request) -> Holder<'request> {
    Holder { token, request: request.id(), keyed: None }
}
