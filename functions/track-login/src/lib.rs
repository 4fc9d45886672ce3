//! Records that a patient has logged in. The portal reports it over HTTP, or a Cognito user pool calls the function
//! directly.

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

/// The time limit for the store. Cognito waits five seconds for the answer, including the start of the function, and the
/// user waits for Cognito.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);

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
                let (email, login) = json::read_login(request.form()?)?;
                track_login(&self.ports(), &email, login).await?;
                Ok(Answer::done())
            }
        }
    }
}

/// Answers both callers. A user pool always gets its event back, because the user could not sign in after an error.
pub async fn reply<S: LoginStore, C: Clock>(edge: &Edge<TrackLogin<S, C>>, event: LambdaEvent<Event>) -> Reply {
    let LambdaEvent { payload, context, .. } = event;
    match payload {
        Event::Http(request) => Reply::Http(Box::new(edge.answer(LambdaEvent::new(*request, context)).await)),
        Event::Trigger(trigger) => {
            // The panic hook has logged a panic.
            let _logged = AssertUnwindSafe(edge.handler().record_sign_in(&trigger, &context)).catch_unwind().await;
            Reply::Trigger(trigger)
        }
    }
}

impl<S: LoginStore, C: Clock> TrackLogin<S, C> {
    fn ports(&self) -> Ports<'_, S> {
        Ports { store: &self.store, clock: &self.clock }
    }

    /// Records a sign-in that a user pool reports. The user pool does not learn of a failure, so errors are logged, which
    /// raises an alarm.
    async fn record_sign_in(&self, trigger: &Trigger, context: &Context) {
        if trigger.source() != POST_AUTHENTICATION {
            tracing::warn!(trigger = trigger.source(), "not a sign-in: the user pool need not call for this");
            return;
        }
        let Some(email) = trigger.verified_email() else {
            tracing::warn!("login not recorded: the user has no verified address");
            return;
        };
        let Ok(event) = EventId::parse(&context.request_id) else {
            tracing::error!("login not recorded: the invocation has no id");
            return;
        };
        let login = Login { event, at: self.clock.now() };
        match timeout(STORE_TIMEOUT, track_login(&self.ports(), &email, login)).await {
            Ok(Ok(())) => {}
            Ok(Err(OperationError::Refused(refusal))) => {
                tracing::info!(code = refusal.code().name(), "login not recorded");
            }
            Ok(Err(OperationError::Precondition(failed))) => tracing::error!(%failed, "login not recorded"),
            Ok(Err(OperationError::Store(error))) => {
                tracing::error!(cause = cause::from_store(&error), "login not recorded");
            }
            Err(_) => tracing::error!("login not recorded: the store took too long"),
        }
    }
}
