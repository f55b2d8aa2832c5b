//! What stands at a path, and what is mounted. It must not know how files are written.

use serde::{Deserialize, Serialize};

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A block device.
    Block,
    /// A symbolic link.
    Link,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Its size.
    #[serde(default)]
    pub bytes: u64,
    /// Its owner.
    #[serde(default)]
    pub uid: u32,
    /// Its group.
    #[serde(default)]
    pub gid: u32,
    /// Its permissions.
    #[serde(default)]
    pub mode: u32,
}

/// One mount, as /proc/self/mountinfo has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where.
    pub at: String,
    /// The device or source.
    pub device: String,
    /// Device number.
    #[serde(default)]
    pub major: u32,
    /// Device number.
    #[serde(default)]
    pub minor: u32,
    /// File system type.
    #[serde(rename = "type")]
    pub fs: String,
    /// Options of mount and file system, separated by commas.
    #[serde(default)]
    pub options: String,
    /// Which folder of the file system.
    #[serde(default)]
    pub root: String,
}
