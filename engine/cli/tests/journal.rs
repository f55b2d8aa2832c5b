//! The journal in trouble, as a person sees it: a full disk, a read-only one, a newer version, damage. Needs root, to mount
//! a small file system.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::Place;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A machine whose journal has a file system of its own.
struct Machine {
    place: Place,
}

impl Machine {
    fn new() -> Self {
        let place = Place::new();
        let here = place.path("").display().to_string();
        let policy = format!(
            "cutwater-policy: 1
holds-without-scope: true
roles: {{ dba: ['group:dba'] }}
services:
  one: {{ start: [touch, {here}one], stop: [rm, -f, {here}one], status: [test, -e, {here}one], fence-file: {here}fence-one }}
  two: {{ start: [touch, {here}two], stop: [rm, -f, {here}two], status: [test, -e, {here}two], fence-file: {here}fence-two }}
"
        );
        std::fs::create_dir_all(place.path("root/etc/cutwater")).unwrap();
        let file = place.file("root/etc/cutwater/policy.yaml", policy);
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
        for name in ["one", "two"] {
            place.file(name, "");
            place.file(
                &format!("{name}.yaml"),
                format!(
                    "cutwater: 1
name: {name}
grants: {{ service: {{ units: [{name}] }} }}
steps:
  fence: {{ uses: service.fence, with: {{ unit: {name} }} }}
  agree: {{ approve: Go on?, by: [dba], needs: [fence] }}
  down:
    outage: {{ limit: 20s }}
    needs: [agree]
    steps:
      stop: {{ uses: service.stop, with: {{ unit: {name} }} }}
      start: {{ uses: service.start, with: {{ unit: {name} }}, point-of-no-return: true }}
  lift: {{ uses: service.unfence, needs: [down], with: {{ unit: {name} }} }}
"
                ),
            );
        }
        let machine = Self { place };
        let state = machine.state();
        let cache = std::fs::read_link(state.join("cache")).unwrap();
        mount(&["-t", "tmpfs", "-o", "size=32m", "tmpfs", state.to_str().unwrap()]);
        std::os::unix::fs::symlink(cache, state.join("cache")).unwrap();
        machine
    }

    fn state(&self) -> PathBuf {
        self.place.path("root/var/lib/cutwater")
    }

    fn journal(&self) -> PathBuf {
        self.state().join("journal.db")
    }

    fn remount(&self, how: &str) {
        mount(&["-o", &format!("remount,{how}"), self.state().to_str().unwrap()]);
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.state().join("filler")).unwrap();
        for piece in [1 << 20, 4096] {
            while file.write_all(&vec![0x5a; piece]).is_ok() {}
        }
    }

    /// A run that waits for a yes and has no owner.
    fn waiting(&self, name: &str) -> String {
        let said = self.place.cutwater(&["run", &format!("{name}.yaml"), "--no-wait"]);
        assert_eq!(said.code, 7, "{said:?}");
        let runs: Value = serde_json::from_str(&self.place.cutwater(&["--json", "runs"]).out).unwrap();
        let newest = runs.as_array().unwrap().last().unwrap();
        assert_eq!(newest["name"], name);
        newest["run"].as_str().unwrap().to_owned()
    }

    /// Changes a byte of the journal, which nobody has open, wherever these words stand: pages keep what they no longer use.
    fn flip(&self, words: &str, at: usize) {
        let mut bytes = std::fs::read(self.journal()).unwrap();
        let found = |from: usize, bytes: &[u8]| {
            bytes[from..].windows(words.len()).position(|window| window == words.as_bytes())
        };
        let mut from = 0;
        while let Some(place) = found(from, &bytes) {
            bytes[from + place + at] ^= 1;
            from += place + words.len();
        }
        assert!(from > 0, "`{words}` stands nowhere");
        std::fs::write(self.journal(), bytes).unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.state()).stderr(Stdio::null()).status();
    }
}

fn mount(args: &[&str]) {
    assert!(Command::new("mount").args(args).status().unwrap().success(), "mount {args:?}");
}

