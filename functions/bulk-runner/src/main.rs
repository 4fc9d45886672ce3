//! Starts the function `bulk-runner`.

use bulk_runner::{BulkRunner, Config};
use lambda_runtime::Error;
use portal_aws::{
    aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, metrics::StandardOutput, store::DynamoStore,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, queue, bulk_queue): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let queue = aws.queue(queue);
    let jobs = aws.job_queue(bulk_queue);
    let runner = BulkRunner { store, queue, jobs, clock: SystemClock, entropy: OsEntropy, metrics: StandardOutput };
    bootstrap::serve_events(async |event| runner.process_batch(event).await).await
}
