//! Starts the function `patients`.

use lambda_http::Error;
use patients::Patients;
use portal_aws::{
    aws::Aws,
    bootstrap,
    clock::SystemClock,
    http::{DirectoryCursors, Edge},
    store::DynamoStore,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = bootstrap::start(module_path!())?;
    let aws = Aws::new(environment.aws()?);
    let pepper = environment.pepper()?;
    let store = DynamoStore::new(&aws.dynamodb().await, environment.table_name()?).with_pepper(pepper.clone());
    let patients = Patients { store, clock: SystemClock, cursors: DirectoryCursors::new(pepper) };
    Edge::new(environment.claim_names(), patients).serve().await
}
