//! Whole runs through the binary: real plugins, real programs, a service that is a file. It must not need root, LVM or a
//! database: those are the lab's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::{Place, Said};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Stdio};

/// A service that runs while the file `flag` is there; another that cannot be stopped; one whose stop takes a while.
fn machine() -> Place {
    let place = Place::new();
    let here = place.path("").display().to_string();
    let policy = format!(
        "cutwater-policy: 1
holds-without-scope: true
roles: {{ dba: ['group:dba'] }}
services:
  demo:
    start: [touch, {here}flag]
    stop: [rm, -f, {here}flag]
    status: [test, -e, {here}flag]
    fence-file: {here}fence
  stubborn: {{ start: ['true'], stop: ['false'], status: ['true'] }}
  slow:
    start: ['true']
    stop: [sleep, '2']
    status: ['true']
"
    );
    std::fs::create_dir_all(place.path("root/etc/cutwater")).unwrap();
    let file = place.file("root/etc/cutwater/policy.yaml", policy);
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
    place.file("flag", "");
    place
}

fn workflow(place: &Place, outage: &str) {
    place.file(
        "w.yaml",
        format!(
            "cutwater: 1
name: demo
grants:
  service: {{ units: [demo, stubborn, slow] }}
steps:
  is: {{ uses: service.status, with: {{ unit: demo }} }}
  agree: {{ approve: Stop it?, by: [dba], needs: [is] }}
  down:
    outage: {{ limit: 20s }}
    needs: [agree]
    steps:
      fence: {{ uses: service.fence, with: {{ unit: demo }} }}
{outage}
      start: {{ uses: service.start, with: {{ unit: demo }}, point-of-no-return: true }}
  lift: {{ uses: service.unfence, needs: [down], with: {{ unit: demo }} }}
"
        ),
    );
}

const STOP: &str = "      stop: { uses: service.stop, with: { unit: demo } }";

/// A run in the background, its output line by line.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn start(place: &Place, args: &[&str]) -> Self {
        let mut child = place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// The first line that holds `words`.
    fn until(&mut self, words: &str) -> String {
        let mut line = String::new();
        let mut all = String::new();
        while !line.contains(words) {
            line.clear();
            if self.out.read_line(&mut line).unwrap() == 0 {
                let mut err = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
                panic!("it ended without `{words}`:\n{all}\n{err}");
            }
            all.push_str(&line);
        }
        line
    }

    fn end(mut self) -> (i32, String) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap(), rest)
    }
}

fn only_run(place: &Place) -> String {
    let runs: Value = serde_json::from_str(&place.cutwater(&["--json", "runs"]).out).unwrap();
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs}");
    runs[0]["run"].as_str().unwrap().to_owned()
}

fn shown(place: &Place, run: &str) -> Value {
    let said = place.cutwater(&["--json", "show", run]);
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"))
}

#[test]
fn a_run_asks_is_approved_and_ends_with_nothing_left() {
    let place = machine();
    workflow(&place, STOP);
    let plan: Value = serde_json::from_str(&place.cutwater(&["--json", "plan", "w.yaml"]).out).unwrap();
    let hash = plan["hash"].as_str().unwrap();
    assert!(place.path("flag").exists() && !place.path("fence").exists(), "planning changed something");

    let denied = place.cutwater(&["run", "w.yaml", "--fault", "killed-after@created"]);
    assert_eq!(denied.code, 3, "{denied:?}");
    assert!(denied.err.contains("does not say `faults: allow`"), "{denied:?}");
    let wrong = place.cutwater(&["run", "w.yaml", "--plan", "000000000000"]);
    assert_eq!(wrong.code, 3, "{wrong:?}");
    assert!(wrong.err.contains(hash), "{wrong:?}");

    let mut running = Running::start(&place, &["run", "w.yaml", "--plan", &hash[..12]]);
    let asked = running.until("To say yes:");
    let run = only_run(&place);
    assert!(asked.contains(&format!("cutwater approve {run} agree --plan {}", &hash[..12])), "{asked}");
    assert_eq!(place.cutwater(&["approve", &run, "--plan", "ffffffffffffffff"]).code, 2);
    let approved = place.cutwater(&["approve", &run, "--plan", &hash[..12]]);
    assert_eq!((approved.code, approved.out.as_str()), (0, "`agree` is approved\n"), "{approved:?}");
    let (code, rest) = running.end();
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("point of no return") && rest.contains("done, nothing left behind"), "{rest}");
    assert!(place.path("flag").exists() && !place.path("fence").exists());
    assert_eq!(shown(&place, &run)["outcome"], "done");
    assert_eq!(place.cutwater(&["abort", &run]).code, 3);
}

