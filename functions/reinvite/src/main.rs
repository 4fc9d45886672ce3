//! Starts the function `reinvite`.

use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, http::Edge, store::DynamoStore};
use reinvite::Reinvite;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = bootstrap::start(module_path!())?;
    let aws = Aws::new(environment.aws()?);
    let store = DynamoStore::new(&aws.dynamodb().await, environment.table_name()?).with_pepper(environment.pepper()?);
    let queue = aws.queue(environment.queue_url()?);
    let reinvite = Reinvite { store, queue, clock: SystemClock, entropy: OsEntropy };
    Edge::new(environment.claim_names(), reinvite).serve().await
}
