//! Starts the function `sweep`.

use lambda_runtime::{Error, LambdaEvent};
use portal_aws::{
    aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, metrics::StandardOutput, store::DynamoStore,
};
use serde::de::IgnoredAny;
use sweep::Sweep;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = bootstrap::start(module_path!())?;
    let aws = Aws::new(environment.aws()?);
    let store = DynamoStore::new(&aws.dynamodb().await, environment.table_name()?).with_pepper(environment.pepper()?);
    let queue = aws.queue(environment.queue_url()?);
    let sweep = Sweep { store, queue, clock: SystemClock, entropy: OsEntropy, metrics: StandardOutput };
    let run = async |event: LambdaEvent<IgnoredAny>| sweep.run(&event.context).await;
    bootstrap::serve_events(run).await
}
