//! Starts the function `mail-events`.

use lambda_runtime::Error;
use mail_events::{Config, MailEvents};
use portal_aws::{aws::Aws, bootstrap, clock::SystemClock, metrics::StandardOutput, store::DynamoStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, table, pepper, configuration_set): Config = bootstrap::start(module_path!())?;
    let aws = Aws::new(aws);
    let store = DynamoStore::new(&aws.dynamodb().await, table).with_pepper(pepper);
    let configuration_set = configuration_set.into();
    let events = MailEvents { store, clock: SystemClock, configuration_set, metrics: StandardOutput };
    bootstrap::serve_events(async |event| events.process_event(event).await).await
}
