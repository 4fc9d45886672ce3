//! Starts the function `status`.

use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, http::Edge, store::DynamoStore};
use status::{Config, Status};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, claims): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table);
    Edge::new(claims, Status { store, clock: SystemClock }).serve().await
}
