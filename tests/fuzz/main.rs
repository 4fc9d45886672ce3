//! The parsers of untrusted input, on random input: no input causes a panic, and the result has the expected properties.
//!
//! They run as ordinary tests, on inputs from a seed (`BOLERO_RANDOM_SEED`). With cargo-bolero and a nightly compiler the same
//! targets run under libFuzzer, guided by coverage and without a time limit: `cargo bolero test -p system-tests fuzz_email`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

mod domain;
mod edge;
mod events;

/// Edits of a sample: the position, the number of removed bytes, and the inserted bytes.
type Edits = Vec<(u16, u8, Vec<u8>)>;

/// The number of inputs of each target in a test, which take a second or two.
const ITERATIONS: usize = 3_000;

/// A sample with some edits. Parsers refuse random bytes too early.
fn spliced(sample: &[u8], edits: &Edits) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    // After one or two edits, parsers still read most of the sample.
    for (position, removed, inserted) in edits.iter().take(2) {
        let start = usize::from(*position) % (bytes.len() + 1);
        let end = (start + usize::from(*removed % 8)).min(bytes.len());
        bytes.splice(start..end, inserted.iter().copied());
    }
    bytes
}
