//! Starts the function `opt-out`.

use lambda_http::Error;
use opt_out::OptOut;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, http::Edge, store::DynamoStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = bootstrap::start(module_path!())?;
    let aws = Aws::new(environment.aws()?);
    let store = DynamoStore::new(&aws.dynamodb().await, environment.table_name()?).with_pepper(environment.pepper()?);
    let opt_out = OptOut { store, clock: SystemClock };
    Edge::new(environment.claim_names(), opt_out).serve().await
}
