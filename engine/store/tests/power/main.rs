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
use std::sync::{Mutex, PoisonError};

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

/// A run as it was written, and what SQLite did for it.
struct Written {
    run: RunId,
    ops: Vec<Op>,
    all: Vec<Event>,
    /// Where an append ended.
    ends: Vec<u64>,
}

/// Appends until SQLite has taken the log into the file more than once, in the middle of it and at the end; one in four
/// waits for no disk.
fn written(appends: u64) -> Written {
    let (_folder, path) = place();
    let run = RunId::new("a");
    recorder::start();
    let store = Store::open(&path).unwrap();
    let first = created_with(&run, 2);
    let mut last = store.begin(&run, &[], 0, std::slice::from_ref(&first)).unwrap();
    recorder::note(Op::Told { events: last.0, durable: true });
    let (mut all, mut ends) = (vec![first], vec![0, last.0]);
    for n in 0..appends {
        let durable = !n.is_multiple_of(4);
        let these = events(n);
        last = store.append(&run, last, 0, &these, durable).unwrap();
        all.extend(these);
        ends.push(last.0);
        recorder::note(Op::Told { events: last.0, durable });
    }
    drop(store);
    Written { run, ops: recorder::stop(), all, ends }
}

/// Cuts the power at every write that is not left out, four times each; what came to light, or the first thing that was not
/// as promised.
fn cut(written: &Written, stride: usize, seed: u64) -> Result<String, String> {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("journal.db");
    let (mut random, mut cuts, mut told, mut more) = (Random(seed | 1), 0, 0, 0);
    let (mut journal, mut log, mut rollback) = (Disk::default(), Disk::default(), Disk::default());
    for (n, op) in written.ops.iter().enumerate() {
        match op {
            Op::Told { events, durable: true } => told = *events,
            Op::Told { .. } => {}
            Op::Write { file, .. } | Op::Cut { file, .. } | Op::Sync { file } | Op::Delete { file } => {
                let disk = match file {
                    Kind::Journal => &mut journal,
                    Kind::Log => &mut log,
                    Kind::Rollback => &mut rollback,
                };
                disk.take(op);
            }
        }
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
            put(&path.with_extension("db-journal"), rollback.found(&mut keep));
            put(&path.with_extension("db-shm"), None);
            let at = format!("seed {seed}, cut after operation {n} of {}, way {how}", written.ops.len());
            let found = found(&path, written).map_err(|wrong| format!("{at}: {wrong}"))?;
            if found < told {
                return Err(format!("{at}: {found} events of {told} that were acknowledged"));
            }
            if !written.ends.contains(&found) {
                return Err(format!("{at}: an append was torn at event {found}"));
            }
            cuts += 1;
            more += usize::from(found > told);
        }
    }
    Ok(format!(
        "{cuts} power cuts, seed {seed}: nothing that was acknowledged was lost; {more} times more was there"
    ))
}

/// How many events are there; each is what was written.
fn found(path: &Path, written: &Written) -> Result<u64, String> {
    if !path.exists() {
        return Ok(0);
    }
    let store = Store::open(path).map_err(|error| format!("{error:?}"))?;
    if store.runs().map_err(|error| format!("{error:?}"))?.is_empty() {
        return Ok(0);
    }
    let records = store.read(&written.run, Seq(0)).map_err(|error| error.to_string())?;
    match records.iter().map(|record| &record.event).eq(&written.all[..records.len()]) {
        true => Ok(records.len() as u64),
        false => Err("not what was written".to_owned()),
    }
}

fn put(path: &Path, bytes: Option<Vec<u8>>) {
    match bytes {
        Some(bytes) => std::fs::write(path, bytes).unwrap(),
        None => drop(std::fs::remove_file(path)),
    }
}

/// One test at a time: SQLite has one usual way to its files in a process.
static ALONE: Mutex<()> = Mutex::new(());

/// Sabotage: those that the next test names, and in the writer `synchronous = normal` for everybody.
#[test]
fn after_a_power_cut_at_any_write_what_was_acknowledged_is_there_and_the_rest_is_whole_or_absent() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let written = written(360);
    let syncs = written.ops.iter().filter(|op| matches!(op, Op::Sync { file: Kind::Journal })).count();
    let writes = written.ops.iter().filter(|op| matches!(op, Op::Write { .. })).count();
    assert!(syncs >= 3, "the log was taken into the file too seldom: {syncs} syncs");
    let (stride, seed) = (number("CUTWATER_STRIDE", 47) as usize, number("CUTWATER_SEED", 0x5eed));
    let counts = cut(&written, stride, seed).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{writes} writes, {syncs} syncs of the file; {counts}");
}

/// The test above, tested: a log that is never synced, an answer before the sync, an event that had to be durable and was
/// appended as one that need not be (as a mark that is not synced): each is found out.
#[test]
fn a_sync_that_is_left_out_or_comes_late_turns_the_power_cuts_red() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let whole = written(12);
    let with = |ops: Vec<Op>| Written {
        ops,
        run: whole.run.clone(),
        all: whole.all.clone(),
        ends: whole.ends.clone(),
    };
    cut(&with(whole.ops.clone()), 1, 1).unwrap_or_else(|wrong| panic!("as it is: {wrong}"));

    let unsynced = whole.ops.iter().filter(|op| !matches!(op, Op::Sync { file: Kind::Log })).cloned();
    let mut early = whole.ops.clone();
    for n in 1..early.len() {
        if matches!((&early[n - 1], &early[n]), (Op::Sync { file: Kind::Log }, Op::Told { .. })) {
            early.swap(n - 1, n);
        }
    }
    let unmarked = whole.ops.iter().map(|op| match op {
        Op::Told { events, .. } => Op::Told { events: *events, durable: true },
        op => op.clone(),
    });
    for (sabotage, ops) in
        [("no sync", unsynced.collect()), ("a late sync", early), ("not durable", unmarked.collect())]
    {
        let wrong = cut(&with(ops), 1, 1).expect_err(sabotage);
        println!("{sabotage}: {wrong}");
        assert!(wrong.contains("that were acknowledged"), "{sabotage}: {wrong}");
    }
}
