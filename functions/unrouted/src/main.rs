//! Starts the function `unrouted`.

use std::convert::Infallible;

use lambda_http::Error;
use portal_aws::bootstrap;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    bootstrap::start::<unrouted::Config>(module_path!())?;
    bootstrap::serve_events(async |event| Ok::<_, Infallible>(unrouted::answer(&event))).await
}
