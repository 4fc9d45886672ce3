//! Starts the function `bulk`.

use bulk::{Bulk, Config};
use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, http::Edge, store::DynamoStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, bulk_queue, claims): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table);
    let jobs = aws.job_queue(bulk_queue);
    let bulk = Bulk { store, jobs, clock: SystemClock, entropy: OsEntropy };
    Edge::new(claims, bulk).serve().await
}
