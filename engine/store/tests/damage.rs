//! The journal's files with a byte flipped, or cut short: what is read back is what was written, or an error names what
//! is not. `CUTWATER_STRIDE` sets how many bytes are left out between two that are flipped (1: every byte).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::{created_with, place, said};
use cutwater_core::event::{Event, Outcome, Record};
use cutwater_core::names::{RunId, Seq};
use cutwater_driver::ports::{Journal, JournalError};
use cutwater_store::{Lock, Store, Summary};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const PAGE: usize = 4096;

/// What was written, and what the disk was known to have of it.
struct Truth {
    runs: Vec<RunId>,
    records: BTreeMap<RunId, Vec<Record>>,
    acknowledged: BTreeMap<RunId, usize>,
    list: Vec<Summary>,
    locks: Vec<Lock>,
}

/// Three runs, one of them over, with short events and some that fill pages.
fn written(store: &Store) -> Truth {
    let runs: Vec<RunId> = ["first", "second", "third"].map(RunId::new).into();
    let mut last = BTreeMap::new();
    for run in &runs {
        let lock = format!("vg00/{run}");
        last.insert(run.clone(), store.begin(run, &[lock], 5, &[created_with(run, 3)]).unwrap());
    }
    for n in 0..90 {
        let run = &runs[n % 3];
        let text = format!("{run} says {n} {}", "word ".repeat(if n % 20 == 7 { 1800 } else { n }));
        let next = store.append(run, last[run], n as i64, &[said(&text)], true).unwrap();
        last.insert(run.clone(), next);
    }
    let end = Event::Ended { outcome: Outcome::Done, because: "all done".into() };
    store.append(&runs[2], last[&runs[2]], 99, &[end], true).unwrap();
    let records: BTreeMap<_, _> =
        runs.iter().map(|run| (run.clone(), store.read(run, Seq(0)).unwrap())).collect();
    Truth {
        acknowledged: records.iter().map(|(run, records)| (run.clone(), records.len())).collect(),
        records,
        list: store.history().unwrap(),
        locks: store.locks().unwrap(),
        runs,
    }
}

/// How often it ended how.
#[derive(Debug, Default)]
struct Counts {
    flips: usize,
    all_right: usize,
    file_named: usize,
    run_named: usize,
    list_named: usize,
}

/// What a look at a damaged journal came to: the runs that could not be read. A panic is a wrong history.
fn look(path: &Path, truth: &Truth, at: &str, counts: &mut Counts) -> BTreeSet<RunId> {
    counts.flips += 1;
    let mut hurt: BTreeSet<RunId> = BTreeSet::new();
    let store = match Store::open_to_read(path) {
        Ok(store) => store.unwrap_or_else(|| panic!("{at}: it is taken for empty")),
        Err(error) => {
            named(path, &error, at);
            counts.file_named += 1;
            return truth.runs.iter().cloned().collect();
        }
    };
    let mut right = true;
    for run in &truth.runs {
        let whole = &truth.records[run];
        match store.read(run, Seq(0)) {
            Ok(records) => {
                assert!(records.len() >= truth.acknowledged[run], "{at}: {run} lost its end in silence");
                assert!(
                    records[..] == whole[..records.len().min(whole.len())],
                    "{at}: {run} is not what it was"
                );
            }
            Err(JournalError::Damaged { run: named, .. }) if named == *run => {
                hurt.insert(run.clone());
                counts.run_named += 1;
            }
            Err(error) => {
                named(path, &error, at);
                hurt.insert(run.clone());
                counts.file_named += 1;
            }
        }
    }
    match store.history() {
        Ok(list) => {
            for expected in &truth.list {
                let found = list.iter().find(|summary| summary.run == expected.run);
                let is_right = found == Some(expected);
                let damaged = list.iter().any(|summary| summary.damage.is_some());
                assert!(is_right || damaged, "{at}: {} is listed as {found:?}", expected.run);
                right &= is_right;
                counts.list_named += usize::from(!is_right);
            }
        }
        Err(error) => {
            named(path, &error, at);
            right = false;
            counts.list_named += 1;
        }
    }
    match store.locks() {
        Ok(locks) => assert_eq!(locks, truth.locks, "{at}: locks"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            right = false;
        }
    }
    counts.all_right += usize::from(right && hurt.is_empty());
    hurt
}

