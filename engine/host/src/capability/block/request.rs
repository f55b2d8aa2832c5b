//! What plugins ask of the data path, and what it answers, as JSON. Sizes are bytes; a rate is a number of bytes a second
//! or a text such as `80MiB/s`. It must not know how any of it is done.

use super::facts::Base;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::PathBuf;

/// What a plan does not show of a request: it changes from part to part and from attempt to attempt.
pub const UNSHOWN: &[&str] =
    &["offset", "length", "base", "resume", "slack", "first", "progress", "identity"];

/// Copies `from` onto `to`, or a part of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Copy {
    /// The source.
    pub from: PathBuf,
    /// The target.
    pub to: PathBuf,
    /// Where to begin; the beginning if absent.
    #[serde(default)]
    pub offset: u64,
    /// How many bytes; to the end of the source if absent.
    #[serde(default)]
    pub length: Option<u64>,
    /// Bytes a second.
    #[serde(default, deserialize_with = "rate")]
    pub at_most: Option<u64>,
    /// Punch holes for zeroes where the target can.
    #[serde(default)]
    pub skip_zeroes: bool,
    /// The identity of a target whose data may be overwritten.
    #[serde(default)]
    pub replaces: Option<String>,
    /// How an earlier part of this copy left the target.
    #[serde(default)]
    pub base: Option<Base>,
    /// This goes on from a checkpoint: a signature on the target is no hindrance where it is the source's own, copied.
    #[serde(default)]
    pub resume: bool,
    /// Bytes done before this part, and bytes in all: progress is told as of the whole.
    #[serde(default)]
    pub progress: Option<(u64, u64)>,
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Copied {
    /// Size of the source.
    pub size: u64,
    /// Bytes taken over in this call.
    pub bytes: u64,
    /// Bytes read.
    pub read: u64,
    /// Bytes written; less than `bytes` where holes were punched.
    pub written: u64,
    /// How long it took.
    pub milliseconds: u64,
    /// Everything in the range before this offset is on the target's disk; absent: all of it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// How the target was left.
    pub base: Base,
}

/// Compares two devices: all of `a`, the ranges in `only`, or the chunks that the store lists.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// One.
    pub a: PathBuf,
    /// The other; may be larger.
    pub b: PathBuf,
    /// [[offset, length]…], rising.
    #[serde(default)]
    pub only: Option<Vec<(u64, u64)>>,
    /// Compare just the chunks that this exception store lists.
    #[serde(default)]
    pub store: Option<PathBuf>,
    /// How `b` was left; refused where it was written since.
    #[serde(default)]
    pub base: Option<Base>,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CompareDone {
    /// No difference was found (and it was not stopped).
    pub equal: bool,
    /// Bytes found equal.
    pub bytes: u64,
    /// Where the first difference lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_difference: Option<u64>,
    /// It was told to stop before the end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// How long it took.
    pub milliseconds: u64,
}

/// Lists what changed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct List {
    /// The exception store.
    pub store: PathBuf,
    /// Ranges beyond this many are left out of the answer, not out of its sums.
    #[serde(default)]
    pub chunk_limit: Option<usize>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Bytes in a chunk.
    pub chunk: u64,
    /// How many changed.
    pub chunks: u64,
    /// chunk × chunks.
    pub bytes: u64,
    /// [[offset, length]…], neighbours joined.
    pub ranges: Vec<(u64, u64)>,
}

/// Brings a copy of the snapshot up to what the origin, or a later snapshot, holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resync {
    /// The snapshot's exception store.
    pub store: PathBuf,
    /// The origin, or a later snapshot of it; nobody may have it mounted or claimed.
    pub from: PathBuf,
    /// The copy.
    pub to: PathBuf,
    /// How the copy was left.
    pub base: Base,
    /// An earlier attempt at this resync may have written: so many sectors more are no hindrance.
    #[serde(default)]
    pub slack: u64,
    /// Of a later snapshot: how many of the chunks that are listed count; what comes behind them was written since.
    #[serde(default)]
    pub first: Option<u64>,
}

/// What a resync did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resynced {
    /// Bytes in a chunk.
    pub chunk: u64,
    /// How many were listed and copied.
    pub chunks: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// How long it took.
    pub milliseconds: u64,
    /// It was told to stop: not all is copied, do it again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// How the target was left.
    pub base: Base,
}

/// Makes a device unrecognisable.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// The device.
    pub to: PathBuf,
    /// The identity that it must have, where one is given.
    #[serde(default)]
    pub identity: Option<String>,
}

/// What an erase did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Bytes of zeroes written.
    pub bytes: u64,
}

fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Rate {
        Number(u64),
        Text(String),
    }
    match Option::<Rate>::deserialize(from)? {
        None => Ok(None),
        Some(Rate::Number(rate)) => Ok(Some(rate)),
        Some(Rate::Text(text)) => match parse_rate(&text) {
            Some(rate) => Ok(Some(rate)),
            None => Err(D::Error::custom(format!("`{text}` is no rate such as 80MiB/s"))),
        },
    }
}

fn parse_rate(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 6] =
        [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("PiB", 1 << 50)];
    let text = text.strip_suffix("/s")?;
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(scale)
}
