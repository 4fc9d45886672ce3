//! Starts the function `register`.

use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, http::Edge, store::DynamoStore};
use register::{Config, Register};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, queue, secrets): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let queue = aws.queue(queue);
    Edge::public(secrets, Register { store, queue, clock: SystemClock, entropy: OsEntropy }).serve().await
}