/// Sabotage: the outage entered though it was not asked for; the mark crossed; a rehearsal that ends like a failure, or is
/// told like a run.
#[test]
fn a_rehearsal_stops_before_the_outage_or_the_mark_and_puts_everything_back() {
    let place = machine();
    workflow(&place, STOP);
    let short = place.cutwater(&["rehearse", "w.yaml"]);
    assert_eq!(short.code, 0, "{short:?}");
    assert!(short.out.contains("left out: `agree`, `down`, `lift`"), "{short:?}");
    assert!(!short.out.contains("fence: begins"), "{short:?}");

    let mut long = Running::start(&place, &["rehearse", "w.yaml", "--with-outage"]);
    let asked = long.until("To say yes:");
    assert!(
        asked.contains("A rehearsal, which is undone before the point of no return. Stop it?"),
        "{asked}"
    );
    let listed = place.cutwater(&["--json", "runs", "--unfinished"]).out;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let run = listed[0]["run"].as_str().unwrap();
    assert_eq!(place.cutwater(&["approve", run]).code, 0);
    let (code, rest) = long.end();
    assert_eq!(code, 0, "{rest}");
    for words in ["stop: done", "rehearsed, everything is undone", "left out: `start`", "downtime"] {
        assert!(rest.contains(words), "no `{words}` in\n{rest}");
    }
    assert!(!rest.contains("start: begins"), "{rest}");
    assert!(place.path("flag").exists() && !place.path("fence").exists(), "{rest}");
    assert_eq!(shown(&place, run)["outcome"], "rehearsed");
}

#[test]
fn with_no_wait_a_run_is_left_waiting_and_is_taken_up_later() {
    let place = machine();
    workflow(&place, STOP);
    let said = place.cutwater(&["run", "w.yaml", "--no-wait"]);
    assert_eq!(said.code, 7, "{said:?}");
    let run = only_run(&place);
    let approved = place.cutwater(&["approve", &run[..run.len() - 2]]);
    assert_eq!(approved.code, 0, "{approved:?}");
    assert!(approved.out.contains(&format!("cutwater resume {run}")), "{approved:?}");
    let said = place.cutwater(&["--json", "resume", &run]);
    assert_eq!(said.code, 0, "{said:?}");
    let last: Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["summary"]["outcome"], "done");
    assert_eq!(last["summary"]["owners"], 2);
}

#[test]
fn what_fails_before_the_mark_is_undone_and_leaves_with_4() {
    let place = machine();
    workflow(&place, &format!("{STOP}\n      bad: {{ uses: service.stop, with: {{ unit: stubborn }} }}"));
    assert_eq!(place.cutwater(&["run", "w.yaml", "--no-wait"]).code, 7);
    let run = only_run(&place);
    place.cutwater(&["approve", &run]);
    let said = place.cutwater(&["resume", &run]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.out.contains("undone: bad, stop, fence"), "{said:?}");
    assert!(place.path("flag").exists() && !place.path("fence").exists());
}

#[test]
fn a_waiting_run_is_aborted_by_a_signal() {
    let place = machine();
    workflow(&place, STOP);
    let mut running = Running::start(&place, &["run", "w.yaml"]);
    running.until("To say yes:");
    let pid = rustix::process::Pid::from_child(&running.child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let (code, rest) = running.end();
    assert_eq!(code, 4, "{rest}");
    assert!(place.path("flag").exists());
}

#[test]
fn an_engine_killed_in_an_outage_is_followed_by_one_that_undoes() {
    let place = machine();
    let slow = "      slow: { uses: service.stop, with: { unit: slow } }";
    workflow(&place, &format!("{STOP}\n{slow}"));
    let mut running = Running::start(&place, &["run", "w.yaml"]);
    running.until("To say yes:");
    let run = only_run(&place);
    assert_eq!(place.cutwater(&["approve", &run]).code, 0);
    running.until("slow: begins");
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    assert!(!place.path("flag").exists(), "it was killed too late");
    let watched: Said = place.cutwater(&["watch", &run]);
    assert_eq!(watched.code, 4, "{watched:?}");
    assert!(place.path("flag").exists() && !place.path("fence").exists(), "{watched:?}");
    let state = shown(&place, &run);
    assert_eq!((&state["outcome"], &state["epoch"]), (&"undone".into(), &2.into()), "{watched:?}");
}

#[test]
fn an_owner_that_lives_but_cannot_be_reached_keeps_its_run() {
    let place = machine();
    workflow(&place, STOP);
    let mut running = Running::start(&place, &["run", "w.yaml"]);
    running.until("To say yes:");
    let run = only_run(&place);
    std::fs::remove_file(place.path(&format!("root/run/cutwater/{run}.sock"))).unwrap();
    let pid = running.child.id();
    for args in [&["resume", &run][..], &["approve", &run], &["abort", &run], &["pause", &run]] {
        let said = place.cutwater(args);
        assert_eq!(said.code, 6, "{args:?}: {said:?}");
        assert!(said.err.contains(&format!("kill -TERM {pid}")), "{args:?}: {said:?}");
    }
    assert!(place.cutwater(&["runs"]).out.contains("under way"));
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let aborted = place.cutwater(&["abort", &run]);
    assert_eq!(aborted.code, 4, "{aborted:?}");
}
