//! Starts the function `support`.

use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, http::Edge, store::DynamoStore};
use support::{Config, Support};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, claims): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    Edge::new(claims, Support { store, clock: SystemClock }).serve().await
}