/// Sabotage: `is_full` not asked by the loop (the run would go on and cross the mark); `give_back` left out (exit 5).
#[test]
fn a_run_whose_disk_fills_up_is_undone_and_a_new_one_is_told_how_much_it_needs_and_where() {
    let machine = Machine::new();
    let place = &machine.place;
    let mut child =
        place.command(&["run", "one.yaml"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("To say yes:") {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0);
    }
    assert!(place.path("fence-one").exists());
    machine.fill();
    let run: Value = serde_json::from_str(&place.cutwater(&["--json", "runs"]).out).unwrap();
    let run = run[0]["run"].as_str().unwrap();
    let refused = place.cutwater(&["run", "two.yaml", "--no-wait"]);
    assert_eq!(refused.code, 9, "{refused:?}");
    assert!(
        refused.err.contains("error: the journal cannot be used: a new run needs 9.")
            && refused.err.contains(" MiB are free"),
        "{refused:?}"
    );
    assert!(refused.err.contains("root/var/lib/cutwater"), "{refused:?}");

    let approved = place.cutwater(&["approve", run]);
    assert_eq!(approved.code, 0, "{approved:?}");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code().unwrap(), 4, "{rest}");
    assert!(rest.contains("the journal's file system is full"), "{rest}");
    assert!(!place.path("fence-one").exists(), "{rest}");
    let shown = place.cutwater(&["show", run]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(place.cutwater(&["runs"]).out.contains("the journal's file system is full"));
}

/// Sabotage: an owner that goes on after `Lost`, or that takes it for a full disk (exit 5).
#[test]
fn of_two_owners_the_first_loses_its_run_and_leaves_with_6() {
    let machine = Machine::new();
    let place = &machine.place;
    let mut first =
        place.command(&["run", "one.yaml"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(first.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("To say yes:") {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0);
    }
    let runs: Value = serde_json::from_str(&place.cutwater(&["--json", "runs"]).out).unwrap();
    let run = runs[0]["run"].as_str().unwrap();
    let second = place.cutwater(&["resume", run, "--take-over", "--no-wait"]);
    assert_eq!(second.code, 7, "{second:?}");
    let mut words = String::new();
    first.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(6), "{words}");
    assert!(words.contains("the run has another owner") && words.contains("this process stops"), "{words}");
}

/// Sabotage: `is_sealed` always false.
#[test]
fn a_read_only_journal_is_shown_and_whoever_would_write_is_told_the_way_out() {
    let machine = Machine::new();
    let run = machine.waiting("one");
    machine.remount("ro");
    let place = &machine.place;
    for (args, words) in [
        (&["runs"][..], run.as_str()),
        (&["show", &run], "Go on?"),
        (&["show", "--events", &run], "To say yes"),
        (&["doctor"], "1 runs are not over, 2 locks are held"),
    ] {
        let said = place.cutwater(args);
        assert!(said.out.contains(words), "{args:?}: {said:?}");
    }
    for args in [&["run", "two.yaml"][..], &["resume", &run], &["resume", "--all"], &["abort", &run]] {
        let said = place.cutwater(args);
        assert_eq!(said.code, 9, "{args:?}: {said:?}");
        assert!(said.err.contains("mount its file system for writing"), "{args:?}: {said:?}");
    }
    machine.remount("rw");
    assert_eq!(place.cutwater(&["abort", &run]).code, 4);
}

/// Sabotage: `Newer` treated as current when a file is opened for writing.
#[test]
fn a_newer_journal_is_shown_and_names_who_wrote_it() {
    let machine = Machine::new();
    let run = machine.waiting("one");
    let mut bytes = std::fs::read(machine.journal()).unwrap();
    // The file's format stands at byte 60 of SQLite's own header.
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    std::fs::write(machine.journal(), &bytes).unwrap();
    let place = &machine.place;
    assert!(place.cutwater(&["runs"]).out.contains(&run));
    assert_eq!(place.cutwater(&["show", &run]).code, 0);
    for args in [&["run", "two.yaml", "--no-wait"][..], &["resume", &run, "--no-wait"], &["abort", &run]] {
        let said = place.cutwater(args);
        assert_eq!(said.code, 9, "{args:?}: {said:?}");
        let words = "was written by Cutwater 0.1.0 (format 99, this one writes 1); use that newer Cutwater";
        assert!(said.err.contains(words), "{args:?}: {said:?}");
    }
    assert_eq!(std::fs::read(machine.journal()).unwrap(), bytes);
}

/// Sabotage: the checksum of an event not compared; `resume --all` stops at the first failure.
#[test]
fn one_damaged_run_is_named_and_stops_no_other() {
    let machine = Machine::new();
    let (hit, whole) = (machine.waiting("one"), machine.waiting("two"));
    let place = &machine.place;
    assert_eq!(place.cutwater(&["approve", &whole]).code, 0);
    machine.flip(&format!("\"run\":\"{hit}\""), 8);

    let said = place.cutwater(&["show", &hit]);
    assert_eq!(said.code, 5, "{said:?}");
    let words =
        format!("run {hit} is damaged at event 1: its checksum does not match; other runs are not affected");
    assert!(said.err.contains(&words), "{said:?}");
    assert_eq!(place.cutwater(&["show", &whole]).code, 0);
    let listed = place.cutwater(&["runs"]);
    assert!(listed.out.contains(&hit) && listed.out.contains(&whole), "{listed:?}");

    let said = place.cutwater(&["resume", "--all"]);
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.err.contains(&format!("run {hit} is damaged at event 1")), "{said:?}");
    let shown: Value = serde_json::from_str(&place.cutwater(&["--json", "show", &whole]).out).unwrap();
    assert_eq!(shown["outcome"], "done", "{said:?}");
}

/// Sabotage: the checksum of a run's row not compared (the run would be listed as taken by somebody else).
#[test]
fn a_damaged_row_of_the_list_is_named_in_it() {
    let machine = Machine::new();
    let (hit, whole) = (machine.waiting("one"), machine.waiting("two"));
    let place = &machine.place;
    let row = format!("{hit}one");
    machine.flip(&row, row.len() - 1);
    let listed = place.cutwater(&["runs"]);
    let words = format!("{hit}  damaged: the checksum of its row in the list of runs does not match");
    assert!(listed.out.contains(&words), "{listed:?}");
    assert!(listed.out.contains(&whole), "{listed:?}");
    let runs: Value = serde_json::from_str(&place.cutwater(&["--json", "runs"]).out).unwrap();
    assert!(runs[0]["damage"].is_string() && runs[1]["damage"].is_null(), "{runs}");
    let said = place.cutwater(&["resume", &hit]);
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.err.contains(&format!("run {hit} is damaged at event 1")), "{said:?}");
}

/// Sabotage: a page that all runs share taken for one run's, or its error passed on without the file's name.
#[test]
fn a_file_that_is_damaged_where_all_runs_share_it_is_named_with_a_way_out() {
    let machine = Machine::new();
    let run = machine.waiting("one");
    machine.flip("SQLite format 3", 0);
    for args in [&["runs"][..], &["show", &run], &["resume", "--all"], &["run", "two.yaml"]] {
        let said = machine.place.cutwater(args);
        assert_eq!(said.code, 9, "{args:?}: {said:?}");
        let words = "root/var/lib/cutwater/journal.db is damaged in a part that all runs share; copy it";
        assert!(said.err.contains(words), "{args:?}: {said:?}");
    }
}
