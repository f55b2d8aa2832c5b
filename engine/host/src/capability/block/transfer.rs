//! Moves ranges from one open device to another: a reader thread ahead of the writer, a rate, a flag to stop by, and
//! the place to go on from. It must not know why these ranges, nor who asks.

use super::buffer::Buffer;
use super::device::Device;
use super::error::BlockError;
use super::ranges::{self, Range};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Bytes in one read or write.
pub const PIECE: u64 = 2 << 20;
/// Buffers under way: one being read, one being written, two between them.
const BUFFERS: usize = 4;
const REPORT_EVERY: Duration = Duration::from_millis(200);
const STOP_POLL: Duration = Duration::from_millis(50);

/// How the caller sees and stops what goes on. Both functions are called from any thread, often.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Whether to stop as soon as a place to go on from is known.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Bytes done of bytes in all.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Sabotage: the first piece is told as moved, and is not.
    pub loses_a_piece: bool,
}

/// How to move.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Bytes a second at most; none: as fast as it goes.
    pub at_most: Option<u64>,
    /// Zeroes are made by punching a hole where the target can.
    pub skip_zeroes: bool,
}

/// What was moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes taken over, punched holes included.
    pub bytes: u64,
    /// Of those, bytes really written.
    pub written: u64,
    /// It was stopped: everything before this offset is on the target's disk.
    pub next: Option<u64>,
}

/// Copies the ranges, which rise and do not overlap. On return, also after a stop, everything that was moved is on the
/// disk. On an error some of the ranges may have been written.
pub fn transfer(
    from: &Device,
    to: &Device,
    ranges: &[Range],
    pace: Pace,
    watch: Watch<'_>,
) -> Result<Moved, BlockError> {
    let total = ranges::total(ranges);
    let moved = std::thread::scope(|scope| {
        let (full, filled) = sync_channel(BUFFERS);
        let (empty, emptied) = sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            // The channel has room for all of them.
            let _ = empty.send(Buffer::new(PIECE as usize));
        }
        scope.spawn(move || read_ahead(from, ranges, &emptied, &full));
        write_behind(to, &filled, &empty, Meter::new(total, pace, watch))
    })?;
    to.flush()?;
    Ok(moved)
}

type Piece = Result<(Range, Buffer), BlockError>;

/// Ends when the ranges do, at the first error, or when nobody takes the pieces any more.
fn read_ahead(from: &Device, ranges: &[Range], empty: &Receiver<Buffer>, full: &SyncSender<Piece>) {
    for piece in ranges::pieces(ranges, PIECE) {
        let Ok(mut buffer) = empty.recv() else { return };
        let read = from.read_exact(buffer.head_mut(piece.length as usize), piece.offset);
        let failed = read.is_err();
        if full.send(read.map(|()| (piece, buffer))).is_err() || failed {
            return;
        }
    }
}

fn write_behind(
    to: &Device,
    filled: &Receiver<Piece>,
    empty: &SyncSender<Buffer>,
    mut meter: Meter<'_>,
) -> Result<Moved, BlockError> {
    let mut moved = Moved::default();
    for piece in filled {
        let (range, buffer) = piece?;
        if !meter.admit(range.length) {
            moved.next = Some(range.offset);
            return Ok(moved);
        }
        let bytes = buffer.head(range.length as usize);
        let lost = meter.watch.loses_a_piece && moved.bytes == 0;
        let punched =
            !lost && meter.pace.skip_zeroes && is_zero(bytes) && to.punch(range.offset, range.length)?;
        if !punched && !lost {
            to.write_all(bytes, range.offset)?;
            moved.written += range.length;
        }
        moved.bytes += range.length;
        meter.reporter.report(moved.bytes);
        // The reader may have ended already.
        let _ = empty.send(buffer);
    }
    Ok(moved)
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|&byte| byte == 0)
}

/// Keeps the pace, and tells how far it is.
struct Meter<'a> {
    pace: Pace,
    watch: Watch<'a>,
    due: Instant,
    reporter: Reporter<'a>,
}

impl<'a> Meter<'a> {
    fn new(total: u64, pace: Pace, watch: Watch<'a>) -> Self {
        Self { pace, watch, due: Instant::now(), reporter: Reporter::new(total, watch) }
    }

    /// Waits until so many bytes may go; `false`: told to stop. Time lost to a slow disk is not made up for by a burst.
    fn admit(&mut self, bytes: u64) -> bool {
        if let Some(rate) = self.pace.at_most {
            loop {
                let now = Instant::now();
                let Some(left) = self.due.checked_duration_since(now).filter(|d| !d.is_zero()) else {
                    self.due = now.max(self.due);
                    break;
                };
                if (self.watch.stop)() {
                    return false;
                }
                std::thread::sleep(left.min(STOP_POLL));
            }
            self.due += Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        }
        !(self.watch.stop)()
    }
}

/// Tells how far it is, a few times a second and at the end.
pub(super) struct Reporter<'a> {
    watch: Watch<'a>,
    total: u64,
    reported: Instant,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(total: u64, watch: Watch<'a>) -> Self {
        Self { watch, total, reported: Instant::now() }
    }

    pub(super) fn report(&mut self, done: u64) {
        if done == self.total || self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            (self.watch.progress)(done, self.total);
        }
    }
}
