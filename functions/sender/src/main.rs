//! Starts the function `sender`.

use lambda_runtime::Error;
use portal::operations::breaker::Breaker;
use portal_aws::{bootstrap, clock::SystemClock, entropy::OsEntropy, metrics::StandardOutput, store::DynamoStore};
use sender::Sender;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (environment, aws) = bootstrap::start(module_path!()).await?;
    let store = DynamoStore::new(&aws.dynamodb(), environment.table_name()?).with_pepper(environment.pepper()?);
    let mailer = aws.mailer(environment.mail()?);
    let sender = Sender {
        store,
        mailer,
        clock: SystemClock,
        entropy: OsEntropy,
        breaker: Breaker::default(),
        metrics: StandardOutput,
    };
    bootstrap::serve_events(async |event| sender.work(event).await).await
}
