//! Starts the function `practice`.

use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, http::Edge, store::DynamoStore};
use practice::Practice;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = bootstrap::start(module_path!())?;
    let aws = Aws::new(environment.aws()?);
    let store = DynamoStore::new(&aws.dynamodb().await, environment.table_name()?);
    Edge::new(environment.claim_names(), Practice { store, clock: SystemClock }).serve().await
}
