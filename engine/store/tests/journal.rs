//! The journal on a real disk: owners that race, processes that die, bytes that flip. It must not reach into tables
//! but to make a file of another version.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::{created, place, said};
use cutwater_core::event::{EVENT_FORMAT, Event, Outcome};
use cutwater_core::names::{Epoch, RunId, Seq};
use cutwater_driver::ports::{Journal, JournalError};
use cutwater_store::{FORMAT, Store};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn what_was_appended_is_read_back_in_order() {
    let (_folder, path) = place();
    let run = RunId::new("a");
    let store = Store::open(&path).unwrap();
    let last = store.append(&run, Seq(0), 5, &[created(&run), said("one")], true).unwrap();
    assert_eq!(last, Seq(2));
    assert_eq!(store.append(&run, last, 6, &[said("two")], false).unwrap(), Seq(3));
    drop(store);
    let records = Store::open(&path).unwrap().read(&run, Seq(0)).unwrap();
    assert_eq!(records.iter().map(|r| (r.seq.0, r.at)).collect::<Vec<_>>(), [(1, 5), (2, 5), (3, 6)]);
    assert_eq!(records[2].event, said("two"));
    let later = Store::open_to_read(&path).unwrap().unwrap().read(&run, Seq(2)).unwrap();
    assert_eq!(later, records[2..]);
}

#[test]
fn the_file_and_its_folders_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = place();
    let _store = Store::open(&path).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_file_name("journal.db-wal")), 0o600);
    assert_eq!(mode(&folder.path().join("lib")), 0o700);
}

#[test]
fn of_two_owners_that_append_at_the_same_place_one_loses() {
    let (_folder, path) = place();
    let run = RunId::new("a");
    Store::open(&path).unwrap().append(&run, Seq(0), 0, &[created(&run)], true).unwrap();
    for round in 1..40 {
        let results: Vec<_> = std::thread::scope(|scope| {
            let owners: Vec<_> = (0..2)
                .map(|owner| {
                    let (path, run) = (&path, &run);
                    scope.spawn(move || {
                        let store = Store::open(path).unwrap();
                        store.append(run, Seq(round), 0, &[said(&format!("{round} by {owner}"))], owner == 0)
                    })
                })
                .collect();
            owners.into_iter().map(|owner| owner.join().unwrap()).collect()
        });
        let won = results.iter().filter(|result| matches!(result, Ok(seq) if *seq == Seq(round + 1))).count();
        let lost = results.iter().filter(|result| {
            matches!(result, Err(JournalError::Lost { expected, found }) if *expected == round && *found == round + 1)
        });
        assert_eq!((won, lost.count()), (1, 1), "{results:?}");
    }
}

#[test]
fn many_threads_of_many_runs_share_commits_and_keep_their_order() {
    let (_folder, path) = place();
    let store = Store::open(&path).unwrap();
    std::thread::scope(|scope| {
        for owner in 0..16 {
            let store = &store;
            scope.spawn(move || {
                let run = RunId::new(format!("run-{owner}"));
                let mut last = store.append(&run, Seq(0), 0, &[created(&run)], true).unwrap();
                for n in 0..50 {
                    last = store.append(&run, last, n, &[said(&n.to_string())], n % 5 == 0).unwrap();
                }
            });
        }
    });
    for owner in 0..16 {
        let records = store.read(&RunId::new(format!("run-{owner}")), Seq(1)).unwrap();
        let texts: Vec<_> = records.into_iter().map(|record| record.event).collect();
        assert_eq!(texts, (0..50).map(|n| said(&n.to_string())).collect::<Vec<_>>());
    }
}

/// Not a test of its own: the process that other tests start, and some kill.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Ok(path) = std::env::var("CUTWATER_TEST_JOURNAL") else { return };
    let run = RunId::new(std::env::var("CUTWATER_TEST_RUN").unwrap());
    let many = std::env::var("CUTWATER_TEST_EVENTS").map_or(u64::MAX, |text| text.parse().unwrap());
    let store = Store::open(Path::new(&path)).unwrap();
    let mut last = store.begin(&run, &[run.to_string()], 0, &[created(&run)]).unwrap();
    while last.0 < many {
        last = store
            .append(&run, last, 0, &[said(&format!("{}", last.0 + 1))], last.0.is_multiple_of(3))
            .unwrap();
        println!("acknowledged {}", last.0);
    }
}

fn child(path: &Path, run: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child_that_appends_until_it_is_killed", "--nocapture"]);
    child.env("CUTWATER_TEST_JOURNAL", path).env("CUTWATER_TEST_RUN", run).stdout(Stdio::piped());
    child
}

