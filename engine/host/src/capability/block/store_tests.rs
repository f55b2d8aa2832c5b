//! The reader of exception stores against a writer that works as the kernel's does: chunk by chunk, in the order of
//! the writes to the origin. The writer knows nothing of the reader.

use super::store::{Changed, ReadAt, StoreError, changed};
use proptest::prelude::*;

/// A store as the kernel would have left it after these first writes to chunks of the origin.
struct Kernel {
    bytes: Vec<u8>,
    chunk: usize,
    next_free: usize,
    area: usize,
    record: usize,
}

impl Kernel {
    fn new(chunk_sectors: u32, chunks: usize) -> Self {
        let chunk = chunk_sectors as usize * 512;
        let mut bytes = vec![0xee; chunk * chunks];
        bytes[..chunk].fill(0);
        for (at, word) in [0x7041_6e53, 1, 1, chunk_sectors].into_iter().enumerate() {
            bytes[at * 4..at * 4 + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes[chunk..2 * chunk].fill(0);
        Self { bytes, chunk, next_free: 2, area: 1, record: 0 }
    }

    fn records_in_area(&self) -> usize {
        self.chunk / 16
    }

    fn first_write_to(&mut self, origin_chunk: u64) {
        let at = self.area * self.chunk + self.record * 16;
        self.bytes[at..at + 8].copy_from_slice(&origin_chunk.to_le_bytes());
        self.bytes[at + 8..at + 16].copy_from_slice(&(self.next_free as u64).to_le_bytes());
        self.record += 1;
        self.next_free += 1;
        if self.record == self.records_in_area() {
            self.area += self.records_in_area() + 1;
            assert_eq!(self.next_free, self.area, "the data of a full area ends where the next area begins");
            self.bytes[self.area * self.chunk..][..self.chunk].fill(0);
            self.next_free += 1;
            self.record = 0;
        }
    }

    fn read(&self, origin_bytes: Option<u64>) -> Result<Changed, StoreError<String>> {
        changed(&Memory(&self.bytes), self.bytes.len() as u64, origin_bytes, None)
    }
}

struct Memory<'a>(&'a [u8]);

impl ReadAt for Memory<'_> {
    type Error = String;

    fn read_at(&self, into: &mut [u8], at: u64) -> Result<(), String> {
        let end = at as usize + into.len();
        into.copy_from_slice(self.0.get(at as usize..end).ok_or_else(|| format!("{at}..{end}"))?);
        Ok(())
    }
}

fn corrupt(result: Result<Changed, StoreError<String>>) -> String {
    match result {
        Err(StoreError::Corrupt(what)) => what,
        other => panic!("not corrupt: {other:?}"),
    }
}

#[test]
fn chunks_are_listed_whatever_the_order_of_the_writes() {
    let mut kernel = Kernel::new(32, 64);
    for chunk in [1000, 3, 7777, 100, 1001] {
        kernel.first_write_to(chunk);
    }
    let expected = Changed { chunk: 16384, chunks: vec![3, 100, 1000, 1001, 7777] };
    assert_eq!(kernel.read(None), Ok(expected));
}

#[test]
fn a_list_that_fills_its_area_exactly_goes_on_in_the_next() {
    let mut kernel = Kernel::new(8, 1000);
    for chunk in 0..256 {
        kernel.first_write_to(chunk * 2);
    }
    assert_eq!(kernel.read(None).unwrap().chunks.len(), 256);
    kernel.first_write_to(1);
    assert_eq!(kernel.read(None).unwrap().chunks.len(), 257);
}

/// Sabotage: the chunks sorted before they are counted (another set each time the list has grown).
#[test]
fn the_first_chunks_of_a_list_stay_the_same_while_it_grows() {
    let mut kernel = Kernel::new(8, 600);
    let first = [70, 3, 512, 9];
    first.iter().for_each(|&chunk| kernel.first_write_to(chunk));
    for later in [1, 4, 900, 0] {
        kernel.first_write_to(later);
        let bytes = kernel.bytes.len() as u64;
        let listed = changed(&Memory(&kernel.bytes), bytes, None, Some(4)).unwrap();
        assert_eq!(listed.chunks, [3, 9, 70, 512]);
    }
}

