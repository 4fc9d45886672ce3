//! Retries of calls that may succeed later.

use std::time::Duration;

use portal::ports::StoreError;
use tokio::time::sleep;

use super::errors::Trouble;
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
    let begun = clock::monotonic();
    let mut longest_wait = FIRST_WAIT_MILLIS;
    for _ in 1..MOST_TRIES {
        match call().await {
            Ok(value) => return Ok(value),
            Err(trouble @ Trouble::Lasting(_)) => return Err(trouble.into()),
            Err(trouble @ (Trouble::Busy | Trouble::Transient(_))) => {
                // Anything from nothing to the whole wait: calls that collided must not meet again.
                let wait = Duration::from_millis(entropy::up_to(longest_wait).into());
                if begun.elapsed() + wait > LATEST_TRY {
                    return Err(trouble.into());
                }
                sleep(delay).await;
            }
        }
        max_delay *= 2;
    }
    Ok(call().await?)
}
