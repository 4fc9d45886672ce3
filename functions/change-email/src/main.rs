//! Starts the function `change-email`.

use change_email::{ChangeEmail, Config};
use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, http::Edge, store::DynamoStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, queue, claims): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let queue = aws.queue(queue);
    let change_email = ChangeEmail { store, queue, clock: SystemClock };
    Edge::new(claims, change_email).serve().await
}