#[test]
fn an_overflowed_store_is_refused_as_such() {
    let mut kernel = Kernel::new(8, 16);
    kernel.first_write_to(5);
    kernel.bytes[4] = 0;
    assert_eq!(kernel.read(None), Err(StoreError::Invalid));
}

#[test]
fn what_is_no_store_is_told_apart() {
    assert!(corrupt(changed(&Memory(&[0; 8192]), 8192, None, None)).contains("0x70416e53"));
    assert!(corrupt(changed(&Memory(&[0; 512]), 512, None, None)).contains("512 bytes"));
    for (word, value, says) in [
        (4, 2, "validity is 2"),
        (8, 7, "version 7"),
        (12, 0, "0 sectors"),
        (12, 24, "24 sectors"),
        (12, 1 << 20, "sectors"),
    ] {
        let mut kernel = Kernel::new(8, 16);
        kernel.bytes[word..word + 4].copy_from_slice(&u32::to_le_bytes(value));
        assert!(corrupt(kernel.read(None)).contains(says), "{says}");
    }
}

#[test]
fn a_record_that_cannot_be_is_refused() {
    let put = |record: usize, old: u64, new: u64| {
        let mut kernel = Kernel::new(8, 1000);
        kernel.first_write_to(5);
        kernel.first_write_to(6);
        let at = 4096 + record * 16;
        kernel.bytes[at..at + 8].copy_from_slice(&old.to_le_bytes());
        kernel.bytes[at + 8..at + 16].copy_from_slice(&new.to_le_bytes());
        kernel
    };
    assert!(corrupt(put(1, 5, 3).read(None)).contains("a second time"));
    assert!(corrupt(put(1, 6, 2).read(None)).contains("no free place"), "the place of another");
    assert!(corrupt(put(1, 6, 1).read(None)).contains("no free place"), "the list's own place");
    assert!(corrupt(put(1, 6, 258).read(None)).contains("no free place"), "the next area's place");
    assert!(corrupt(put(1, 6, 1000).read(None)).contains("no free place"), "past the end");
    assert!(corrupt(put(1, 6, u64::MAX).read(None)).contains("no free place"));
    assert!(corrupt(put(1, 600, 3).read(Some(600 * 4096))).contains("past the origin's end"));
    assert!(put(1, 600, 3).read(Some(600 * 4096 + 512)).is_ok(), "the origin's last chunk may be cut");
}

#[test]
fn a_list_without_an_end_stops_at_the_end_of_the_store() {
    let mut kernel = Kernel::new(8, 600);
    for chunk in 0..256 * 2 {
        kernel.first_write_to(chunk);
    }
    let short = 515 * 4096;
    let result = changed(&Memory(&kernel.bytes[..short]), short as u64, None, None);
    assert!(corrupt(result).contains("past its end in area 2"));
}

proptest! {
    #[test]
    fn every_list_the_kernel_writes_is_read_back(
        sectors in (0_u32..5).prop_map(|power| 8 << power),
        chunks in prop::collection::hash_set(0_u64..1 << 40, 0..900),
    ) {
        let area = sectors as usize * 512 / 16;
        let mut kernel = Kernel::new(sectors, 4 + chunks.len() + chunks.len() / area + 1);
        for &chunk in &chunks {
            kernel.first_write_to(chunk);
        }
        let mut expected: Vec<u64> = chunks.into_iter().collect();
        expected.sort_unstable();
        prop_assert_eq!(kernel.read(None).unwrap().chunks, expected);
    }

    #[test]
    fn no_damage_makes_the_reader_panic_or_list_a_chunk_twice(
        damage in prop::collection::vec((0_usize..12 * 4096, any::<u8>()), 1..40),
        writes in 0_u64..400,
    ) {
        let mut kernel = Kernel::new(8, 1000);
        for chunk in 0..writes {
            kernel.first_write_to(chunk * 3);
        }
        for (at, byte) in damage {
            kernel.bytes[at] = byte;
        }
        if let Ok(list) = kernel.read(Some(4096 * 100_000)) {
            prop_assert!(list.chunks.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(list.chunks.iter().all(|&chunk| chunk * list.chunk < 4096 * 100_000));
        }
    }
}
