//! Starts the function `bulk`.

use bulk::Bulk;
use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, http::Edge, store::DynamoStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = bootstrap::start(module_path!())?;
    let aws = Aws::new(environment.aws()?);
    let store = DynamoStore::new(&aws.dynamodb().await, environment.table_name()?);
    let jobs = aws.job_queue(environment.bulk_queue_url()?);
    let bulk = Bulk { store, jobs, clock: SystemClock, entropy: OsEntropy };
    Edge::new(environment.claim_names(), bulk).serve().await
}
