//! Starts the function `patients`.

use lambda_http::Error;
use patients::Patients;
use portal_aws::{bootstrap, clock::SystemClock, http::Edge, store::DynamoStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (environment, aws) = bootstrap::start(module_path!()).await?;
    let store = DynamoStore::new(&aws.dynamodb(), environment.table_name()?).with_pepper(environment.pepper()?);
    Edge::new(environment.claim_names(), Patients { store, clock: SystemClock }).serve().await
}
