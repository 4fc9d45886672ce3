//! Starts the function `sender`.

use lambda_runtime::Error;
use portal::operations::breaker::Breaker;
use portal_aws::{
    aws::Aws, bootstrap, clock::SystemClock, entropy::OsEntropy, metrics::StandardOutput, store::DynamoStore,
};
use sender::Sender;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = bootstrap::start(module_path!())?;
    let aws = Aws::new(environment.aws()?);
    let store = DynamoStore::new(&aws.dynamodb().await, environment.table_name()?).with_pepper(environment.pepper()?);
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
