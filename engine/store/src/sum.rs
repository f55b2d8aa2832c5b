//! The checksums that rows are stored with. It must not know tables.

use cutwater_core::names::RunId;

/// Length of a stored checksum, in bytes.
pub const SUM_BYTES: usize = 16;

/// Of an event: the first half of BLAKE3 over run, place, time and text, each with its length or in a fixed width, so
/// that a row moved elsewhere does not match either.
pub fn sum(run: &RunId, seq: u64, at: i64, body: &str) -> [u8; SUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(run.as_str().len() as u64).to_le_bytes());
    hasher.update(run.as_str().as_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    hasher.update(body.as_bytes());
    first_half(&hasher)
}

/// Of a row: the first half of BLAKE3 over its values as text, each with its length, a missing one as such.
pub fn row_sum(values: &[Option<&str>]) -> [u8; SUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    for value in values {
        hasher.update(&value.map_or(u64::MAX, |value| value.len() as u64).to_le_bytes());
        hasher.update(value.unwrap_or_default().as_bytes());
    }
    first_half(&hasher)
}

fn first_half(hasher: &blake3::Hasher) -> [u8; SUM_BYTES] {
    let mut half = [0; SUM_BYTES];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..SUM_BYTES]);
    half
}
