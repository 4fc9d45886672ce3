//! Starts the function `sender`.

use lambda_runtime::Error;
use portal::operations::breaker::Breaker;
use portal_aws::{
    aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, metrics::StandardOutput, store::DynamoStore,
};
use sender::{Config, Sender};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, mail): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let mailer = aws.mailer(mail);
    let sender = Sender {
        store,
        mailer,
        clock: SystemClock,
        entropy: OsEntropy,
        breaker: Breaker::default(),
        metrics: StandardOutput,
    };
    bootstrap::serve_events(async |event| sender.process_batch(event).await).await
}
