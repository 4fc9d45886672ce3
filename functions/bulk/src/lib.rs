//! Begins bulk jobs, shows their progress and results, and cancels them.

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
    ports::{BulkStore, Clock, Entropy, JobQueue, Ports},
};
use portal_aws::config::{AwsEnvironment, BulkQueueUrl, ClaimNames, TableName};
use portal_aws::http::{
    Answer, Handler, Problem, Request,
    problem::Malformed,
    routes::{BulkOperation, Operation},
};

use self::json::{JobJson, ResultsJson};

/// The problem's detail for a cursor that is not valid for these results.
pub const MALFORMED_CURSOR: &str =
    "The cursor must be the next of an answer about the same job: leave it out to begin again.";

/// What the function reads from its environment.
pub type Config = (AwsEnvironment, TableName, BulkQueueUrl, ClaimNames);

/// The function, over its ports.
#[derive(Debug)]
pub struct Bulk<S, J, C, E> {
    /// The jobs.
    pub store: S,
    /// The queue of job runs.
    pub jobs: J,
    /// The time.
    pub clock: C,
    /// Randomness for job ids.
    pub entropy: E,
}

impl<S: BulkStore, J: JobQueue, C: Clock, E: Entropy> Handler for Bulk<S, J, C, E> {
    type Operation = BulkOperation;

    async fn handle(&self, operation: BulkOperation, request: &Request) -> Result<Answer, Problem> {
        match operation {
            BulkOperation::BeginBulkJob => self.begin(request).await,
            BulkOperation::ReadBulkJob => self.read(request).await,
            BulkOperation::ReadBulkResults => self.results(request).await,
            BulkOperation::CancelBulkJob => self.cancel(request).await,
        }
    }
}

impl<S: BulkStore, J: JobQueue, C: Clock, E: Entropy> Bulk<S, J, C, E> {
    fn ports(&self) -> Ports<'_, S> {
        Ports { store: &self.store, clock: &self.clock }
    }

    async fn begin(&self, request: &Request) -> Result<Answer, Problem> {
        let (scope, keyed) = (request.scope()?, request.keyed()?);
        let (audience, dry_run) = audience::read(request.form()?)?;
        let bulk_request = BulkRequest { audience, dry_run, keyed, request: request.id().clone() };
        let job = begin(&self.ports(), &self.jobs, &self.entropy, scope, &bulk_request).await?;
        let location = format!("{}/{}", Operation::BeginBulkJob.path(), job.id);
        Ok(answer(StatusCode::ACCEPTED, &job)?.with_header(LOCATION, &location))
    }

    async fn read(&self, request: &Request) -> Result<Answer, Problem> {
        let job = job(&self.ports(), request.scope()?, &request.job()?).await?;
        answer(StatusCode::OK, &job.ok_or(Problem::JobNotFound)?)
    }

    async fn cancel(&self, request: &Request) -> Result<Answer, Problem> {
        let (scope, id) = (request.scope()?, request.job()?);
        request.require_empty_body()?;
        let job = cancel(&self.ports(), scope, &id, request.id()).await?;
        answer(StatusCode::OK, &job.ok_or(Problem::JobNotFound)?)
    }

    async fn results(&self, request: &Request) -> Result<Answer, Problem> {
        let id = request.job()?;
        let page = results(&self.ports(), request.scope()?, &id, place_from_cursor(request)?).await?;
        let page = page.ok_or(Problem::JobNotFound)?;
        if !request.accepts("text/csv") {
            return Answer::document(StatusCode::OK, &ResultsJson::from_page(&page));
        }
        let answer = Answer::csv(table::to_csv(&page)?).with_header(CONTENT_DISPOSITION, "attachment");
        Ok(match page.next {
            None => answer,
            Some(next) => {
                let next =
                    format!("<{}/{id}/results?cursor={}>; rel=\"next\"", Operation::BeginBulkJob.path(), next.number());
                answer.with_header(LINK, &next)
            }
        })
    }
}

fn answer(status: StatusCode, job: &BulkJob) -> Result<Answer, Problem> {
    Answer::document(status, &JobJson::from_job(job))
}

/// Where the page begins. The cursor is the number of a slice in plain digits: it contains no personal data, and is used
/// only within the job in the path.
fn place_from_cursor(request: &Request) -> Result<Option<SlicePlace>, Problem> {
    let Some(cursor) = request.query("cursor") else { return Ok(None) };
    Ok(Some(SlicePlace::parse(cursor).ok_or(Malformed::Query(MALFORMED_CURSOR))?))
}
