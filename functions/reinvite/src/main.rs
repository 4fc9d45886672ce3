//! Starts the function `reinvite`.

use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, http::Edge, store::DynamoStore};
use reinvite::{Config, Reinvite};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, queue, claims): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let queue = aws.queue(queue);
    let reinvite = Reinvite { store, queue, clock: SystemClock, entropy: OsEntropy };
    Edge::new(claims, reinvite).serve().await
}
