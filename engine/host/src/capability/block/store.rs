//! Reads the exception store of a persistent dm-snapshot: the list of chunks that changed since it was taken. It must
//! not know what is done with the list.
//!
//! Layout (the kernel's drivers/md/dm-snap-persistent.c, all little-endian): chunk 0 begins with the header {magic u32
//! 0x70416e53, valid u32, version u32 = 1, chunk size u32 in sectors of 512 bytes}. With E = chunk bytes / 16, area n is
//! the chunk 1 + n·(E+1), followed by the E chunks of data that its records describe. A record is {old chunk u64, new
//! chunk u64}; the first with a new chunk of 0 ends the list; when an area is full the next one is there, begun with
//! zeroes. Records are only ever added, and are on the disk before the write that they make way for.

use std::collections::HashSet;

/// Random reads; an end before `into` is full is an error.
pub trait ReadAt {
    /// Why it failed.
    type Error;
    /// Fills `into` from `at`. Offset and length are multiples of 512.
    fn read_at(&self, into: &mut [u8], at: u64) -> Result<(), Self::Error>;
}

/// Why a store could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum StoreError<E> {
    /// It cannot be read.
    Read(E),
    /// It is marked invalid: the snapshot overflowed or was dropped.
    Invalid,
    /// It is no store, or a damaged one.
    Corrupt(String),
}

/// What the store lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Bytes in a chunk.
    pub chunk: u64,
    /// The changed chunks of the origin, rising, each once. Includes those written through the snapshot itself.
    pub chunks: Vec<u64>,
}

const MAGIC: u32 = 0x7041_6e53;
const VERSION: u32 = 1;
const SECTOR: u64 = 512;
const RECORD: u64 = 16;
/// 16 MiB; LVM makes 4 KiB to 512 KiB.
const LARGEST_CHUNK: u32 = 1 << 15;

/// Reads the list, whole or no more than the `first` so many chunks, which stay the same ones while it grows. `store_bytes` is the
/// store's size; `origin_bytes`, where known, bounds the chunks listed. The origin must be at rest for the whole list to stay true.
pub fn changed<R: ReadAt>(
    store: &R,
    store_bytes: u64,
    origin_bytes: Option<u64>,
    first: Option<u64>,
) -> Result<Changed, StoreError<R::Error>> {
    let chunk = chunk_size(store, store_bytes)?;
    let layout = Layout { chunk, chunks: store_bytes / chunk };
    let origin_chunks = origin_bytes.map(|bytes| bytes.div_ceil(chunk));
    let mut old = HashSet::new();
    let mut new = HashSet::new();
    let mut area = vec![0; usize::try_from(chunk).map_err(|_| corrupt("its chunks are too large"))?];
    for number in 0.. {
        let at = layout
            .area(number)
            .ok_or_else(|| corrupt(format!("its list goes past its end in area {number}")))?;
        store.read_at(&mut area, at).map_err(StoreError::Read)?;
        for record in area.as_chunks::<16>().0 {
            let (from, to) = split(record);
            if to == 0 || first.is_some_and(|first| old.len() as u64 >= first) {
                let mut chunks: Vec<u64> = old.into_iter().collect();
                chunks.sort_unstable();
                return Ok(Changed { chunk, chunks });
            }
            if !layout.holds_data(to) || !new.insert(to) {
                return Err(corrupt(format!(
                    "area {number} keeps chunk {from} at {to}, which is no free place"
                )));
            }
            if origin_chunks.is_some_and(|limit| from >= limit) {
                return Err(corrupt(format!("area {number} lists chunk {from}, past the origin's end")));
            }
            if !old.insert(from) {
                return Err(corrupt(format!("area {number} lists chunk {from} a second time")));
            }
        }
    }
    Err(corrupt("its list has no end"))
}

fn chunk_size<R: ReadAt>(store: &R, store_bytes: u64) -> Result<u64, StoreError<R::Error>> {
    const HEADER: usize = 4096;
    if store_bytes < HEADER as u64 {
        return Err(corrupt(format!("it has {store_bytes} bytes")));
    }
    let mut header = vec![0; HEADER];
    store.read_at(&mut header, 0).map_err(StoreError::Read)?;
    let word =
        |at: usize| header[at..at + 4].iter().rev().fold(0_u32, |sum, &byte| sum << 8 | u32::from(byte));
    let (magic, valid, version, sectors) = (word(0), word(4), word(8), word(12));
    match (magic, valid, version) {
        (MAGIC, 1, VERSION) => {}
        (MAGIC, 0, _) => return Err(StoreError::Invalid),
        (MAGIC, 1, other) => return Err(corrupt(format!("it has version {other}, not {VERSION}"))),
        (MAGIC, other, _) => return Err(corrupt(format!("its mark of validity is {other}"))),
        (other, ..) => return Err(corrupt(format!("it begins with {other:#010x}, not {MAGIC:#010x}"))),
    }
    if !sectors.is_power_of_two() || sectors > LARGEST_CHUNK {
        return Err(corrupt(format!("its chunks have {sectors} sectors")));
    }
    Ok(u64::from(sectors) * SECTOR)
}

struct Layout {
    chunk: u64,
    chunks: u64,
}

impl Layout {
    fn stride(&self) -> u64 {
        self.chunk / RECORD + 1
    }

    /// The offset of area `number`, if the store reaches that far.
    fn area(&self, number: u64) -> Option<u64> {
        let chunk = number.checked_mul(self.stride())?.checked_add(1)?;
        (chunk < self.chunks).then(|| chunk * self.chunk)
    }

    /// Whether chunk `number` of the store can hold data: inside, neither the header nor an area.
    fn holds_data(&self, number: u64) -> bool {
        number > 1 && number < self.chunks && !(number - 1).is_multiple_of(self.stride())
    }
}

fn split(record: &[u8; 16]) -> (u64, u64) {
    let number = u128::from_le_bytes(*record);
    (number as u64, (number >> 64) as u64)
}

fn corrupt<E>(what: impl Into<String>) -> StoreError<E> {
    StoreError::Corrupt(what.into())
}
