//! Holds in the lab: snapshots of two volumes inside backup mode, proved by a server on the copies; and what becomes of a
//! hold whose engine is killed, or whose session ends. Each test names the sabotage that turns it red.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which tells what it counted")]

use cutwater_lab::{Image, Lab, Outcome, built_program, scratch};
use cutwater_system::{compiled_plugins, durable_but_for};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

const AT_MOST: Duration = Duration::from_secs(15 * 60);
/// The limit of backup mode: by then, from the kill on, the guard has given back what the dead engine held.
const LIMIT_MS: i64 = 60_000;
const BEGIN: &str = "set -uo pipefail; . /run/jobs/machine.sh; . /run/jobs/hold.sh; install_cutwater; WITNESS_CLIENTS=2 WITNESS_PAUSE=50 PGBENCH_RATE=10\n";

/// What a job left, and the folder it lies in, which goes with it.
struct Ran {
    outcome: Outcome,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for Ran {
    type Target = Outcome;

    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}

fn run(name: &str, job: &str) -> Ran {
    let folder = scratch(name).unwrap();
    let programs = built_program("cutwater").unwrap();
    built_program("cutwater-witness").unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lab = Lab::new(folder.path())
        .unwrap()
        .image(&Image::named("postgres-wal").unwrap())
        .unwrap()
        .mount(programs.parent().unwrap(), "/run/bin")
        .mount(here.join("../../workflows"), "/run/workflows")
        .mount(here.join("tests/workflows"), "/run/scratch")
        .mount(here.join("job"), "/run/jobs")
        .mount(compiled_plugins().unwrap(), "/run/compiled");
    let outcome = lab.run(&format!("{BEGIN}{job}"), AT_MOST).unwrap();
    assert_eq!(outcome.status, 0, "{}", outcome.log());
    Ran { outcome, _folder: folder }
}

fn read(outcome: &Outcome, name: &str) -> String {
    outcome.read(name).unwrap_or_else(|_| format!("no {name}")).trim().to_owned()
}

fn number(outcome: &Outcome, name: &str) -> i64 {
    read(outcome, name).parse().unwrap()
}

fn json(outcome: &Outcome, name: &str) -> Value {
    serde_json::from_str(&read(outcome, name)).unwrap()
}

#[track_caller]
fn nothing_is_left(outcome: &Outcome) {
    for name in ["left", "mounts", "servers"] {
        assert_eq!(read(outcome, name), "", "{name}:\n{}", outcome.log());
    }
}

#[track_caller]
fn no_row_is_lost(outcome: &Outcome) -> Value {
    let witness = json(outcome, "witness.json");
    assert_eq!(witness["lost"], serde_json::json!([]));
    assert!(number(outcome, "sessions") == 0, "a session of the run is left in the server");
    witness
}

fn events(outcome: &Outcome) -> Vec<Value> {
    read(outcome, "events.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Sabotage: `take-wal` left out (the copy does not reach its end), or the label (it starts at the wrong place);
/// `serve-copy` not turning the link (it refuses, or the live server's WAL is written and the witness loses rows).
#[test]
fn snapshots_of_two_volumes_in_backup_mode_make_one_sound_cluster_and_nothing_stays() {
    let job = "start_load || exit 90
        acked >$OUT/acked-before
        cutwater run \"$workflow\" \"${inputs[@]}\"; echo $? >$OUT/exit
        aftermath; asked_at_the_end";
    let outcome = run("hold-success", job);
    assert_eq!(number(&outcome, "exit"), 0, "{}", outcome.log());
    nothing_is_left(&outcome);
    let witness = no_row_is_lost(&outcome);

    let events = events(&outcome);
    let value = |step: &str| {
        let answered = |e: &&Value| e["event"] == "answered" && e["step"] == step;
        let answer = events.iter().find(answered).unwrap();
        answer["answer"]["output"]["value"].as_str().unwrap().parse::<i64>().unwrap()
    };
    let (before, copied) = (value("before"), value("sound"));
    let (acked, after) = (number(&outcome, "acked-before"), number(&outcome, "rows-after"));
    println!("acked before {acked}, rows before {before}, rows in the copy {copied}, rows after {after}");
    assert!(acked <= before && before <= copied && copied < after);
    let freeze = json(&outcome, "show.json")["freeze_ms"].as_f64().unwrap();
    let gap = witness["longest_gap_ms"].as_f64().unwrap();
    println!("freeze {freeze} ms, longest gap {gap} ms");
    assert!(gap <= freeze, "writes stood still for {gap} ms, and the hold lasted {freeze} ms");
}

/// Sabotage: the guard not started, not hanging up, or not taking over (the run never ends); undo without its probe (a
/// half-made snapshot stays).
#[test]
fn an_engine_killed_inside_the_hold_leaves_it_to_the_guard_and_everything_is_undone() {
    let job = "start_load || exit 90
        run_until '\"event\":\"intended\",\"step\":\"walsnap\"' \"$workflow\" \"${inputs[@]}\"
        [ \"$(query \"select count(*) from pg_stat_activity where $mark\")\" = 1 ] || exit 95
        kill_engine
        wait_until no_session >$OUT/hung-up-after || exit 96
        taken_over; aftermath; asked_at_the_end";
    let outcome = run("hold-killed", job);
    assert_eq!(number(&outcome, "exit"), 4, "{}", outcome.log());
    nothing_is_left(&outcome);
    let witness = no_row_is_lost(&outcome);
    assert!(witness["acked_after"].as_i64().unwrap() >= 100, "writes do not flow after the kill");
    let over_after = number(&outcome, "hung-up-after");
    println!("backup mode was over {over_after} ms after the kill");
    assert!(over_after < LIMIT_MS, "backup mode was over {over_after} ms after the kill");
    let show = json(&outcome, "show.json");
    assert_eq!((&show["outcome"], &show["owners"]), (&Value::from("undone"), &Value::from(2)), "{show}");
}

/// Sabotage: `intact` not asked after an inner step (the run goes on to a copy that is not sound).
#[test]
fn a_hold_whose_session_the_server_ends_is_broken_and_everything_is_undone() {
    let job = "start_load || exit 90
        run_until '\"event\":\"intended\",\"step\":\"datasnap\"' \"$workflow\" \"${inputs[@]}\"
        query \"select pg_terminate_backend(pid) from pg_stat_activity where $mark\" >$OUT/ended
        wait \"$engine\"; echo $? >$OUT/exit
        aftermath; asked_at_the_end";
    let outcome = run("hold-broken", job);
    assert_eq!(read(&outcome, "ended"), "t", "{}", outcome.log());
    assert_eq!(number(&outcome, "exit"), 4, "{}", outcome.log());
    nothing_is_left(&outcome);
    no_row_is_lost(&outcome);
    assert!(!events(&outcome).iter().any(|e| e["event"] == "hold-confirmed"), "a broken hold was confirmed");
}

/// Sabotage: the guard not thawing (the writer hangs for ever, and so does the machine's shutdown).
#[test]
fn a_file_system_frozen_by_an_engine_that_is_killed_takes_writes_again() {
    let job = "mkfs.ext4 -q /dev/vg01/new && mkdir -p /mnt/scratch && mount /dev/vg01/new /mnt/scratch || exit 90
        (while echo >/mnt/scratch/file; do echo >>/run/written; done) & writer=$!
        written() { wc -l </run/written; }
        more() { [ \"$(written)\" -gt \"$1\" ]; }
        wait_until more 10 >/dev/null || exit 91
        run_until '\"event\":\"progressed\",\"step\":\"slow\"' /run/scratch/freeze.yaml --input at=/mnt/scratch
        frozen=$(written)
        timeout 60 grep -m 1 progressed <(tail -n +1 -f $OUT/rest) >/dev/null || exit 95
        echo $(($(written) - frozen)) >$OUT/written-while-frozen
        kill_engine
        wait_until more $((frozen + 10)) >$OUT/thawed-after || exit 96
        taken_over; kill $writer; aftermath";
    let outcome = run("hold-freeze", job);
    assert_eq!(number(&outcome, "written-while-frozen"), 0, "{}", outcome.log());
    let thawed_after = number(&outcome, "thawed-after");
    println!("writes flowed again {thawed_after} ms after the kill");
    assert!(thawed_after < LIMIT_MS, "writes flowed again {thawed_after} ms after the kill");
    assert_eq!(number(&outcome, "exit"), 4, "{}", outcome.log());
    nothing_is_left(&outcome);
}

/// Steps whose events are all gone through, in order, and those that are taken back after a late failure.
const STEPS: [&str; 10] =
    ["room", "flush", "before", "backup", "datasnap", "walsnap", "data", "wal", "complete", "serve"];
const TAKEN_BACK: [&str; 7] = ["serve", "complete", "wal", "data", "walsnap", "datasnap", "flush"];
const LAST: [&str; 5] = ["stop", "off-data", "off-wal", "drop-data", "drop-wal"];
/// How many runs one machine makes.
const RUNS: usize = 8;

/// Kills engines at a machine's share of these events, each in a run of its own; whichever way it ends, nothing stays.
fn nothing_stays(events: &[String], machine: usize, faults: &str, exits: &[i64]) {
    let few = events.chunks(RUNS).nth(machine - 1).unwrap();
    let mut job = "allow_faults\nstart_load || exit 90\n".to_owned();
    for event in few {
        let _ = writeln!(job, "killed {} '{faults} killed-after@{event}'", event.replace(':', "-"));
    }
    job.push_str("stop_load");
    let outcome = run("hold-each", &job);
    for event in few {
        let read = |file: &str| read(&outcome, &format!("{}/{file}", event.replace(':', "-")));
        for file in ["left", "mounts", "servers"] {
            assert_eq!(read(file), "", "{event}: {file}:\n{}", outcome.log());
        }
        let exit: i64 = read("exit").parse().unwrap();
        assert!(exits.contains(&exit), "{event}: left with {exit}\n{}", outcome.log());
        assert_eq!(read("sessions"), "0", "{event}: a session of the run is left in the server");
        let (witness, show): (Value, Value) = (
            serde_json::from_str(&read("witness.json")).unwrap(),
            serde_json::from_str(&read("show.json")).unwrap(),
        );
        assert_eq!(witness["lost"], serde_json::json!([]), "{event}");
        // `owned` is one append with `created`.
        let struck_at = [on_the_way_forth(), on_the_way_back(), vec!["owned".to_owned()]].concat();
        let others = durable_but_for(&read("events.jsonl"), &struck_at).unwrap();
        assert_eq!(others, [""; 0], "no engine is killed at these events");
        assert_eq!(show["outcome"], if exit == 0 { "done" } else { "undone" }, "{event}: {show}");
    }
    println!("{} kills: {}", few.len(), few.join(" "));
}

/// An event of each step.
fn of_each(event: &str, steps: &[&str]) -> Vec<String> {
    steps.iter().map(|step| format!("{event}:{step}")).collect()
}

fn on_the_way_forth() -> Vec<String> {
    let held = [
        "created",
        "ended",
        "armed",
        "hold-confirmed:backup",
        "releasing:backup",
        "answered-release:backup",
        "checkpointed:data",
        "checkpointed:wal",
    ];
    let held = held.map(str::to_owned).to_vec();
    let steps = [&STEPS[..], &["sound"], &LAST].concat();
    [held, of_each("intended", &steps), of_each("answered", &steps)].concat()
}

fn on_the_way_back() -> Vec<String> {
    let turned = vec!["turned-back".to_owned(), "ended".to_owned()];
    [turned, of_each("intended-undo", &TAKEN_BACK), of_each("answered-undo", &TAKEN_BACK)].concat()
}

fn kills(machine: usize) {
    nothing_stays(&on_the_way_forth(), machine, "", &[0, 4]);
}

/// The last step is refused, and the engine dies on its way back.
fn kills_on_the_way_back(machine: usize) {
    nothing_stays(&on_the_way_back(), machine, "refused@apply:sound", &[4]);
}

/// A test for each machine: `make prove` runs two at once, and remembers each by itself.
macro_rules! machines {
    ($($strikes:ident: $($name:ident $machine:literal)*;)*) => {$($(
        #[test]
        #[ignore = "exhaustive: make prove runs it"]
        fn $name() {
            $strikes($machine);
        }
    )*)*};
}

machines! {
    kills: forth_1 1 forth_2 2 forth_3 3 forth_4 4 forth_5 5;
    kills_on_the_way_back: back_1 1 back_2 2;
}

#[test]
fn every_event_has_its_machine() {
    let machines = [on_the_way_forth(), on_the_way_back()].map(|events| events.len().div_ceil(RUNS));
    assert_eq!(machines, [5, 2]);
}
