//! Compares two devices byte by byte, both read past the page cache by a thread of their own. It must not know why.

use super::buffer::Buffer;
use super::device::Device;
use super::error::BlockError;
use super::ranges::{self, Range};
use super::transfer::{PIECE, Reporter, Watch};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How far the comparison came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// Bytes compared and found equal.
    pub bytes: u64,
    /// Where the first difference lies.
    pub first_difference: Option<u64>,
    /// It was told to stop before it had seen everything.
    pub stopped: bool,
}

/// Compares the ranges, which rise, up to the first difference.
pub fn compare(a: &Device, b: &Device, ranges: &[Range], watch: Watch<'_>) -> Result<Compared, BlockError> {
    let mut reporter = Reporter::new(ranges::total(ranges), watch);
    std::thread::scope(|scope| {
        let mut sides = [a, b].map(|device| {
            let (full, filled) = sync_channel(2);
            let (empty, emptied) = sync_channel(2);
            for _ in 0..2 {
                // The channel has room for all of them.
                let _ = empty.send(Buffer::new(PIECE as usize));
            }
            scope.spawn(move || read_all(device, ranges, &emptied, &full));
            Side { filled, empty }
        });
        let mut compared = Compared { bytes: 0, first_difference: None, stopped: false };
        for piece in ranges::pieces(ranges, PIECE) {
            if (watch.stop)() {
                compared.stopped = true;
                return Ok(compared);
            }
            let [left, right] = [sides[0].next()?, sides[1].next()?];
            let length = piece.length as usize;
            if let Some(at) = difference(left.head(length), right.head(length)) {
                compared.bytes += at as u64;
                compared.first_difference = Some(piece.offset + at as u64);
                return Ok(compared);
            }
            compared.bytes += piece.length;
            reporter.report(compared.bytes);
            for (side, buffer) in sides.iter_mut().zip([left, right]) {
                // The reader may have ended already.
                let _ = side.empty.send(buffer);
            }
        }
        Ok(compared)
    })
}

struct Side {
    filled: Receiver<Result<Buffer, BlockError>>,
    empty: SyncSender<Buffer>,
}

impl Side {
    fn next(&mut self) -> Result<Buffer, BlockError> {
        self.filled.recv().unwrap_or_else(|_| Err(BlockError::Invalid("a reader ended early".to_owned())))
    }
}

/// Ends when the ranges do, at the first error, or when nobody takes the pieces any more.
fn read_all(
    device: &Device,
    ranges: &[Range],
    empty: &Receiver<Buffer>,
    full: &SyncSender<Result<Buffer, BlockError>>,
) {
    for piece in ranges::pieces(ranges, PIECE) {
        let Ok(mut buffer) = empty.recv() else { return };
        let read = device.read_exact(buffer.head_mut(piece.length as usize), piece.offset);
        let failed = read.is_err();
        if full.send(read.map(|()| buffer)).is_err() || failed {
            return;
        }
    }
}

fn difference(a: &[u8], b: &[u8]) -> Option<usize> {
    if a == b {
        return None;
    }
    a.iter().zip(b).position(|(a, b)| a != b)
}
