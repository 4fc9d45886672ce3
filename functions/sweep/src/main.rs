//! Starts the function `sweep`.

use lambda_runtime::{Error, LambdaEvent};
use portal_aws::{
    aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, metrics::StandardOutput, store::DynamoStore,
};
use serde::de::IgnoredAny;
use sweep::{Config, Sweep};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, queue): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let queue = aws.queue(queue);
    let sweep = Sweep { store, queue, clock: SystemClock, entropy: OsEntropy, metrics: StandardOutput };
    let run = async |event: LambdaEvent<IgnoredAny>| sweep.run(&event.context).await;
    bootstrap::serve_events(run).await
}
