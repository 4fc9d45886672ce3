//! Starts the function `patients`.

use lambda_http::Error;
use patients::{Config, Patients};
use portal_aws::{
    aws::Aws,
    bootstrap,
    clock::SystemClock,
    http::{DirectoryCursors, Edge},
    store::DynamoStore,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, claims): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper.clone());
    let patients = Patients { store, clock: SystemClock, cursors: DirectoryCursors::new(pepper) };
    Edge::new(claims, patients).serve().await
}
