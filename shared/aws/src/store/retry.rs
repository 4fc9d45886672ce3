//! Retries of calls that may succeed later.

use std::time::Duration;

use portal::ports::StoreError;
use tokio::time::sleep;

use super::errors::CallError;
use crate::{clock, entropy};

/// Attempts of one call, including the first.
const MAX_ATTEMPTS: u32 = 5;
/// The maximum delay before the second attempt. It doubles with every attempt.
const FIRST_DELAY_MILLIS: u32 = 25;
/// No attempt starts later than this after the first, because the caller would have timed out.
const RETRY_WINDOW: Duration = Duration::from_secs(3);

/// Makes a call, and retries it with exponential delays if it failed for a transient reason.
pub(super) async fn with_retries<T, F>(call: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let started = clock::monotonic();
    let mut max_delay = FIRST_DELAY_MILLIS;
    for _ in 1..MAX_ATTEMPTS {
        match call().await {
            Ok(value) => return Ok(value),
            Err(error @ CallError::Permanent(_)) => return Err(error.into()),
            Err(error @ (CallError::Busy | CallError::Transient(_))) => {
                // A random delay, so that calls that collided do not collide again.
                let delay = Duration::from_millis(entropy::up_to(max_delay).into());
                if started.elapsed() + delay > RETRY_WINDOW {
                    return Err(error.into());
                }
                sleep(delay).await;
            }
        }
        max_delay *= 2;
    }
    Ok(call().await?)
}
