//! Starts the function `change-email`.

use change_email::ChangeEmail;
use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, http::Edge, store::DynamoStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = bootstrap::start(module_path!())?;
    let aws = Aws::new(environment.aws()?);
    let store = DynamoStore::new(&aws.dynamodb().await, environment.table_name()?).with_pepper(environment.pepper()?);
    let queue = aws.queue(environment.queue_url()?);
    let change_email = ChangeEmail { store, queue, clock: SystemClock };
    Edge::new(environment.claim_names(), change_email).serve().await
}