/// An error that is not a run's own names the file, or says that somebody else's or a newer program's it is.
fn named(path: &Path, error: &JournalError, at: &str) {
    let JournalError::Storage(cause) = error else { panic!("{at}: {error}") };
    let causes = std::iter::successors(Some(&**cause as &dyn std::error::Error), |e| e.source());
    let text = causes.map(|e| e.to_string()).collect::<Vec<_>>().join(": ");
    assert!(text.contains(path.to_str().unwrap()) || text.contains("lock `"), "{at}: {text}");
}

fn stride(usual: usize) -> usize {
    std::env::var("CUTWATER_STRIDE").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// In memory where that can be: each flip opens the file anew.
fn quick() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Sabotage: the checksum of a run's row not compared; the one of an event; the one of a lock; a row that only the index
/// knows left out of the list.
#[test]
fn a_flipped_byte_anywhere_in_the_file_never_changes_a_history_in_silence() {
    let (_folder, path) = place();
    let store = Store::open(&path).unwrap();
    let truth = written(&store);
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let of_events = pages_of_events(&path);
    let (folder, mut counts, mut alone) = (quick(), Counts::default(), 0);
    let flipped = folder.path().join("journal.db");
    let sampled = (0..whole.len()).step_by(stride(37)).map(|at| (at, at / 3 % 8));
    // What a page is, and how much is on it: every bit.
    let heads = (0..whole.len()).filter(|at| at % PAGE < 8).flat_map(|at| (0..8).map(move |bit| (at, bit)));
    for (at, bit) in sampled.chain(heads) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        std::fs::write(&flipped, bytes).unwrap();
        let hurt = look(&flipped, &truth, &format!("byte {at}"), &mut counts);
        // The runs lie one after the other, so that a page has events of two of them at most.
        if of_events.contains(&(at / PAGE + 1)) {
            assert!(hurt.len() <= 2, "byte {at} of a page of events hurts {hurt:?}");
            alone += usize::from(hurt.len() == 1);
        }
    }
    println!(
        "{} bytes, {} pages of events: {counts:?}; {alone} flips hurt one run alone",
        whole.len(),
        of_events.len()
    );
    assert!(counts.run_named > 0 && counts.file_named > 0 && counts.list_named > 0 && alone > 0);
}

fn pages_of_events(path: &Path) -> BTreeSet<usize> {
    let file = rusqlite::Connection::open(path).unwrap();
    let mut pages = file
        .prepare("select pageno from dbstat where name = 'events' and pagetype in ('leaf', 'overflow')")
        .unwrap();
    pages.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(|page| page.unwrap() as usize).collect()
}

/// As a crash leaves it: a file, a log that nobody took into it, no index.
fn crashed(path: &Path, folder: &Path) -> (PathBuf, Vec<u8>) {
    let copy = folder.join("journal.db");
    std::fs::copy(path, &copy).unwrap();
    let (from, to) = (path.with_extension("db-reserve"), copy.with_extension("db-reserve"));
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let start = &std::fs::read(entry.path()).unwrap()[..PAGE];
        std::fs::write(to.join(entry.file_name()), start).unwrap();
    }
    (copy, std::fs::read(path.with_extension("db-wal")).unwrap())
}

/// Sabotage: `Reserves::note` left out, or what it says not looked at by `read::events` or the list.
#[test]
fn a_flipped_byte_anywhere_in_the_write_ahead_log_never_loses_the_end_in_silence() {
    let (_folder, path) = place();
    let store = Store::open(&path).unwrap();
    let truth = written(&store);
    let (folder, mut counts) = (quick(), Counts::default());
    let (copy, log) = crashed(&path, folder.path());
    for at in (0..log.len()).step_by(stride(997)) {
        let mut bytes = log.clone();
        bytes[at] ^= 1 << (at / 3 % 8);
        std::fs::write(copy.with_extension("db-wal"), bytes).unwrap();
        let _index = std::fs::remove_file(copy.with_extension("db-shm"));
        look(&copy, &truth, &format!("byte {at} of the log"), &mut counts);
    }
    println!("{} bytes of log: {counts:?}", log.len());
    assert!(counts.run_named > 0 && counts.list_named > 0);
}

