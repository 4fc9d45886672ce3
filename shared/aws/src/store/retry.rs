//! Repeating a call that may succeed later.

use std::time::Duration;

use portal::ports::StoreError;
use tokio::time::{Instant, sleep};

use super::errors::Trouble;

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
    let begun = Instant::now();
    let mut longest_wait = FIRST_WAIT_MILLIS;
    for _ in 1..MOST_TRIES {
        match call().await {
            Ok(value) => return Ok(value),
            Err(trouble @ Trouble::Lasting(_)) => return Err(trouble.into()),
            Err(trouble @ (Trouble::Busy | Trouble::Transient(_))) => {
                let wait = full_jitter(longest_wait);
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

/// Anything from nothing to the whole wait: those who collided must not meet again.
fn full_jitter(longest_millis: u32) -> Duration {
    // Without randomness all wait longest, which is slow but right.
    let millis = getrandom::u32().map_or(longest_millis, |random| random % (longest_millis + 1));
    Duration::from_millis(millis.into())
}
