//! Starts the function `track-login`.

use std::convert::Infallible;

use lambda_http::Error;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, http::Edge, store::DynamoStore};
use track_login::{Config, TrackLogin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, claims): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let edge = Edge::new(claims, TrackLogin { store, clock: SystemClock });
    // Boxed, because the compiler cannot handle futures that are nested as deeply as the SDK's are here.
    bootstrap::serve_events(async |event| Ok::<_, Infallible>(Box::pin(track_login::reply(&edge, event)).await)).await
}
