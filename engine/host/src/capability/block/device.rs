//! Opening a device (or an image file) for the data path: past the page cache, exclusively where it is written.
//! It must not know what the bytes mean.

use super::buffer::{ALIGN, Buffer};
use super::error::BlockError;
use super::facts;
use rustix::fs::{Advice, FallocateFlags, OFlags};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What it is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Others may have it too.
    Read,
    /// Nobody else may have it mounted or claimed meanwhile; nothing is written.
    ReadAlone,
    /// Nobody else may have it mounted or claimed meanwhile.
    Write,
}

/// An open block device or regular file. A block device opened otherwise than for plain reading is claimed (O_EXCL)
/// until this is dropped: the kernel refuses mounts, swap, device-mapper tables and other claims on it.
pub struct Device {
    path: PathBuf,
    file: File,
    bytes: u64,
    direct: bool,
    meta: Metadata,
}

impl Device {
    /// Opens it. Refuses what is neither a block device nor a regular file without opening it (a FIFO would block).
    pub fn open(path: &Path, access: Access) -> Result<Self, BlockError> {
        let meta = std::fs::metadata(path).map_err(|e| failed_to_open(path, e))?;
        let kind = meta.file_type();
        if !kind.is_block_device() && !kind.is_file() {
            return Err(BlockError::NotADevice(path.to_owned()));
        }
        let mut flags = libc::O_DIRECT;
        if kind.is_file() && (meta.len() % ALIGN as u64) != 0 {
            flags = 0;
        }
        if access != Access::Read && kind.is_block_device() {
            flags |= libc::O_EXCL;
        }
        let open = |flags| {
            OpenOptions::new().read(true).write(access == Access::Write).custom_flags(flags).open(path)
        };
        let mut direct = flags & libc::O_DIRECT != 0;
        let file = match open(flags) {
            // The file system may not know O_DIRECT.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) && kind.is_file() => {
                direct = false;
                open(0)
            }
            other => other,
        };
        let mut file = file.map_err(|e| failed_to_open(path, e))?;
        let bytes = file.seek(SeekFrom::End(0)).map_err(|source| io_error("size of", path, 0, source))?;
        // What was opened, not what the name stood for a moment ago.
        let meta = file.metadata().map_err(|source| io_error("look at", path, 0, source))?;
        Ok(Self { path: path.to_owned(), file, bytes, direct, meta })
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Device number (of the device itself, not of the file system that its node lies on), or the file's own identity.
    pub fn number(&self) -> Number {
        Number::of(&self.meta)
    }

    /// Fills `into` from `at`, a multiple of the sector size; an end before that is an error.
    pub fn read_exact(&self, into: &mut [u8], at: u64) -> Result<(), BlockError> {
        if self.direct && !into.len().is_multiple_of(512) {
            let range = self.read_range(at, into.len())?;
            into.get_mut(..range.len()).unwrap_or_default().copy_from_slice(&range);
            return if range.len() == into.len() {
                Ok(())
            } else {
                Err(self.short(at, range.len(), into.len()))
            };
        }
        let mut done = 0;
        while done < into.len() {
            match self.file.read_at(&mut into[done..], at + done as u64) {
                Ok(0) => {
                    return Err(self.short(at, done, into.len()));
                }
                Ok(n) => done += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(io_error("read", &self.path, at + done as u64, source)),
            }
        }
        Ok(())
    }

    fn short(&self, at: u64, done: usize, wanted: usize) -> BlockError {
        BlockError::ShortRead { path: self.path.clone(), at: at + done as u64, expected: at + wanted as u64 }
    }

    /// Any range, aligned or not; what lies past the end is left out.
    pub fn read_range(&self, offset: u64, length: usize) -> Result<Vec<u8>, BlockError> {
        let end = offset.saturating_add(length as u64).min(self.bytes);
        if offset >= end {
            return Ok(Vec::new());
        }
        let align = ALIGN as u64;
        let first = offset / align * align;
        let last = end.div_ceil(align).saturating_mul(align).min(self.bytes);
        let mut buffer = Buffer::new((last - first) as usize);
        let whole = buffer.head_mut((last - first) as usize);
        self.read_exact(whole, first)?;
        Ok(whole[(offset - first) as usize..(end - first) as usize].to_vec())
    }

    /// Writes all of `bytes` at `at`. A length askew, the end of an odd-sized source, goes through the page cache.
    pub fn write_all(&self, bytes: &[u8], at: u64) -> Result<(), BlockError> {
        let failed = |source| io_error("write", &self.path, at, source);
        let askew = !bytes.len().is_multiple_of(ALIGN);
        if askew {
            self.direct(false).map_err(failed)?;
        }
        let written = self.file.write_all_at(bytes, at).map_err(failed);
        if askew {
            self.direct(true).map_err(failed)?;
        }
        written
    }

    fn direct(&self, on: bool) -> io::Result<()> {
        if self.direct {
            let flags = rustix::fs::fcntl_getfl(&self.file)?;
            rustix::fs::fcntl_setfl(
                &self.file,
                flags.difference(OFlags::DIRECT) | if on { OFlags::DIRECT } else { OFlags::empty() },
            )?;
        }
        Ok(())
    }

    /// Makes a range read as zeroes without writing them, where the device can (thin volumes, sparse files); `false`:
    /// it cannot, and nothing happened.
    pub fn punch(&self, at: u64, length: u64) -> Result<bool, BlockError> {
        match rustix::fs::fallocate(
            &self.file,
            FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            at,
            length,
        ) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NODEV | rustix::io::Errno::NOSYS) => {
                Ok(false)
            }
            Err(e) => Err(io_error("punch a hole in", &self.path, at, e.into())),
        }
    }

    /// Everything written is on the disk when this returns, and no stale page of it is in the cache.
    pub fn flush(&self) -> Result<(), BlockError> {
        self.file.sync_all().map_err(|source| io_error("flush", &self.path, 0, source))?;
        // Advice only: direct writes have dropped the pages they met already.
        let _ = rustix::fs::fadvise(&self.file, 0, None::<NonZeroU64>, Advice::DontNeed);
        Ok(())
    }
}

/// What tells two open devices apart whatever they are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// A block device's major and minor.
    Block(u32, u32),
    /// A file: the file system's device number and the inode.
    File(u64, u64),
}

impl Number {
    /// Of what was looked at.
    pub fn of(meta: &Metadata) -> Self {
        if meta.file_type().is_block_device() {
            Self::Block(rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()))
        } else {
            Self::File(meta.dev(), meta.ino())
        }
    }
}

fn failed_to_open(path: &Path, source: io::Error) -> BlockError {
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENXIO | libc::ENODEV) => {
            BlockError::Missing(path.to_owned())
        }
        Some(libc::EBUSY) => BlockError::Busy { path: path.to_owned(), by: facts::used_by(path) },
        _ => io_error("open", path, 0, source),
    }
}

fn io_error(doing: &'static str, path: &Path, at: u64, source: io::Error) -> BlockError {
    BlockError::Io { doing, path: path.to_owned(), at, source }
}
