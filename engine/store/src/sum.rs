//! The checksum that each event is stored with. It must not know tables.

use cutwater_core::names::RunId;

/// Length of a stored checksum, in bytes.
pub const SUM_BYTES: usize = 16;

/// The first half of BLAKE3 over run, place, time and text, each with its length or in a fixed width, so that a row
/// moved elsewhere does not match either.
pub fn sum(run: &RunId, seq: u64, at: i64, body: &str) -> [u8; SUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(run.as_str().len() as u64).to_le_bytes());
    hasher.update(run.as_str().as_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    hasher.update(body.as_bytes());
    let mut first_half = [0; SUM_BYTES];
    first_half.copy_from_slice(&hasher.finalize().as_bytes()[..SUM_BYTES]);
    first_half
}
