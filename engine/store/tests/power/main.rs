//! Power cuts at every write that SQLite does to the journal: what was written since the last sync of its file is kept,
//! dropped, or kept in part, sector by sector; then the journal is opened. `CUTWATER_STRIDE` sets how many writes are left out
//! between two cuts, `CUTWATER_SEED` what is kept.
//!
//! What it does not show: a disk that loses what it said it had synced, and a file system that loses a name (the making and
//! the deleting of a file are taken as ordered; `open` syncs the folder).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

#[path = "../common/mod.rs"]
mod common;
mod recorder;

use common::{created_with, place, said};
use cutwater_core::event::Event;
use cutwater_core::names::{RunId, Seq};
use cutwater_driver::ports::Journal;
use cutwater_store::Store;
use recorder::{Kind, Op};
use std::path::Path;

const SECTOR: usize = 512;

/// What the disk has of a file for certain, and what it may have.
#[derive(Clone, Default)]
struct Disk {
    there: bool,
    bytes: Vec<u8>,
    unsynced: Vec<Op>,
}

impl Disk {
    fn take(&mut self, op: &Op) {
        match op {
            Op::Sync { .. } => {
                let unsynced = std::mem::take(&mut self.unsynced);
                unsynced.iter().for_each(|op| apply(&mut self.bytes, op, |_| true));
            }
            Op::Delete { .. } => *self = Self::default(),
            op => {
                self.there = true;
                self.unsynced.push(op.clone());
            }
        }
    }

    /// As it may be found, `keep` deciding for each sector that was written but not synced.
    fn found(&self, mut keep: impl FnMut() -> bool) -> Option<Vec<u8>> {
        let mut bytes = self.bytes.clone();
        self.unsynced.iter().for_each(|op| apply(&mut bytes, op, |_| keep()));
        self.there.then_some(bytes)
    }
}

fn apply(bytes: &mut Vec<u8>, op: &Op, mut keep: impl FnMut(usize) -> bool) {
    match op {
        Op::Write { at, bytes: written, .. } => {
            let mut from = 0;
            while from < written.len() {
                let here = (SECTOR - (at + from) % SECTOR).min(written.len() - from);
                if keep(at + from) {
                    let end = at + from + here;
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[at + from..end].copy_from_slice(&written[from..from + here]);
                }
                from += here;
            }
        }
        Op::Cut { length, .. } => {
            if keep(*length) {
                bytes.resize(*length, 0);
            }
        }
        Op::Sync { .. } | Op::Delete { .. } | Op::Told { .. } => {}
    }
}

/// A small generator, so that a seed repeats a failure.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The n-th append of the run: now one event, now three that belong together; some fill pages.
fn events(n: u64) -> Vec<Event> {
    let many = if n.is_multiple_of(3) { 3 } else { 1 };
    (0..many)
        .map(|part| said(&format!("{n}.{part} {}", "word ".repeat(if part == 0 { 2500 } else { 9 }))))
        .collect()
}

/// Appends until SQLite has taken the log into the file more than once, in the middle of it and at the end.
fn recorded(run: &RunId) -> (Vec<Op>, Vec<Event>, Vec<u64>) {
    let (_folder, path) = place();
    recorder::start();
    let store = Store::open(&path).unwrap();
    let first = created_with(run, 2);
    let mut last = store.begin(run, &[], 0, std::slice::from_ref(&first)).unwrap();
    recorder::note(Op::Told { events: last.0 });
    let (mut all, mut ends) = (vec![first], vec![0, last.0]);
    for n in 0..360u64 {
        let durable = !n.is_multiple_of(4);
        let these = events(n);
        last = store.append(run, last, 0, &these, durable).unwrap();
        all.extend(these);
        ends.push(last.0);
        if durable {
            recorder::note(Op::Told { events: last.0 });
        }
    }
    drop(store);
    (recorder::stop(), all, ends)
}

/// Sabotage: `synchronous = normal` for everybody in the writer: acknowledged events are missing.
#[test]
fn after_a_power_cut_at_any_write_what_was_acknowledged_is_there_and_the_rest_is_whole_or_absent() {
    let run = RunId::new("a");
    let (ops, all, ends) = recorded(&run);
    let checkpoints = ops.iter().filter(|op| matches!(op, Op::Sync { file: Kind::Journal })).count();
    let writes = ops.iter().filter(|op| matches!(op, Op::Write { .. })).count();
    assert!(checkpoints >= 3, "the log was taken into the file {checkpoints} times");

    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("journal.db");
    let (stride, seed) = (number("CUTWATER_STRIDE", 23) as usize, number("CUTWATER_SEED", 0x5eed));
    let (mut random, mut cuts, mut told, mut lost) = (Random(seed | 1), 0, 0, 0);
    let (mut journal, mut log) = (Disk::default(), Disk::default());
    for (n, op) in ops.iter().enumerate() {
        match op {
            Op::Told { events } => told = *events,
            Op::Write { file, .. } | Op::Cut { file, .. } | Op::Sync { file } | Op::Delete { file } => {
                let disk = if *file == Kind::Journal { &mut journal } else { &mut log };
                disk.take(op);
            }
        }
        // What was told was told after the sync: there the least may be left.
        let is_near = matches!(op, Op::Sync { file: Kind::Journal } | Op::Delete { .. } | Op::Cut { .. });
        if !n.is_multiple_of(stride) && !is_near {
            continue;
        }
        for how in 0..4 {
            let mut keep = || match how {
                0 => false,
                1 => true,
                _ => random.next().is_multiple_of(2),
            };
            put(&path, journal.found(&mut keep));
            put(&path.with_extension("db-wal"), log.found(&mut keep));
            put(&path.with_extension("db-shm"), None);
            let at = format!("seed {seed}, cut after operation {n} of {}, way {how}", ops.len());
            let found = found(&path, &run, &all, &at);
            assert!(found >= told, "{at}: {found} events of {told} that were acknowledged");
            assert!(ends.contains(&found), "{at}: an append was torn at event {found}");
            cuts += 1;
            lost += usize::from(found > told);
        }
    }
    println!(
        "{cuts} power cuts in {writes} writes and {checkpoints} syncs of the file, seed {seed}: nothing acknowledged was \
         lost; {lost} times more was there than had been acknowledged"
    );
    assert_eq!(told, *ends.last().unwrap());
}

/// How many events are there; each is what was written.
fn found(path: &Path, run: &RunId, all: &[Event], at: &str) -> u64 {
    if !path.exists() {
        return 0;
    }
    let store = Store::open(path).unwrap_or_else(|error| panic!("{at}: {error:?}"));
    if store.runs().unwrap_or_else(|error| panic!("{at}: {error:?}")).is_empty() {
        return 0;
    }
    let records = store.read(run, Seq(0)).unwrap_or_else(|error| panic!("{at}: {error}"));
    assert!(
        records.iter().map(|record| &record.event).eq(&all[..records.len()]),
        "{at}: not what was written"
    );
    records.len() as u64
}

fn put(path: &Path, bytes: Option<Vec<u8>>) {
    match bytes {
        Some(bytes) => std::fs::write(path, bytes).unwrap(),
        None => drop(std::fs::remove_file(path)),
    }
}
