//! Starts the function `mail-events`.

use lambda_runtime::Error;
use mail_events::MailEvents;
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, metrics::StandardOutput, store::DynamoStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = bootstrap::start(module_path!())?;
    let aws = Aws::new(environment.aws()?);
    let store = DynamoStore::new(&aws.dynamodb().await, environment.table_name()?).with_pepper(environment.pepper()?);
    let configuration_set = environment.configuration_set()?;
    let events = MailEvents { store, clock: SystemClock, configuration_set, metrics: StandardOutput };
    bootstrap::serve_events(async |event| events.take_in(event).await).await
}
