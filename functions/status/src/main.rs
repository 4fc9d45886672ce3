//! Starts the function `status`.

use lambda_http::Error;
use portal_aws::{bootstrap, clock::SystemClock, http::Edge, store::DynamoStore};
use status::Status;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (environment, aws) = bootstrap::start(module_path!()).await?;
    let store = DynamoStore::new(&aws.dynamodb(), environment.table_name()?);
    Edge::new(environment.claim_names(), Status { store, clock: SystemClock }).serve().await
}
