//! The verbs of the data path: copy, compare, changed, resync, erase, read. Every check that protects data stands here,
//! before the first byte is written. It must not know grants, plans or plugins: whoever calls has asked them.

use super::alias;
use super::compare::{self as comparison};
use super::device::{Access, Device, Number};
use super::error::BlockError;
use super::facts::{base, check_base, identity};
use super::lineage::{self, Kin};
use super::ranges::{self, Range};
use super::request::{Compare, CompareDone, Copied, Copy, Erase, Erased, List, Listed, Resync, Resynced};
use super::signature;
use super::store::{self, Changed, ReadAt, StoreError};
use super::transfer::{Pace, Watch, transfer};
use super::writers;
use std::path::Path;
use std::time::{Duration, Instant};

const WRITER_LOOKS: u32 = 4;
const WRITER_PAUSE: Duration = Duration::from_millis(100);

/// Copies. Refused where the target is in use, too small, or carries anything that `replaces` does not give away.
/// After a crash the target holds any part of the range; doing it again is right.
pub fn copy(request: &Copy, watch: Watch<'_>) -> Result<Copied, BlockError> {
    let began = Instant::now();
    let from = Device::open(&request.from, Access::Read)?;
    let to = Device::open(&request.to, Access::Write)?;
    must_differ(&from, &to)?;
    must_be_nobody_elses(&to)?;
    must_hold(&to, from.bytes())?;
    match &request.base {
        Some(base) => check_base(&to, base, 0)?,
        None => may_be_overwritten(&from, &to, request)?,
    }
    let end = match request.length {
        Some(length) => request.offset.saturating_add(length).min(from.bytes()),
        None => from.bytes(),
    };
    if !request.offset.is_multiple_of(4096) || (!end.is_multiple_of(4096) && end != from.bytes()) {
        return Err(BlockError::Invalid("offset and length must be multiples of 4096".to_owned()));
    }
    let range = Range { offset: request.offset, length: end.saturating_sub(request.offset) };
    let pace = Pace { at_most: request.at_most, skip_zeroes: request.skip_zeroes };
    let (before, whole) = request.progress.unwrap_or((0, range.length));
    let progress = |done: u64, _: u64| (watch.progress)(before.saturating_add(done), whole);
    let moved = transfer(&from, &to, &[range], pace, Watch { progress: &progress, ..watch })?;
    Ok(Copied {
        size: from.bytes(),
        bytes: moved.bytes,
        read: moved.bytes,
        written: moved.written,
        milliseconds: milliseconds(began),
        next: moved.next,
        base: base(&to)?,
    })
}

/// Compares. `b` may be larger than `a`; what lies beyond is not looked at.
pub fn compare(request: &Compare, watch: Watch<'_>) -> Result<CompareDone, BlockError> {
    let began = Instant::now();
    let a = Device::open(&request.a, Access::Read)?;
    let b = Device::open(&request.b, Access::Read)?;
    must_differ(&a, &b)?;
    must_hold(&b, a.bytes())?;
    if let Some(base) = &request.base {
        check_base(&b, base, 0)?;
    }
    let ranges = match (&request.only, &request.store) {
        (Some(_), Some(_)) => return Err(BlockError::Invalid("give `only` or `store`, not both".to_owned())),
        (Some(only), None) => chosen(only, a.bytes())?,
        (None, Some(path)) => {
            let store = Device::open(path, Access::Read)?;
            let changed = lineage::told(&store, &a, &lineage::of(&store, &a)?)?;
            ranges::of_chunks(&changed.chunks, changed.chunk, a.bytes())
        }
        (None, None) => vec![Range { offset: 0, length: a.bytes() }],
    };
    let done = comparison::compare(&a, &b, &ranges, watch)?;
    Ok(CompareDone {
        equal: done.first_difference.is_none() && !done.stopped,
        bytes: done.bytes,
        first_difference: done.first_difference,
        stopped: done.stopped,
        milliseconds: milliseconds(began),
    })
}

/// Lists what the exception store says has changed. While the origin is written the list only grows.
pub fn changed(request: &List) -> Result<Listed, BlockError> {
    let store = Device::open(&request.store, Access::Read)?;
    let changed = list(&store, None)?;
    let ranges = ranges::of_chunks(&changed.chunks, changed.chunk, u64::MAX);
    let limit = request.chunk_limit.unwrap_or(usize::MAX);
    Ok(Listed {
        chunk: changed.chunk,
        chunks: changed.chunks.len() as u64,
        bytes: ranges::total(&ranges),
        ranges: ranges.iter().take(limit).map(|range| (range.offset, range.length)).collect(),
    })
}

