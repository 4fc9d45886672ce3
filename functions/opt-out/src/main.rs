//! Starts the function `opt-out`.

use lambda_http::Error;
use opt_out::{Config, OptOut};
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, http::Edge, store::DynamoStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, claims): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let opt_out = OptOut { store, clock: SystemClock };
    Edge::new(claims, opt_out).serve().await
}