/// Sabotage: an append that expects a place of the file instead of its run's.
#[test]
fn two_processes_with_a_run_each_share_the_file() {
    let (_folder, path) = place();
    drop(Store::open(&path).unwrap());
    let start = |run| child(&path, run).env("CUTWATER_TEST_EVENTS", "300").spawn().unwrap();
    for child in [start("a"), start("b")] {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let store = Store::open(&path).unwrap();
    for run in ["a", "b"].map(RunId::new) {
        let records = store.read(&run, Seq(1)).unwrap();
        assert_eq!(records.len(), 299);
        assert!(records.iter().all(|record| record.event == said(&record.seq.0.to_string())));
    }
    assert_eq!(store.locks().unwrap().len(), 2);
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    let (_folder, path) = place();
    let mut child = child(&path, "a").spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("acknowledged 500") {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "the child ended by itself");
    }
    child.kill().unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    child.wait().unwrap();
    let acknowledged = rest
        .lines()
        .filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok())
        .max()
        .unwrap_or(500u64);

    let store = Store::open(&path).unwrap();
    let run = RunId::new("a");
    let records = store.read(&run, Seq(0)).unwrap();
    assert!(records.len() as u64 >= acknowledged, "{} of {acknowledged}", records.len());
    assert!(records[1..].iter().all(|record| record.event == said(&record.seq.0.to_string())));
    store.append(&run, Seq(records.len() as u64), 0, &[said("on")], true).unwrap();
}

#[test]
fn a_newer_file_is_read_and_never_written() {
    let (_folder, path) = place();
    let run = RunId::new("a");
    Store::open(&path).unwrap().append(&run, Seq(0), 0, &[created(&run)], true).unwrap();
    let file = rusqlite::Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", FORMAT + 1).unwrap();
    file.execute("update about set said = 'Cutwater 7.1.0' where what = 'writer'", []).unwrap();
    drop(file);
    let before = std::fs::read(&path).unwrap();

    let store = Store::open(&path).unwrap();
    assert_eq!(store.read(&run, Seq(0)).unwrap().len(), 1);
    let error = store.append(&run, Seq(1), 0, &[said("no")], true).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the journal was written by Cutwater 7.1.0 (format {}, this one writes {FORMAT})",
            FORMAT + 1
        )
    );
    assert!(matches!(store.lock(&run, &["vg00/dat".into()]), Err(JournalError::Newer { .. })));
    drop(store);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_run_of_a_newer_event_format_is_not_appended_to() {
    let (_folder, path) = place();
    let run = RunId::new("a");
    let store = Store::open(&path).unwrap();
    let Event::Created { run: id, plan, by, faults, .. } = created(&run) else { unreachable!() };
    let newer = Event::Created { format: EVENT_FORMAT + 1, run: id, plan, by, faults };
    store.append(&run, Seq(0), 0, &[newer], true).unwrap();
    let error = store.append(&run, Seq(1), 0, &[said("no")], true).unwrap_err();
    assert!(matches!(error, JournalError::Newer { .. }), "{error}");
}

#[test]
fn a_flipped_byte_is_named_and_other_runs_are_whole() {
    let (_folder, path) = place();
    let (hit, whole) = (RunId::new("hit"), RunId::new("whole"));
    let store = Store::open(&path).unwrap();
    for run in [&hit, &whole] {
        let text = format!("the words of {run}");
        store.append(run, Seq(0), 0, &[created(run), said(&text), said("more")], true).unwrap();
    }
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let needle = b"the words of hit";
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    bytes[at] ^= 0x20;
    std::fs::write(&path, bytes).unwrap();

    let store = Store::open(&path).unwrap();
    let error = store.read(&hit, Seq(0)).unwrap_err();
    assert!(matches!(&error, JournalError::Damaged { run, at: 2, .. } if *run == hit), "{error}");
    assert_eq!(store.read(&whole, Seq(0)).unwrap().len(), 3);
    store.append(&whole, Seq(3), 0, &[said("on")], true).unwrap();
}

#[test]
fn a_missing_event_is_named_wherever_it_was() {
    for (gone, named) in [(2, 2), (3, 3)] {
        let (_folder, path) = place();
        let run = RunId::new("a");
        Store::open(&path)
            .unwrap()
            .append(&run, Seq(0), 0, &[created(&run), said("b"), said("c")], true)
            .unwrap();
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute("delete from events where id & 0xffffffff = ?", [gone]).unwrap();
        let error = Store::open(&path).unwrap().read(&run, Seq(0)).unwrap_err();
        assert!(matches!(&error, JournalError::Damaged { at, .. } if *at == named), "{error}");
    }
}