/// Copies just the chunks that the store lists, from the origin, or from a later snapshot of it ([`lineage`]). It is claimed,
/// so nobody has it mounted. The origin's list is read again afterwards, and an origin that was written meanwhile is an error; of
/// a later snapshot the list may go on growing, and `first` tells how much of it counts. After a crash some chunks are
/// copied; doing it again (with `slack`) is right.
pub fn resync(request: &Resync, watch: Watch<'_>) -> Result<Resynced, BlockError> {
    let began = Instant::now();
    must_differ_by_name(&request.from, &request.to)?;
    let store = Device::open(&request.store, Access::Read)?;
    let from = Device::open(&request.from, Access::ReadAlone)?;
    let to = Device::open(&request.to, Access::Write)?;
    must_differ(&from, &to)?;
    must_differ(&store, &to)?;
    must_be_nobody_elses(&to)?;
    must_hold(&to, from.bytes())?;
    let kin = lineage::of(&store, &from)?;
    check_base(&to, &request.base, request.slack)?;
    let told = lineage::told(&store, &from, &kin)?;
    let changed = match (&kin, request.first) {
        (Kin::Snapshot(_), Some(first)) => first_of(&store, Some(from.bytes()), Some(first))?,
        _ => told,
    };
    let ranges = ranges::of_chunks(&changed.chunks, changed.chunk, from.bytes());
    let moved = transfer(&from, &to, &ranges, Pace::default(), watch)?;
    let after = lineage::told(&store, &from, &kin).map_err(|error| match error {
        BlockError::NotLater { from, .. } => BlockError::OriginBusy(from),
        other => other,
    })?;
    if matches!(kin, Kin::Origin) && after != changed {
        return Err(BlockError::OriginBusy(request.from.clone()));
    }
    Ok(Resynced {
        chunk: changed.chunk,
        chunks: changed.chunks.len() as u64,
        bytes: moved.bytes,
        milliseconds: milliseconds(began),
        stopped: moved.next.is_some(),
        base: base(&to)?,
    })
}

/// Zeroes the first and the last MiB, so that nothing recognises what was there. Refused where the device is in use or
/// another one than `identity` says.
pub fn erase(request: &Erase) -> Result<Erased, BlockError> {
    let to = Device::open(&request.to, Access::Write)?;
    must_be_nobody_elses(&to)?;
    if let Some(identity) = &request.identity {
        must_be(&to, identity)?;
    }
    let head = signature::EDGE.min(to.bytes());
    let tail = to.bytes().saturating_sub(signature::EDGE).max(head);
    let zeroes = super::buffer::Buffer::new(signature::EDGE as usize);
    to.write_all(zeroes.head(head as usize), 0)?;
    // The last MiB first begins on a page, so that no direct write is askew.
    let tail = tail / 4096 * 4096;
    let mut bytes = head;
    if tail >= head && tail < to.bytes() {
        let length = (to.bytes() - tail).min(signature::EDGE);
        to.write_all(zeroes.head(length as usize), tail)?;
        if tail + length < to.bytes() {
            to.write_all(zeroes.head((to.bytes() - tail - length) as usize), tail + length)?;
        }
        bytes += to.bytes() - tail;
    }
    to.flush()?;
    Ok(Erased { bytes })
}

/// Bytes of a device, past the page cache. At most 1 MiB; what lies past the end is left out.
pub fn read(path: &Path, offset: u64, length: u32) -> Result<Vec<u8>, BlockError> {
    if length > 1 << 20 {
        return Err(BlockError::Invalid(format!("{length} bytes are more than 1 MiB")));
    }
    Device::open(path, Access::Read)?.read_range(offset, length as usize)
}

/// Before both are claimed: the second claim would say only that somebody has it.
fn must_differ_by_name(a: &Path, b: &Path) -> Result<(), BlockError> {
    let number = |path| std::fs::metadata(path).ok().map(|meta| Number::of(&meta));
    match number(a).is_some() && number(a) == number(b) {
        true => Err(BlockError::SameDevice(b.to_owned())),
        false => Ok(()),
    }
}

fn must_differ(a: &Device, b: &Device) -> Result<(), BlockError> {
    match alias::share(a, b) {
        true => Err(BlockError::SameDevice(b.path().to_owned())),
        false => Ok(()),
    }
}

