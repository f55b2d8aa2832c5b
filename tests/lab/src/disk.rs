//! One disk of a lab machine: a file of its own.
//!
//! User-mode Linux can lay a copy-on-write file over a shared one. It must not be used: on kernel
//! 6.1.176 what was written with large direct requests through it does not read back the same.
//! A sparse copy of an image takes a tenth of a second.
//!
//! Must not know: what is on the disk.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::place;

/// A disk; its position in the machine makes its name (`/dev/ubda`, `/dev/ubdb`, …).
#[derive(Debug, Clone)]
pub struct Disk(PathBuf);

impl Disk {
    /// A file that is there already.
    pub fn existing(file: impl Into<PathBuf>) -> Self {
        Self(file.into())
    }

    /// Makes a new, empty, sparse file of that size.
    pub fn empty(file: impl Into<PathBuf>, mib: u64) -> Result<Self> {
        let file = file.into();
        File::create(&file)
            .and_then(|made| made.set_len(mib << 20))
            .with_context(|| format!("make the disk {}", file.display()))?;
        Ok(Self(file))
    }

    /// Makes a sparse copy of another disk's file, whole or not at all.
    pub fn copy(of: &Path, file: impl Into<PathBuf>) -> Result<Self> {
        let file = file.into();
        let partial = file.with_extension("partial");
        tool(Command::new("cp").args(["--sparse=always", "--reflink=auto"]).args([of, &partial]))?;
        std::fs::rename(&partial, &file).with_context(|| format!("make the disk {}", file.display()))?;
        Ok(Self(file))
    }

    /// The disk's file.
    pub fn file(&self) -> &Path {
        &self.0
    }

    /// The serial number stays with the position, as a disk's stays with its slot.
    pub(crate) fn kernel_argument(&self, position: usize) -> Result<String> {
        Ok(format!("ubd{position}={},,LAB{position:04}", place::argument(&self.0)?))
    }
}

/// Runs a program of the host to its end.
pub(crate) fn tool(command: &mut Command) -> Result<()> {
    // Users other than root have no sbin on their PATH, where mkfs lies.
    let path = std::env::var("PATH").unwrap_or_default();
    let output = command
        .env("PATH", format!("/usr/sbin:/sbin:{path}"))
        .output()
        .with_context(|| format!("start {:?}", command.get_program()))?;
    ensure!(
        output.status.success(),
        "{:?} failed: {}",
        command.get_program(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