/// Root may write a read-only file; this thread, and the writer that it starts, give that power up.
#[test]
fn a_file_that_cannot_be_written_says_so_with_its_cause() {
    let (_folder, path) = place();
    let run = RunId::new("a");
    Store::open(&path).unwrap().append(&run, Seq(0), 0, &[created(&run)], true).unwrap();
    let mut mode = std::fs::metadata(&path).unwrap().permissions();
    mode.set_readonly(true);
    std::fs::set_permissions(&path, mode).unwrap();
    let error = std::thread::spawn(move || {
        use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, none).unwrap();
        Store::open(&path).map(drop).unwrap_err()
    });
    let error = error.join().unwrap();
    let JournalError::Storage(cause) = error else { panic!("{error}") };
    let chain: Vec<String> = std::iter::successors(Some(&*cause as &dyn std::error::Error), |e| e.source())
        .map(|e| e.to_string())
        .collect();
    assert!(chain.join(": ").contains("ermission denied"), "{chain:?}");
    assert!(chain.join(": ").contains("cannot be written; give it back"), "{chain:?}");
}

#[test]
fn another_programs_database_and_a_folder_are_left_alone() {
    let (folder, _) = place();
    let foreign = folder.path().join("other.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("create table t (a)").unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert!(matches!(Store::open(&foreign), Err(JournalError::Storage(_))));
    assert_eq!(std::fs::read(&foreign).unwrap(), before);
    assert!(matches!(Store::open(folder.path()), Err(JournalError::Storage(_))));
}

#[test]
fn a_lock_names_its_holder_and_is_all_or_nothing() {
    let (_folder, path) = place();
    let store = Store::open(&path).unwrap();
    let (first, second) = (RunId::new("first"), RunId::new("second"));
    for run in [&first, &second] {
        store.append(run, Seq(0), 0, &[created(run)], true).unwrap();
    }
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    store.lock(&first, &names(&["vg00/dat"])).unwrap();
    store.lock(&first, &names(&["vg00/dat"])).unwrap();
    let error = store.lock(&second, &names(&["vg01/new", "vg00/dat"])).unwrap_err();
    assert!(
        matches!(&error, JournalError::Locked { name, holder } if name == "vg00/dat" && *holder == first)
    );
    assert_eq!(store.locks().unwrap().len(), 1);

    drop(store);
    let store = Store::open(&path).unwrap();
    assert!(store.lock(&second, &names(&["vg00/dat"])).is_err(), "a crash gave the lock away");
    store.unlock(&first).unwrap();
    store.lock(&second, &names(&["vg01/new", "vg00/dat"])).unwrap();
}

#[test]
fn a_run_begins_with_its_locks_or_not_at_all() {
    let (_folder, path) = place();
    let store = Store::open(&path).unwrap();
    let (first, second) = (RunId::new("first"), RunId::new("second"));
    let lock = ["vg00/dat".to_owned()];
    assert_eq!(store.begin(&first, &lock, 0, &[created(&first)]).unwrap(), Seq(1));
    let error = store.begin(&second, &lock, 0, &[created(&second)]).unwrap_err();
    assert!(matches!(&error, JournalError::Locked { holder, .. } if *holder == first));
    assert_eq!(store.runs().unwrap(), [first]);
    assert!(matches!(store.read(&second, Seq(0)), Err(JournalError::NoRun(_))));
}

#[test]
fn a_lock_of_a_run_that_ended_is_free_and_of_one_that_stopped_is_not() {
    let (_folder, path) = place();
    let store = Store::open(&path).unwrap();
    let lock = ["vg00/dat".to_owned()];
    for (outcome, free) in [(Outcome::Undone, true), (Outcome::Stopped, false)] {
        let old = RunId::new(format!("old-{outcome:?}"));
        let new = RunId::new(format!("new-{outcome:?}"));
        for run in [&old, &new] {
            store.append(run, Seq(0), 0, &[created(run)], true).unwrap();
        }
        store.lock(&old, &lock).unwrap();
        store.append(&old, Seq(1), 0, &[Event::Ended { outcome, because: "x".into() }], true).unwrap();
        assert_eq!(store.lock(&new, &lock).is_ok(), free);
        store.unlock(&old).unwrap();
        store.unlock(&new).unwrap();
    }
}

#[test]
fn the_list_of_runs_tells_owner_and_outcome() {
    let (_folder, path) = place();
    let store = Store::open(&path).unwrap();
    let run = RunId::new("a");
    let owned = Event::Owned { epoch: Epoch(2), pid: 77, boot: "boot".into(), by: "root".into() };
    store.append(&run, Seq(0), 10, &[created(&run), owned], true).unwrap();
    let list = store.unfinished().unwrap();
    assert_eq!((list[0].name.as_str(), list[0].plan.as_str(), list[0].started), ("move-volume", "abc", 10));
    let owner = list[0].owner.clone().unwrap();
    assert_eq!((owner.pid, owner.epoch), (77, Epoch(2)));
    store
        .append(
            &run,
            Seq(2),
            20,
            &[Event::Ended { outcome: Outcome::Done, because: "all done".into() }],
            true,
        )
        .unwrap();
    assert_eq!(store.unfinished().unwrap(), []);
    let list = store.history().unwrap();
    assert_eq!(list[0].ended, Some((Outcome::Done, "all done".into())));
    assert_eq!((list[0].changed, list[0].last), (20, Seq(3)));
}
