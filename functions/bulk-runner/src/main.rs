//! Starts the function `bulk-runner`.

use bulk_runner::BulkRunner;
use lambda_runtime::Error;
use portal_aws::{
    aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, metrics::StandardOutput, store::DynamoStore,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = bootstrap::start(module_path!())?;
    let aws = Aws::new(environment.aws()?);
    let store = DynamoStore::new(&aws.dynamodb().await, environment.table_name()?).with_pepper(environment.pepper()?);
    let queue = aws.queue(environment.queue_url()?);
    let jobs = aws.job_queue(environment.bulk_queue_url()?);
    let runner = BulkRunner { store, queue, jobs, clock: SystemClock, entropy: OsEntropy, metrics: StandardOutput };
    bootstrap::serve_events(async |event| runner.work(event).await).await
}
