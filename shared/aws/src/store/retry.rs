//! Retries of calls that may succeed later.

use std::time::Duration;

use portal::ports::StoreError;
use tokio::time::{Instant, sleep};

use super::errors::CallError;

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
    let started = Instant::now();
    let mut max_delay = FIRST_DELAY_MILLIS;
    for _ in 1..MAX_ATTEMPTS {
        match call().await {
            Ok(value) => return Ok(value),
            Err(error @ CallError::Permanent(_)) => return Err(error.into()),
            Err(error @ (CallError::Busy | CallError::Transient(_))) => {
                let delay = full_jitter(max_delay);
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

/// A random delay up to the maximum, so that callers that collided do not collide again.
fn full_jitter(max_millis: u32) -> Duration {
    // Without randomness every caller waits for the maximum, which is slow but correct.
    let millis = getrandom::u32().map_or(max_millis, |random| random % (max_millis + 1));
    Duration::from_millis(millis.into())
}