/// What is written through one name is not seen by whoever uses another: it may be mounted there. And whoever has it open for
/// writing will write.
fn must_be_nobody_elses(to: &Device) -> Result<(), BlockError> {
    let busy = |by: String| Err(BlockError::Busy { path: to.path().to_owned(), by });
    let others = alias::others(to);
    if !others.is_empty() {
        return busy(format!(": {} shows the same bytes; detach it first", others.join(", ")));
    }
    // A program that looks at new devices may be about to close it.
    for _ in 0..WRITER_LOOKS {
        if writers::other(to).is_none() {
            return Ok(());
        }
        std::thread::sleep(WRITER_PAUSE);
    }
    match writers::other(to) {
        Some(writer) => busy(format!(": {writer} has it open for writing")),
        None => Ok(()),
    }
}

fn must_hold(device: &Device, bytes: u64) -> Result<(), BlockError> {
    match device.bytes() < bytes {
        true => {
            Err(BlockError::TooSmall { path: device.path().to_owned(), has: device.bytes(), needs: bytes })
        }
        false => Ok(()),
    }
}

fn must_be(device: &Device, expected: &str) -> Result<(), BlockError> {
    let found = identity(device);
    match found == expected {
        true => Ok(()),
        false => Err(BlockError::OtherDevice {
            path: device.path().to_owned(),
            found,
            expected: expected.to_owned(),
        }),
    }
}

/// Refuses a target on which anything is recognised, unless `replaces` names it or a resumed copy left it there.
fn may_be_overwritten(from: &Device, to: &Device, request: &Copy) -> Result<(), BlockError> {
    if let Some(expected) = &request.replaces {
        return must_be(to, expected);
    }
    let found = signature::probe(to)?;
    let mut foreign = Vec::new();
    for signature in &found {
        let edge =
            if signature.at < signature::EDGE { 0 } else { to.bytes().saturating_sub(signature::EDGE) };
        if !(request.resume && same_edge(from, to, edge)?) {
            foreign.push(format!("{} at byte {}", signature.kind, signature.at));
        }
    }
    if found.is_empty() && !request.resume && !is_blank(to)? {
        foreign.push("data that nothing here recognises, as on a volume made of used extents".to_owned());
    }
    match foreign.is_empty() {
        true => Ok(()),
        false => Err(BlockError::CarriesData {
            path: to.path().to_owned(),
            what: foreign.join(", "),
            identity: identity(to),
        }),
    }
}

/// Whether the first and the last MiB hold nothing, as on a new volume and on one that was erased.
fn is_blank(to: &Device) -> Result<bool, BlockError> {
    let edge = signature::EDGE as usize;
    let tail = to.bytes().saturating_sub(signature::EDGE);
    let blank = |at: u64| Ok(to.read_range(at, edge)?.iter().all(|&byte| byte == 0));
    Ok(blank(0)? && blank(tail)?)
}

fn same_edge(from: &Device, to: &Device, at: u64) -> Result<bool, BlockError> {
    let edge = signature::EDGE as usize;
    Ok(from.read_range(at, edge)? == to.read_range(at, edge)?)
}

fn chosen(only: &[(u64, u64)], bytes: u64) -> Result<Vec<Range>, BlockError> {
    let mut ranges: Vec<Range> = Vec::with_capacity(only.len());
    for &(offset, length) in only {
        let range = Range { offset, length: length.min(bytes.saturating_sub(offset)) };
        if offset % 4096 != 0 || ranges.last().is_some_and(|last| last.end() > offset) {
            return Err(BlockError::Invalid(format!("the ranges must rise in steps of 4096 ({offset})")));
        }
        ranges.push(range);
    }
    Ok(ranges)
}

/// What the store lists.
pub(super) fn list(store: &Device, origin_bytes: Option<u64>) -> Result<Changed, BlockError> {
    first_of(store, origin_bytes, None)
}

/// Likewise, but only what it listed first.
fn first_of(store: &Device, origin_bytes: Option<u64>, first: Option<u64>) -> Result<Changed, BlockError> {
    store::changed(store, store.bytes(), origin_bytes, first).map_err(|error| match error {
        StoreError::Read(error) => error,
        StoreError::Invalid => BlockError::Overflowed(store.path().to_owned()),
        StoreError::Corrupt(what) => BlockError::Corrupt { path: store.path().to_owned(), what },
    })
}

impl ReadAt for Device {
    type Error = BlockError;

    fn read_at(&self, into: &mut [u8], at: u64) -> Result<(), BlockError> {
        let bytes = self.read_range(at, into.len())?;
        if bytes.len() < into.len() {
            return Err(BlockError::ShortRead {
                path: self.path().to_owned(),
                at: at + bytes.len() as u64,
                expected: at + into.len() as u64,
            });
        }
        into.copy_from_slice(&bytes);
        Ok(())
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
