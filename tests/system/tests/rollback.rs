//! A service's volumes rolled back in the lab, and a snapshot that is not whole any more. Each test names the sabotage that
//! turns it red.

#![expect(clippy::unwrap_used, reason = "a test")]

use cutwater_lab::{Image, Lab, Outcome, built_program, scratch};
use cutwater_system::compiled_plugins;
use std::path::Path;
use std::time::Duration;

const AT_MOST: Duration = Duration::from_secs(5 * 60);

fn run(name: &str, job: &str) -> (Outcome, tempfile::TempDir) {
    let folder = scratch(name).unwrap();
    let programs = built_program("cutwater").unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lab = Lab::new(folder.path())
        .unwrap()
        .image(&Image::named("postgres").unwrap())
        .unwrap()
        .mount(programs.parent().unwrap(), "/run/bin")
        .mount(here.join("../../workflows"), "/run/workflows")
        .mount(here.join("job"), "/run/jobs")
        .mount(compiled_plugins().unwrap(), "/run/compiled");
    let begin = ". /run/jobs/machine.sh; . /run/jobs/rollback.sh; install_cutwater; make_app || exit 90\n";
    let outcome = lab.run(&format!("{begin}{job}"), AT_MOST).unwrap();
    assert_eq!(outcome.status, 0, "{}", outcome.log());
    (outcome, folder)
}

fn read(outcome: &Outcome, name: &str) -> String {
    outcome.read(name).unwrap_or_else(|_| format!("no {name}")).trim().to_owned()
}

/// The service runs on its two volumes, which are plain again, and nothing of the run is left.
#[track_caller]
fn as_usual(outcome: &Outcome, case: &str) {
    let read = |name: &str| read(outcome, &format!("{case}/{name}"));
    let mounted = "/dev/mapper/vg00-data /srv/app/data\n/dev/mapper/vg00-logs /srv/app/logs";
    assert_eq!(
        (read("mounted").as_str(), read("running").as_str(), read("left").as_str()),
        (mounted, "yes", "")
    );
    assert_eq!(read("tables"), "vg00-data: 0 131072 linear\nvg00-logs: 0 131072 linear");
    assert_ne!(read("before"), read("harmed"), "no harm was done");
}

#[track_caller]
fn rolled_back(case: &str, job: &str) {
    let (outcome, _folder) = run(case, job);
    let read = |name: &str| read(&outcome, &format!("{case}/{name}"));
    assert_eq!(read("exit"), "0", "{}\n{}", read("err"), outcome.log());
    as_usual(&outcome, case);
    assert_eq!(read("after"), read("before"), "not what it was");
}

/// Sabotage: a merge that is taken for done when it is only begun or scheduled; the volumes not mounted anew.
#[test]
fn two_volumes_are_rolled_back_to_what_they_held() {
    rolled_back("whole", "roll_back whole 8");
}

/// Sabotage: a merge that does not know its own tag; a guard that does not go forward behind the mark.
#[test]
fn the_guard_of_an_engine_killed_at_the_first_merge_rolls_both_volumes_back() {
    rolled_back("killed", "allow_faults; roll_back killed 8 --fault killed-after@intended:first");
}

/// Sabotage: the watch left out; without it, the gate (the first volume is rolled back, and the second one never).
#[test]
fn a_snapshot_that_overflows_ends_it_with_everything_as_before_by_the_watch_and_by_the_gate_without_it() {
    let job = "small='--input lasting=10s --input more=10TiB'
        roll_back watched 48 $small
        sed '/^  watch:/,/^$/d; /^  more:/d; s/, lvextend//' $workflow >/run/unwatched.yaml
        workflow=/run/unwatched.yaml
        roll_back gated 48 --input lasting=10s";
    let (outcome, _folder) = run("overflowed", job);
    for (case, by) in [("watched", "watch"), ("gated", "whole")] {
        let read = |name: &str| read(&outcome, &format!("{case}/{name}"));
        assert_eq!(read("exit"), "4", "{case}: {}\n{}", read("err"), outcome.log());
        as_usual(&outcome, case);
        assert_eq!(read("after"), read("harmed"), "{case}: something was rolled back");
        let refused = read("events.jsonl").lines().any(|line| {
            line.contains("\"answered\"")
                && line.contains("snapshot-overflow")
                && line.contains(&format!("\"step\":\"{by}"))
        });
        assert!(refused, "{case}: not by `{by}`\n{}", read("err"));
    }
}
