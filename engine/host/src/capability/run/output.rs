//! One output stream of a program: what is kept of it, and how the rest is thrown away. It must not know the program.

use crate::waiting;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// What is kept of a stream that nobody has asked for yet, in bytes. What comes then is read and thrown away, so that the
/// program never waits for us; whoever asks as it comes gets all of it.
pub const KEPT: u64 = 4 << 20;
const PIECE: usize = 64 * 1024;

/// The reading end of a program's output.
#[derive(Debug, Default)]
pub struct Output {
    pipe: Option<OwnedFd>,
    kept: u64,
    unasked: u64,
    dropped: u64,
}

/// What a read gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes to hand on.
    Bytes(Vec<u8>),
    /// Bytes came and were thrown away.
    Dropped,
    /// Nothing at the moment.
    Nothing,
    /// The stream has ended.
    End,
}

impl Output {
    /// Reads from `pipe`, which is made non-blocking.
    pub fn of(pipe: OwnedFd) -> std::io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Self { pipe: Some(pipe), ..Self::default() })
    }

    /// What to wait on; none once it has ended.
    pub fn waits_on(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads once, without waiting. The last piece that is kept ends with words that say the rest is cut.
    pub fn read(&mut self) -> Piece {
        let Some(pipe) = &self.pipe else { return Piece::End };
        let mut bytes = vec![0; PIECE];
        match rustix::io::read(pipe, &mut bytes) {
            Ok(0) => {
                self.pipe = None;
                Piece::End
            }
            Ok(count) => {
                bytes.truncate(count);
                self.keep(bytes)
            }
            Err(Errno::AGAIN | Errno::INTR) => Piece::Nothing,
            Err(_) => {
                self.pipe = None;
                Piece::End
            }
        }
    }

    fn keep(&mut self, mut bytes: Vec<u8>) -> Piece {
        let room = if self.dropped > 0 { 0 } else { KEPT.saturating_sub(self.unasked) };
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let over = bytes.len().saturating_sub(room);
        bytes.truncate(room);
        self.kept += bytes.len() as u64;
        self.unasked += bytes.len() as u64;
        let first_cut = over > 0 && self.dropped == 0;
        self.dropped += over as u64;
        if first_cut {
            bytes.extend(format!("\n[cut after {KEPT} bytes]\n").bytes());
        }
        if bytes.is_empty() { Piece::Dropped } else { Piece::Bytes(bytes) }
    }

    /// So many bytes were asked for.
    pub fn asked(&mut self, bytes: usize) {
        self.unasked = self.unasked.saturating_sub(bytes as u64);
    }

    /// No more is wanted, though somebody may still have the writing end.
    pub fn close(&mut self) {
        self.pipe = None;
    }

    /// Bytes handed on, and bytes thrown away.
    pub fn counts(&self) -> (u64, u64) {
        (self.kept, self.dropped)
    }
}

/// Waits a while and throws away what has come. False once `process` has ended.
pub fn drain(streams: &mut [Output; 2], process: &OwnedFd) -> bool {
    let mut fds: Vec<_> = streams.iter().filter_map(Output::waits_on).collect();
    fds.push(process.as_fd());
    let mut fds: Vec<_> = fds.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    let waited = waiting::once(&mut fds, Duration::from_secs(60)).is_ok();
    let ended = fds.last().is_some_and(|process| !process.revents().is_empty());
    for stream in streams {
        let _ = stream.read();
    }
    waited && !ended
}
