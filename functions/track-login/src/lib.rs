//! Notes that a patient has logged in. The portal reports it over HTTP; a Cognito user pool calls the function by itself.

pub mod json;

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use lambda_http::{Context, LambdaEvent};
use portal::email::Pepper;
use portal::{
    ids::EventId,
    operations::{OperationError, track_login::track_login},
    ports::{Clock, LoginStore, Ports},
    record::account::Login,
    refusal::Refusal as _,
};
use portal_aws::config::{AwsEnvironment, ClaimNames, TableName};
use portal_aws::{
    cause,
    http::{Answer, Edge, Handler, Problem, Request, routes::TrackLoginOperation},
    user_pool::{Event, POST_AUTHENTICATION, Reply, Trigger},
};
use tokio::time::timeout;

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, Pepper, ClaimNames);

/// Cognito waits five seconds for the answer, the start of a function included, while somebody waits to be let in.
const PATIENCE: Duration = Duration::from_secs(3);

/// The function, over its ports.
#[derive(Debug)]
pub struct TrackLogin<S, C> {
    /// The accounts.
    pub store: S,
    /// The time.
    pub clock: C,
}

impl<S: LoginStore, C: Clock> Handler for TrackLogin<S, C> {
    type Operation = TrackLoginOperation;

    async fn handle(&self, operation: TrackLoginOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            TrackLoginOperation::ReportLogin => {
                let (email, login) = json::login(request.form()?)?;
                track_login(&self.ports(), &email, login).await?;
                Ok(Answer::done())
            }
        }
    }
}

/// Answers whoever calls. A user pool gets its event back whatever comes of it: with an error nobody could sign in.
pub async fn reply<S: LoginStore, C: Clock>(edge: &Edge<TrackLogin<S, C>>, event: LambdaEvent<Event>) -> Reply {
    let LambdaEvent { payload, context, .. } = event;
    match payload {
        Event::Http(request) => Reply::Http(Box::new(edge.answer(LambdaEvent::new(*request, context)).await)),
        Event::Trigger(trigger) => {
            // The panic itself has been logged by the hook.
            let _logged = AssertUnwindSafe(edge.handler().note(&trigger, &context)).catch_unwind().await;
            Reply::Trigger(trigger)
        }
    }
}

impl<S: LoginStore, C: Clock> TrackLogin<S, C> {
    fn ports(&self) -> Ports<'_, S> {
        Ports { store: &self.store, clock: &self.clock }
    }

    /// Records a sign-in that a user pool reports. Nobody is told if that fails, so an error in the log raises an alarm.
    async fn note(&self, trigger: &Trigger, context: &Context) {
        if trigger.source() != POST_AUTHENTICATION {
            tracing::warn!(trigger = trigger.source(), "not a sign-in: the user pool need not call for this");
            return;
        }
        let Some(email) = trigger.verified_email() else {
            tracing::warn!("login not noted: the user has no verified address");
            return;
        };
        let Ok(event) = EventId::parse(&context.request_id) else {
            tracing::error!("login not noted: the invocation has no id");
            return;
        };
        let login = Login { event, at: self.clock.now() };
        match timeout(PATIENCE, track_login(&self.ports(), &email, login)).await {
            Ok(Ok(())) => {}
            Ok(Err(OperationError::Refused(refusal))) => {
                tracing::info!(code = refusal.code().name(), "login not noted");
            }
            Ok(Err(OperationError::Precondition(failed))) => tracing::error!(%failed, "login not noted"),
            Ok(Err(OperationError::Store(error))) => {
                tracing::error!(cause = cause::from_store(&error), "login not noted");
            }
            Err(_) => tracing::error!("login not noted: the store took too long"),
        }
    }
}
