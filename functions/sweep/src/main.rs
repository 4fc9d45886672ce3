//! Starts the function `sweep`.

use lambda_runtime::{Error, LambdaEvent};
use portal_aws::{bootstrap, clock::SystemClock, entropy::OsEntropy, metrics::StandardOutput, store::DynamoStore};
use serde::de::IgnoredAny;
use sweep::Sweep;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (environment, aws) = bootstrap::start(module_path!()).await?;
    let store = DynamoStore::new(&aws.dynamodb(), environment.table_name()?).with_pepper(environment.pepper()?);
    let queue = aws.queue(environment.queue_url()?);
    let sweep = Sweep { store, queue, clock: SystemClock, entropy: OsEntropy, metrics: StandardOutput };
    let run = async |event: LambdaEvent<IgnoredAny>| sweep.run(&event.context).await;
    bootstrap::serve_events(run).await
}
