//! What dm-log-writes recorded of a disk: every write in the order in which it was safe, with flushes and marks between.
//! Layout: Documentation/admin-guide/device-mapper/log-writes.rst of the kernel. It must not know what was on the disk.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const MARK: u64 = 8;

/// A log that is played back entry by entry.
#[derive(Debug)]
pub struct LogWrites {
    log: File,
    sector: u64,
    left: u64,
    at: u64,
}

/// What an entry was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A write; it is safe only behind the next [`Entry::Safe`].
    Written,
    /// A write with FUA, or a flush: all before it is safe.
    Safe,
    /// A word that somebody put there.
    Mark(String),
}

impl LogWrites {
    /// Opens the file of the log's disk.
    pub fn open(file: &Path) -> Result<Self> {
        let log = File::open(file).with_context(|| format!("open {}", file.display()))?;
        let head = words::<4>(&log, 0)?;
        ensure!(head[0] == MAGIC, "{} holds no log of dm-log-writes", file.display());
        let sector = head[3] & u64::from(u32::MAX);
        Ok(Self { log, sector, left: head[2], at: sector })
    }

    /// Plays the next entry onto a disk; none: that was all.
    pub fn play(&mut self, disk: &File) -> Result<Option<Entry>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let [sector, sectors, flags, length] = words(&self.log, self.at)?;
        let inside = self.at + 32;
        self.at += self.sector;
        if flags & MARK != 0 {
            let mut word = vec![0; usize::try_from(length)?];
            self.log.read_exact_at(&mut word, inside).context("read a mark")?;
            let word = String::from_utf8_lossy(&word).trim_end_matches('\0').to_owned();
            return Ok(Some(Entry::Mark(word)));
        }
        let mut bytes = vec![0; usize::try_from(sectors * self.sector)?];
        if flags & DISCARD == 0 {
            self.log.read_exact_at(&mut bytes, self.at).context("read what was written")?;
            self.at += sectors * self.sector;
        }
        disk.write_all_at(&bytes, sector * self.sector).context("play a write")?;
        Ok(Some(if flags & (FLUSH | FUA) == 0 { Entry::Written } else { Entry::Safe }))
    }
}

fn words<const N: usize>(file: &File, at: u64) -> Result<[u64; N]> {
    let mut words = [0; N];
    for (place, word) in (at..).step_by(8).zip(&mut words) {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, place).context("read the log")?;
        *word = u64::from_le_bytes(bytes);
    }
    Ok(words)
}
