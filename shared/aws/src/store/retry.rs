//! Repeating a call that may succeed later.

use std::time::Duration;

use portal::ports::StoreError;
use tokio::time::sleep;

use super::errors::Trouble;
use crate::{clock, entropy};

/// Tries of one call, the first included.
const MOST_TRIES: u32 = 5;
/// Longest wait before the second try; it doubles with each.
const FIRST_WAIT_MILLIS: u32 = 25;
/// No try is begun later than this after the first: whoever waits for the answer would have given up.
const LATEST_TRY: Duration = Duration::from_secs(3);

/// Makes a call, and makes it again if it failed for a reason that passes.
pub(super) async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, Trouble>>,
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
                sleep(wait).await;
            }
        }
        longest_wait *= 2;
    }
    Ok(call().await?)
}
