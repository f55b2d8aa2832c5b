//! LVM2's metadata as it lies on disks: the label of a physical volume, the header of its metadata area, the text of its
//! group. It must not know where bytes come from: whoever asks reads, this crate says where and understands.
//!
//! ```text
//! sector 0..3   label ── pv uuid, size, where data and metadata areas lie
//! area start    header ─ slot 0: committed text (offset, size, checksum); slot 1: one that is being written
//! area          ring of texts; one that passes the end goes on 512 bytes after the area's start
//! ```

mod crc;
mod group;
mod header;
mod label;
pub mod sizing;
pub mod survey;
mod syntax;

pub use group::{Group, Physical, Segment, Volume};
pub use header::{Header, Place, Stamp};
pub use label::{Area, Label};

/// Bytes at the beginning of a device in which a label is looked for.
pub const LABEL_BYTES: usize = 4 * 512;
/// Bytes of an area's header.
pub const HEADER_BYTES: usize = 512;

/// What is stored is not what LVM writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A checksum does not agree: the bytes are torn, or are being written at this moment.
    #[error("the checksum of {what} does not agree")]
    Checksum {
        /// Of what.
        what: &'static str,
    },
    /// A number or word that cannot be.
    #[error("{what} is damaged: {why}")]
    Senseless {
        /// What.
        what: &'static str,
        /// How.
        why: String,
    },
}

fn senseless(what: &'static str, why: impl Into<String>) -> Damage {
    Damage::Senseless { what, why: why.into() }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