/// Sabotage: the log synced after the answer (`synchronous = normal` for everybody) shows in `power.rs`; here, that a cut log
/// is opened at all, with a prefix of what was written, and that what is missing is named.
#[test]
fn a_log_cut_short_at_any_length_leaves_the_events_before_the_cut() {
    let (_folder, path) = place();
    let store = Store::open(&path).unwrap();
    let truth = written(&store);
    let (folder, mut cuts, mut longest) = (quick(), 0, 0);
    let (copy, log) = crashed(&path, folder.path());
    let reserves = copy.with_extension("db-reserve");
    let mut before = 0;
    for length in (0..log.len()).step_by(stride(997)).chain([log.len()]) {
        std::fs::write(copy.with_extension("db-wal"), &log[..length]).unwrap();
        let _index = std::fs::remove_file(copy.with_extension("db-shm"));
        let mut counts = Counts::default();
        look(&copy, &truth, &format!("cut at {length}"), &mut counts);

        // Without the note of what was there, what is left is a beginning of what was written, and grows with the log.
        std::fs::rename(&reserves, copy.with_extension("away")).unwrap();
        let read = Store::open_to_read(&copy).ok().flatten().map_or(0, |store| {
            let prefix = |run: &RunId| match store.read(run, Seq(0)) {
                Ok(records) => {
                    assert_eq!(records[..], truth.records[run][..records.len()], "cut at {length}");
                    records.len()
                }
                Err(JournalError::NoRun(_)) => 0,
                Err(error) => panic!("cut at {length}: {error}"),
            };
            truth.runs.iter().map(prefix).sum()
        });
        std::fs::rename(copy.with_extension("away"), &reserves).unwrap();
        assert!(read >= before, "cut at {length}: {read} events, and {before} from a shorter log");
        (before, cuts, longest) = (read, cuts + 1, longest.max(read));
    }
    assert_eq!(longest, truth.records.values().map(Vec::len).sum::<usize>());
    println!("{cuts} lengths of a log of {} bytes: {longest} events at most", log.len());
}

/// Sabotage: the row's checksum not compared in `head::find` by `append`.
#[test]
fn nothing_is_appended_to_a_run_whose_row_is_damaged_and_others_go_on() {
    let (_folder, path) = place();
    let (hit, whole) = (RunId::new("hit"), RunId::new("whole"));
    let store = Store::open(&path).unwrap();
    for run in [&hit, &whole] {
        store.append(run, Seq(0), 0, &[common::created(run)], true).unwrap();
    }
    drop(store);
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("update runs set outcome = 'done', because = 'x' where id = 'hit'", []).unwrap();
    drop(file);
    let store = Store::open(&path).unwrap();
    let error = store.append(&hit, Seq(1), 0, &[said("no")], true).unwrap_err();
    assert!(matches!(&error, JournalError::Damaged { run, .. } if *run == hit), "{error}");
    store.append(&whole, Seq(1), 0, &[said("on")], true).unwrap();
    let damaged: Vec<_> = store.unfinished().unwrap().into_iter().filter(|s| s.damage.is_some()).collect();
    assert_eq!(damaged.iter().map(|summary| &summary.run).collect::<Vec<_>>(), [&hit]);
}

/// Sabotage: order by `at` instead of by place.
#[test]
fn a_clock_that_jumps_both_ways_changes_no_order() {
    let (_folder, path) = place();
    let run = RunId::new("a");
    let store = Store::open(&path).unwrap();
    let mut last = store.append(&run, Seq(0), 1_000_000, &[common::created(&run)], true).unwrap();
    let times = [5, i64::MAX, -7, 1_000_000, 0, i64::MIN, 3];
    for (n, at) in times.into_iter().enumerate() {
        last = store.append(&run, last, at, &[said(&n.to_string())], true).unwrap();
    }
    drop(store);
    let records = Store::open(&path).unwrap().read(&run, Seq(1)).unwrap();
    assert_eq!(records.iter().map(|record| record.at).collect::<Vec<_>>(), times);
    let texts: Vec<_> = records.into_iter().map(|record| record.event).collect();
    assert_eq!(texts, (0..times.len()).map(|n| said(&n.to_string())).collect::<Vec<_>>());
}
