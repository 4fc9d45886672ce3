//! Begins bulk jobs, shows how far they have come and what came of them, and cancels them.

pub mod audience;
pub mod json;
mod table;

use http::{
    StatusCode,
    header::{CONTENT_DISPOSITION, LINK, LOCATION},
};
use portal::{
    bulk::{BulkJob, SlicePlace},
    operations::bulk::{BulkRequest, begin, cancel, job, results},
    ports::{BulkStore, Clock, Entropy, JobQueue},
};
use portal_aws::http::{
    Answer, Handler, Problem, Request,
    problem::Malformed,
    routes::{BULK_INVITE, CANCEL_JOB, JOB_RESULTS, READ_JOB},
};

use self::json::{JobJson, ResultsJson};

/// What is said of a cursor that is not one of these results.
pub const MALFORMED_CURSOR: &str =
    "The cursor must be the next of an answer about the same job: leave it out to begin again.";

/// The function, over its ports.
#[derive(Debug)]
pub struct Bulk<S, J, C, E> {
    /// The jobs.
    pub store: S,
    /// The way to the runner.
    pub jobs: J,
    /// The time.
    pub clock: C,
    /// Ids for jobs.
    pub entropy: E,
}

impl<S: BulkStore, J: JobQueue, C: Clock, E: Entropy> Handler for Bulk<S, J, C, E> {
    const FUNCTION: &'static str = "bulk";

    async fn handle(&self, request: &Request) -> Result<Answer, Problem> {
        match request.operation() {
            BULK_INVITE => self.begin(request).await,
            READ_JOB => self.read(request).await,
            JOB_RESULTS => self.results(request).await,
            CANCEL_JOB => self.cancel(request).await,
            _ => Err(Problem::NotFound),
        }
    }
}

impl<S: BulkStore, J: JobQueue, C: Clock, E: Entropy> Bulk<S, J, C, E> {
    async fn begin(&self, request: &Request) -> Result<Answer, Problem> {
        let (scope, keyed) = (request.scope()?, request.keyed()?);
        let (audience, dry_run) = audience::read(request.form()?)?;
        let asked = BulkRequest { audience, dry_run, keyed };
        let job = begin(&self.store, &self.jobs, &self.clock, &self.entropy, scope, &asked).await?;
        let place = format!("{}/{}", BULK_INVITE.path, job.id);
        Ok(shown(StatusCode::ACCEPTED, &job)?.with_header(LOCATION, &place))
    }

    async fn read(&self, request: &Request) -> Result<Answer, Problem> {
        let job = job(&self.store, request.scope()?, &request.job()?).await?;
        shown(StatusCode::OK, &job)
    }

    async fn cancel(&self, request: &Request) -> Result<Answer, Problem> {
        let (scope, id) = (request.scope()?, request.job()?);
        request.says_nothing()?;
        let job = cancel(&self.store, &self.clock, scope, &id).await?;
        shown(StatusCode::OK, &job)
    }

    async fn results(&self, request: &Request) -> Result<Answer, Problem> {
        let id = request.job()?;
        let page = results(&self.store, request.scope()?, &id, place(request)?).await?;
        if !request.accepts("text/csv") {
            return Answer::document(StatusCode::OK, &ResultsJson::of(&page));
        }
        let answer = Answer::csv(table::of(&page)?).with_header(CONTENT_DISPOSITION, "attachment");
        Ok(match page.next {
            None => answer,
            Some(next) => {
                let next = format!("<{}/{id}/results?cursor={}>; rel=\"next\"", BULK_INVITE.path, next.number());
                answer.with_header(LINK, &next)
            }
        })
    }
}

fn shown(status: StatusCode, job: &BulkJob) -> Result<Answer, Problem> {
    Answer::document(status, &JobJson::of(job))
}

/// Where the page begins. The number of a slice in plain digits is cursor enough: it says nothing of anybody, and leads
/// nowhere but within the job that the path names.
fn place(request: &Request) -> Result<Option<SlicePlace>, Problem> {
    let Some(cursor) = request.query("cursor") else { return Ok(None) };
    Ok(Some(SlicePlace::parse(cursor).ok_or(Malformed::Query(MALFORMED_CURSOR))?))
}
