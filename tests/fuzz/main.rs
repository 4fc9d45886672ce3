//! The parsers of what strangers send, on random input: no input makes one panic, and each keeps its promise.
//!
//! They run as ordinary tests, on inputs that a seed makes (`BOLERO_RANDOM_SEED`). With cargo-bolero and a nightly
//! compiler the same targets run under libFuzzer, led by coverage and for as long as one likes:
//! `cargo bolero test -p system-tests fuzz_email`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

mod domain;
mod edge;
mod events;

/// Changes to make to a sample: where, how many bytes go, and what comes in their place.
type Edits = Vec<(u16, u8, Vec<u8>)>;

/// How often each target is run in a test: a second or two.
const ITERATIONS: usize = 3_000;

/// A sample with some changes: random bytes alone would hardly ever get past a parser's first look.
fn spliced(sample: &[u8], edits: &Edits) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    // One or two changes leave something that can still be understood.
    for (place, gone, come) in edits.iter().take(2) {
        let start = usize::from(*place) % (bytes.len() + 1);
        let end = (start + usize::from(*gone % 8)).min(bytes.len());
        bytes.splice(start..end, come.iter().copied());
    }
    bytes
}
