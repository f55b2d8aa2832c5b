//! Block devices and the host's bulk verbs on them. It must not know what the bytes mean.

use crate::maybe::Maybe;
use crate::unit::Rate;
use serde::{Deserialize, Serialize};

/// What a block device is, and who uses it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct BlockFacts {
    /// Its size.
    pub bytes: u64,
    /// Its sector size.
    pub sector: u32,
    /// Names the device whatever its name: dm uuid, serial or the like.
    pub identity: String,
    /// `dm`, `disk`, `partition`, `loop`, …
    pub kind: String,
    /// Device-mapper name.
    pub dm_name: Option<String>,
    /// Device-mapper uuid.
    pub dm_uuid: Option<String>,
    /// Devices that stand on it.
    pub holders: Vec<String>,
    /// Where it is mounted.
    pub mounts: Vec<String>,
    /// What its first bytes are recognised as (`xfs`, `ext4`, `LVM2_member`, `swap`, a partition table).
    pub signature: Option<String>,
    /// Sectors written since boot, as the kernel counts them.
    pub written: u64,
    /// The boot that `written` belongs to.
    pub boot: String,
}

/// A device to copy, whole or a part of it. An effect shows what does not change from part to part: `from`, `to`,
/// `at-most`, `skip-zeroes` and `replaces`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CopyRequest {
    /// Device read.
    pub from: Maybe<String>,
    /// Device written.
    pub to: Maybe<String>,
    /// Highest rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Rate>,
    /// Punch holes for zeroes where the target can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_zeroes: bool,
    /// The identity of a target whose data may be overwritten; without, a target that carries any is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Maybe<String>>,
    /// Where to begin, a multiple of 4096; the beginning if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// How many bytes, a multiple of 4096; to the end of the source if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// How an earlier part of this copy left the target; refused where it was written since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// It goes on from a checkpoint: what the copy itself left at the target's ends is no hindrance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resume: bool,
    /// Bytes done before this part, and bytes in all: the host tells progress as of the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<(u64, u64)>,
}

/// The state of a target just after it was written: whoever writes it later changes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The target's identity.
    pub to: String,
    /// The boot.
    pub boot: String,
    /// Sectors written to it in this boot.
    pub written: u64,
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copied {
    /// Written.
    pub bytes: u64,
    /// Read.
    #[serde(default)]
    pub read: u64,
    /// How long.
    #[serde(default)]
    pub milliseconds: u64,
    /// It was told to stop: what lies before this offset is on the target's disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// The target's state after it.
    pub base: Base,
}

/// Two devices to compare, whole or in places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompareRequest {
    /// One.
    pub a: String,
    /// The other.
    pub b: String,
    /// Only these (offset, length).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<(u64, u64)>>,
    /// Only the chunks that this exception store lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// How `b` was left; refused where it was written since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Compared {
    /// All bytes agree.
    pub equal: bool,
    /// How many were compared.
    pub bytes: u64,
    /// Offset of the first that differs.
    #[serde(default)]
    pub first_difference: Option<u64>,
    /// It was told to stop before the end.
    #[serde(default)]
    pub stopped: bool,
}

/// What an exception store lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Size of a chunk in bytes.
    pub chunk: u64,
    /// How many chunks changed.
    pub chunks: u64,
    /// How many bytes that is.
    pub bytes: u64,
    /// Where: (offset, length).
    #[serde(default)]
    pub ranges: Vec<(u64, u64)>,
}

/// Changed chunks to copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResyncRequest {
    /// The exception store's device.
    pub store: Maybe<String>,
    /// Device read.
    pub from: Maybe<String>,
    /// Device written.
    pub to: Maybe<String>,
    /// What the target must still be.
    pub base: Maybe<Base>,
    /// An earlier attempt may have written: so many sectors more are no hindrance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<u64>,
    /// Where a later snapshot is read: how many of the listed chunks count, for the list goes on growing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
}

/// What a resync did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resynced {
    /// Size of a chunk in bytes.
    pub chunk: u64,
    /// How many chunks were copied.
    pub chunks: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How long.
    #[serde(default)]
    pub milliseconds: u64,
    /// It was told to stop: not all is copied.
    #[serde(default)]
    pub stopped: bool,
    /// The target's state after it.
    pub base: Base,
}
