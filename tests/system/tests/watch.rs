//! The stores of snapshots, watched in the lab while their origin is written. Each test names the sabotage that turns it red.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which tells what it counted")]

use cutwater_lab::{Image, Lab, Outcome, built_program, scratch};
use cutwater_system::compiled_plugins;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const AT_MOST: Duration = Duration::from_secs(10 * 60);
const GAUGE: &str = "minutes until overflow";

fn run(name: &str, job: &str) -> (Outcome, tempfile::TempDir) {
    let folder = scratch(name).unwrap();
    let programs = built_program("cutwater").unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lab = Lab::new(folder.path())
        .unwrap()
        .image(&Image::named("postgres").unwrap())
        .unwrap()
        .mount(programs.parent().unwrap(), "/run/bin")
        .mount(here.join("tests/workflows"), "/run/scratch")
        .mount(here.join("job"), "/run/jobs")
        .mount(compiled_plugins().unwrap(), "/run/compiled");
    let begin = ". /run/jobs/machine.sh; . /run/jobs/watch.sh; install_cutwater; make_origin || exit 90\n";
    let outcome = lab.run(&format!("{begin}{job}\ntrue"), AT_MOST).unwrap();
    assert_eq!(outcome.status, 0, "{}", outcome.log());
    (outcome, folder)
}

/// What one run left.
struct Case<'a> {
    outcome: &'a Outcome,
    name: &'a str,
}

impl Case<'_> {
    fn read(&self, file: &str) -> String {
        let path = format!("{}/{file}", self.name);
        self.outcome.read(&path).unwrap_or_else(|_| format!("no {path}")).trim().to_owned()
    }

    fn events(&self) -> Vec<Value> {
        self.read("events.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The minutes that were shown, in order.
    fn gauge(&self) -> Vec<f64> {
        let shown = |event: &Value| {
            (event["event"] == "gauged" && event["name"] == GAUGE && event["step"] == "eyes")
                .then(|| event["value"].as_f64())
                .flatten()
        };
        let minutes: Vec<f64> = self.events().iter().filter_map(shown).collect();
        println!("{}: {GAUGE}: {minutes:?}", self.name);
        assert!(!minutes.is_empty(), "{}: nothing was shown\n{}", self.name, self.read("err"));
        minutes
    }

    fn extensions(&self) -> usize {
        let extends = |event: &&Value| event["event"] == "used" && event["what"]["program"] == "lvextend";
        self.events().iter().filter(extends).count()
    }

    /// The volume holds what was written to it, is plain again, and nothing of the run is left.
    #[track_caller]
    fn undone_with_the_origin_intact(&self) {
        assert_eq!(self.read("exit"), "4", "{}\n{}", self.read("err"), self.outcome.log());
        assert_eq!(
            (self.read("left"), self.read("tables")),
            (String::new(), "vg00-origin: 0 196608 linear".into())
        );
        assert_eq!(self.read("after"), self.read("wrote"), "the volume is not what was written to it");
        assert_ne!(self.read("after"), self.read("before"), "nothing was written");
        assert!(!self.read("lvs").contains("origin-cutwater"), "{}", self.read("lvs"));
    }
}

/// Sabotage: the policy left out; a store that is extended only when it is full; a watch that is not taken up again by whoever
/// resumes the run (the second machine's store overflows while it asks).
#[test]
fn a_store_under_a_burst_is_extended_in_time_also_by_whoever_resumes_the_run() {
    let job = "
        begin_case extended
        wait_for '\"event\":\"asked\"'
        burst 512 0.1 70
        approve_when_asked $events & approver=$!
        end_case; kill $approver 2>/dev/null
        lvremove -q -y vg00/origin-cutwater >/dev/null
        allow_faults
        begin_case resumed --fault killed-after@asked:agree
        wait $engine; [ $? = 137 ] || exit 91
        cutwater resume \"$(cutwater runs --json | sed -n 's/.*\"run\": *\"\\([^\"]*\\)\".*/\\1/p' | tail -n 1)\" --json >>$events 2>>$folder/err & engine=$!
        burst 512 0.1 70
        approve_when_asked $events & approver=$!
        end_case; kill $approver 2>/dev/null";
    let (outcome, _folder) = run("watch-extended", job);
    for name in ["extended", "resumed"] {
        let case = Case { outcome: &outcome, name };
        assert_eq!(case.read("exit"), "0", "{name}: {}\n{}", case.read("err"), outcome.log());
        let least = case.gauge().into_iter().fold(f64::MAX, f64::min);
        assert!(case.extensions() >= 1, "{name}: never extended, least {least}");
        assert_eq!(
            case.read("snapshot"),
            case.read("before"),
            "{name}: the snapshot is not what the volume was"
        );
        assert_eq!(
            case.read("after"),
            case.read("wrote"),
            "{name}: the volume is not what was written to it"
        );
        let intents: Vec<Value> = case.events();
        let place = |wanted: &dyn Fn(&Value) -> bool| intents.iter().position(wanted).unwrap();
        let saved =
            place(&|e| e["event"] == "checkpointed" && e["state"]["extending"] == "vg00/origin-cutwater");
        assert!(
            saved < place(&|e| e["what"]["program"] == "lvextend"),
            "{name}: extended without its intent"
        );
    }
}

/// Sabotage: the run left to go on until the store has overflowed.
#[test]
fn without_room_the_run_is_undone_before_the_store_overflows() {
    let job = "
        leave_free 12
        begin_case no-room
        wait_for '\"event\":\"asked\"'
        burst 512 0.1 70
        end_case";
    let (outcome, _folder) = run("watch-no-room", job);
    let case = Case { outcome: &outcome, name: "no-room" };
    case.undone_with_the_origin_intact();
    assert!(case.gauge().last().unwrap() < &0.2);
    let told = case.read("events.jsonl");
    assert!(told.contains("\"snapshot-overflows\""), "{}", case.read("err"));
    assert!(told.contains("free extents, 8 are needed"), "{}", case.read("err"));
    assert!(!told.contains("\"snapshot-overflowed\"") && case.extensions() == 0);
}

/// Sabotage: an overflowed snapshot extended, or taken for a quiet one.
#[test]
fn a_store_that_overflows_between_two_looks_is_found_and_its_loss_said() {
    let job = "
        begin_case lost --input size=8MiB
        wait_for gauged
        burst 8192 0 64
        end_case";
    let (outcome, _folder) = run("watch-lost", job);
    let case = Case { outcome: &outcome, name: "lost" };
    case.undone_with_the_origin_intact();
    let told = case.read("events.jsonl");
    assert!(
        told.contains("\"snapshot-overflowed\"") && told.contains("has overflowed and is lost"),
        "{}",
        case.read("err")
    );
    assert_eq!(case.extensions(), 0, "extended and believed");
}
