//! What a crash, a person at the terminal and a damaged journal leave to the next owner, through the binary: real
//! processes and real signals. It must not need root, LVM or a database.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::Place;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

/// `demo` runs while the file `flag` is there, `other` likewise. Stopping `slow`, and starting `sticky`, takes as long as
/// the file `keep` is there. `stubborn` cannot be stopped.
fn machine() -> Place {
    let place = Place::new();
    let here = place.path("").display().to_string();
    let flagged = |name: &str| {
        format!(
            "  {name}:
    start: [touch, {here}{name}]
    stop: [rm, -f, {here}{name}]
    status: [test, -e, {here}{name}]
    fence-file: {here}{name}-fence
"
        )
    };
    let policy = format!(
        "cutwater-policy: 1
holds-without-scope: true
faults: allow
services:
{}{}  slow:
    start: [rm, -f, {here}ended]
    stop: [sh, {here}lasting]
    status: [test, '!', -e, {here}ended]
  sticky:
    start: [sh, {here}lasting]
    stop: [rm, -f, {here}ended]
    status: [test, -e, {here}ended]
  stubborn: {{ start: ['true'], stop: ['false'], status: ['true'] }}
  mended: {{ start: [touch, {here}started], stop: [test, -e, {here}mended], status: [test, '!', -e, {here}mended] }}
",
        flagged("demo"),
        flagged("other"),
    );
    let script =
        format!("touch {here}began\nwhile test -e {here}keep; do sleep 0.02; done\ntouch {here}ended\n");
    place.file("lasting", script);
    std::fs::create_dir_all(place.path("root/etc/cutwater")).unwrap();
    let file = place.file("root/etc/cutwater/policy.yaml", policy);
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
    for file in ["demo", "other", "keep"] {
        place.file(file, "");
    }
    place
}

fn workflow(place: &Place, name: &str, steps: &str) -> String {
    let head = format!("cutwater: 1\nname: {name}\nsummary: about {name}\n");
    let grants = "grants: { service: { units: [demo, other, slow, sticky, stubborn, mended] } }\n";
    place.file(&format!("{name}.yaml"), format!("{head}{grants}steps:\n{steps}"));
    format!("{name}.yaml")
}

struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    said: String,
}

impl Running {
    fn start(place: &Place, args: &[&str]) -> Self {
        Self::of(&mut place.command(args))
    }

    fn of(command: &mut std::process::Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, said: String::new() }
    }

    fn until(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            if self.out.read_line(&mut line).unwrap() == 0 {
                let mut err = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
                panic!("it ended without `{words}`:\n{}\n{err}", self.said);
            }
            self.said.push_str(&line);
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self) -> (i32, String) {
        self.out.read_to_string(&mut self.said).unwrap();
        (self.child.wait().unwrap().code().unwrap(), self.said)
    }
}

fn appears(place: &Place, file: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    while !place.path(file).exists() {
        assert!(Instant::now() < until, "`{file}` does not appear");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn runs(place: &Place) -> Vec<String> {
    let runs: Value = serde_json::from_str(&place.cutwater(&["--json", "runs"]).out).unwrap();
    runs.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

fn outcome(place: &Place, run: &str) -> Value {
    let said = place.cutwater(&["--json", "show", run]);
    let shown: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    shown["outcome"].clone()
}

/// Sabotage: a program of a dead engine taken for ended; its pid not in the journal.
#[test]
fn whoever_resumes_waits_for_the_program_that_the_dead_engine_started_before_any_probe() {
    let place = machine();
    let file = workflow(&place, "lone", "  stop: { uses: service.stop, with: { unit: slow } }\n");
    let mut running = Running::start(&place, &["run", &file]);
    appears(&place, "began");
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let run = runs(&place).remove(0);
    let mut resumed = Running::start(&place, &["resume", &run]);
    resumed.until("stop: warn: `sh`, process");
    assert!(!place.path("ended").exists());
    std::fs::remove_file(place.path("keep")).unwrap();
    let (code, said) = resumed.end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("stop: found that it happened"), "{said}");
}

/// Sabotage: as above, in the take-over by the guard.
#[test]
fn a_take_over_waits_for_the_program_that_the_dead_engine_started_too() {
    let place = machine();
    let steps = "  down:
    outage: { limit: 60s }
    steps:
      stop: { uses: service.stop, with: { unit: slow } }
      on: { uses: service.start, with: { unit: demo }, point-of-no-return: true }
";
    let file = workflow(&place, "outage", steps);
    let mut running = Running::start(&place, &["run", &file]);
    appears(&place, "began");
    let run = runs(&place).remove(0);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let mut watched = Running::start(&place, &["watch", &run]);
    watched.until("stop: warn: `sh`, process");
    std::fs::remove_file(place.path("keep")).unwrap();
    let (code, said) = watched.end();
    assert_eq!(code, 4, "{said}");
    assert!(!place.path("ended").exists(), "`slow` was not started again");
}

/// Sabotage: the second signal taken for another abort (the test never ends); no word of how to go on.
#[test]
fn the_first_interrupt_undoes_and_the_second_leaves_and_says_how_to_go_on() {
    let place = machine();
    place.file("ended", "");
    let steps = "  stop: { uses: service.stop, with: { unit: sticky } }
  agree: { approve: Go on?, by: [dba], needs: [stop] }
";
    let file = workflow(&place, "twice", steps);
    let mut running = Running::start(&place, &["run", &file]);
    running.until("To say yes:");
    running.signal(rustix::process::Signal::INT);
    appears(&place, "began");
    running.signal(rustix::process::Signal::INT);
    let run = runs(&place).remove(0);
    let (code, said) = running.end();
    assert_eq!(code, 5, "{said}");
    assert!(said.contains(&format!("left as it is; `cutwater resume {run}` goes on")), "{said}");
    std::fs::remove_file(place.path("keep")).unwrap();
    let resumed = place.cutwater(&["resume", &run]);
    assert_eq!(resumed.code, 4, "{resumed:?}");
    assert!(place.path("ended").exists(), "`sticky` was not started again");
}

/// Sabotage: a `resume` that says no word (the run stops again where it was); one that is said for a person at boot.
#[test]
fn a_run_that_paused_after_a_failure_goes_on_when_a_person_says_so() {
    let place = machine();
    let steps = "  down:
    outage: { limit: 60s }
    steps:
      stop: { uses: service.stop, with: { unit: demo } }
      more: { uses: service.stop, with: { unit: mended }, needs: [stop] }
on-failure: pause
";
    let file = workflow(&place, "pauses", steps);
    let said = place.cutwater(&["run", &file]);
    assert_eq!(said.code, 5, "{said:?}");
    let run = runs(&place).remove(0);
    for way in ["resume", "abort"] {
        assert!(said.out.contains(&format!("cutwater {way} {run}")), "{said:?}");
    }
    assert!(place.path("demo").exists(), "`demo` was not started again");
    let all = place.cutwater(&["resume", "--all"]);
    assert_eq!(all.code, 5, "{all:?}");
    place.file("mended", "");
    let said = place.cutwater(&["resume", &run]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(outcome(&place, &run), "done");
    assert!(!place.path("demo").exists(), "`demo` was not stopped in the second outage");
}

/// Sabotage: a take-over each time the limit passes; an event at each look; a person's word taken meanwhile.
#[test]
fn an_undo_whose_program_hangs_is_waited_for_by_one_engine_and_its_program_is_named() {
    let place = machine();
    place.file("ended", "");
    let steps = "  down:
    outage: { limit: 1s }
    steps:
      stop: { uses: service.stop, with: { unit: sticky } }
      more: { uses: service.stop, with: { unit: stubborn }, needs: [stop] }
";
    let file = workflow(&place, "hangs", steps);
    let mut running = Running::start(&place, &["run", &file]);
    appears(&place, "began");
    let run = runs(&place).remove(0);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let mut watched = Running::start(&place, &["watch", &run]);
    watched.until("end it with `kill -- -");
    let journal = |place: &Place| {
        let said = place.cutwater(&["--json", "show", &run]);
        serde_json::from_str::<Value>(&said.out).unwrap()["epoch"].clone()
    };
    let settle = place.cutwater(&["settle", &run, "stop", "--not-applied", "--because", "it hangs"]);
    assert!(settle.code != 0 && settle.err.contains("still running"), "{settle:?}");
    // Longer than the limit and the five seconds that the guard gives on top.
    let before = journal(&place);
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(journal(&place), before, "it was taken over again");
    std::fs::remove_file(place.path("keep")).unwrap();
    let (code, said) = watched.end();
    assert_eq!(code, 4, "{said}");
    assert_eq!(said.matches("end it with `kill -- -").count(), 1, "{said}");
}

/// Sabotage: the guard told nothing of an engine that is at work, on the way back or, after a take-over, behind the mark.
#[test]
fn an_engine_at_work_on_the_way_back_or_behind_the_mark_is_left_alone_past_the_limit() {
    let journal = |place: &Place, run: &str| {
        let said = place.cutwater(&["--json", "show", run]);
        serde_json::from_str::<Value>(&said.out).unwrap()["epoch"].as_u64().unwrap()
    };
    let back = "  down:
    outage: { limit: 1s }
    steps:
      stop: { uses: service.stop, with: { unit: sticky } }
      more: { uses: service.stop, with: { unit: stubborn }, needs: [stop] }
";
    let forth = "  down:
    outage: { limit: 1s }
    steps:
      on: { uses: service.start, with: { unit: demo }, point-of-no-return: true }
      off: { uses: service.stop, with: { unit: slow }, needs: [on] }
";
    let place = machine();
    place.file("ended", "");
    let file = workflow(&place, "back", back);
    let working = Running::start(&place, &["run", &file]);
    appears(&place, "began");
    let run = runs(&place).remove(0);
    // Longer than the limit and the five seconds that the guard gives on top.
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(journal(&place, &run), 1, "it was taken over");
    std::fs::remove_file(place.path("keep")).unwrap();
    assert_eq!(working.end().0, 4);

    let place = machine();
    std::fs::remove_file(place.path("demo")).unwrap();
    let file = workflow(&place, "forth", forth);
    let mut running = Running::start(&place, &["run", &file]);
    appears(&place, "began");
    let run = runs(&place).remove(0);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let watched = Running::start(&place, &["watch", &run]);
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(journal(&place, &run), 2, "it was taken over again");
    std::fs::remove_file(place.path("keep")).unwrap();
    let (code, said) = watched.end();
    assert_eq!(code, 0, "{said}");
}

/// Sabotage: an owner that is stopped waited for as long as one whose loop is at work; its process not named.
#[test]
fn an_owner_that_is_stopped_is_named_with_the_way_out() {
    let place = machine();
    let file = workflow(&place, "stopped", "  agree: { approve: Go on?, by: [dba] }\n");
    let mut running = Running::start(&place, &["run", &file]);
    running.until("To say yes:");
    let run = runs(&place).remove(0);
    running.signal(rustix::process::Signal::STOP);
    let began = Instant::now();
    let said = place.cutwater(&["pause", &run]);
    assert_eq!(said.code, 6, "{said:?}");
    assert!(began.elapsed() < Duration::from_secs(60), "as long as for a loop that is at work");
    assert!(said.err.contains(&format!("`kill -CONT {}`", running.child.id())), "{said:?}");
    running.signal(rustix::process::Signal::CONT);
    let said = place.cutwater(&["abort", &run]);
    assert!(said.out.contains(&format!("`cutwater watch {run}` follows it")), "{said:?}");
    assert_eq!(running.end().0, 4);
}

/// A run that waits for the yes of somebody, and got it after its engine had left.
fn approved(place: &Place, name: &str, unit: &str) -> String {
    let steps = format!(
        "  agree: {{ approve: Go on?, by: [dba] }}\n  stop: {{ uses: service.stop, needs: [agree], with: {{ unit: {unit} }} }}\n"
    );
    let file = workflow(place, name, &steps);
    let said = place.cutwater(&["run", &file, "--no-wait"]);
    assert_eq!(said.code, 7, "{said:?}");
    let run = runs(place).pop().unwrap();
    assert_eq!(place.cutwater(&["approve", &run]).code, 0);
    run
}

/// Sabotage: a run that nobody goes on with watched for ever; its end taken for a failure.
#[test]
fn watching_a_run_that_nobody_goes_on_with_ends_and_says_how_to_go_on() {
    let place = machine();
    let file = workflow(&place, "left", "  agree: { approve: Go on?, by: [dba] }\n");
    assert_eq!(place.cutwater(&["run", &file, "--no-wait"]).code, 7);
    let run = runs(&place).remove(0);
    let said = place.cutwater(&["watch", &run]);
    assert_eq!(said.code, 7, "{said:?}");
    assert!(said.err.contains(&format!("cutwater resume {run}")), "{said:?}");
}

/// Sabotage: one process for all of them; one after the other (the one that hangs is never over); the damaged one's
/// failure kept for oneself; no word to the service manager, or only at the end (the wait for it ends in an error).
#[test]
fn one_bad_run_stops_no_other_when_all_are_resumed() {
    let place = machine();
    let damaged = approved(&place, "damaged", "demo");
    let hangs = approved(&place, "hangs", "slow");
    let good = approved(&place, "good", "other");
    let journal = place.path("root/var/lib/cutwater/journal.db");
    let mut bytes = std::fs::read(&journal).unwrap();
    let needle = b"about damaged";
    let mut hits = 0;
    for at in 0..bytes.len() - needle.len() {
        if &bytes[at..at + needle.len()] == needle {
            bytes[at] = b'A';
            hits += 1;
        }
    }
    assert!(hits > 0, "the journal does not hold the text in plain");
    std::fs::write(&journal, bytes).unwrap();

    let manager = std::os::unix::net::UnixDatagram::bind(place.path("manager")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = place.command(&["resume", "--all", "--no-wait"]);
    let mut all = Running::of(command.env("NOTIFY_SOCKET", place.path("manager")));
    let mut word = [0; 64];
    let long = manager.recv(&mut word).unwrap();
    assert_eq!(&word[..long], b"READY=1", "and it does not wait for the one that hangs");
    appears(&place, "began");
    let until = Instant::now() + Duration::from_secs(60);
    while outcome(&place, &good) != "done" {
        assert!(Instant::now() < until, "`{good}` waits for another run");
    }
    std::fs::remove_file(place.path("keep")).unwrap();
    let mut errors = String::new();
    all.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    let (code, said) = all.end();
    assert_eq!(code, 5, "{said}{errors}");
    assert!(errors.contains(&format!("{damaged}: ")) && errors.contains("is damaged"), "{errors}");
    assert!(said.contains(&format!("{good}: ")), "{said}");
    assert_eq!(outcome(&place, &hangs), "done");
    assert!(place.path("demo").exists() && !place.path("other").exists());
}

/// Sabotage: a side left out; the way to fail back left out, or in the order in which things were done.
#[test]
fn a_failure_behind_the_mark_tells_both_sides_and_how_to_fail_back() {
    let place = machine();
    let steps = "  down:
    outage: { limit: 60s }
    steps:
      fence: { uses: service.fence, with: { unit: demo } }
      stop: { uses: service.stop, with: { unit: demo } }
      on: { uses: service.start, with: { unit: stubborn }, point-of-no-return: true }
  tidy: { uses: service.stop, needs: [down], with: { unit: stubborn } }
";
    let file = workflow(&place, "sides", steps);
    let said = place.cutwater(&["run", &file]);
    assert_eq!(said.code, 8, "{said:?}");
    let run = runs(&place).remove(0);
    let shown = place.cutwater(&["show", &run]);
    assert_eq!(shown.code, 0, "{shown:?}");
    for text in [&said.out, &shown.out] {
        assert!(text.contains("new side: `on` is done"), "{text}");
        assert!(text.contains("old side: as `fence`, `stop` left it"), "{text}");
        let places =
            ["to fail back by hand", "  stop: $ touch", "  fence: remove"].map(|words| text.find(words));
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{text}");
    }
}

/// Sabotage: the faults not before what a run really stands on; the engine asked to leave and not killed; another step
/// struck.
#[test]
fn a_fault_that_was_asked_for_kills_the_engine_at_its_event_and_the_guard_goes_back() {
    let place = machine();
    let steps = "  down:
    outage: { limit: 60s }
    steps:
      fence: { uses: service.fence, with: { unit: demo } }
      stop: { uses: service.stop, with: { unit: demo } }
      on: { uses: service.start, with: { unit: demo }, point-of-no-return: true }
";
    let file = workflow(&place, "struck", steps);
    let fault = "killed-after@intended:stop";
    let said = place.command(&["run", &file, "--fault", fault]).output().unwrap();
    assert_eq!(said.status.signal(), Some(9), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("`stop` intended: killed after it is durable"));
    let run = runs(&place).remove(0);
    let watched = place.cutwater(&["watch", &run]);
    assert_eq!(watched.code, 4, "{watched:?}");
    assert!(place.path("demo").exists() && !place.path("demo-fence").exists(), "{watched:?}");
    let events = place.cutwater(&["show", &run, "--events"]).out;
    assert!(events.contains("stop: found that it did not happen"), "{events}");
}

/// Sabotage: as it says. A second run on the same thing is not started, unless it takes no locks.
#[test]
fn a_run_that_takes_no_locks_is_noticed() {
    let place = machine();
    let steps = "  agree: { approve: Go on?, by: [dba] }
  stop: { uses: service.stop, needs: [agree], with: { unit: demo } }
";
    let (first, second) = (workflow(&place, "first", steps), workflow(&place, "second", steps));
    assert_eq!(place.cutwater(&["run", &first, "--no-wait"]).code, 7);
    assert_eq!(place.cutwater(&["run", &second, "--no-wait"]).code, 9);
    assert_eq!(place.cutwater(&["run", &second, "--no-wait", "--fault", "claimed@lock"]).code, 7);
}

/// The minute so many minutes from now, as the window's keys have it.
fn minutes(from_now: i64) -> String {
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(from_now);
    now.to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M").to_string()
}

fn windowed(place: &Place, opens: i64, closes: i64, limit: &str) -> String {
    let steps = format!(
        "  first: {{ uses: service.stop, with: {{ unit: other }} }}
  down:
    outage: {{ limit: {limit} }}
    needs: [first]
    steps:
      stop: {{ uses: service.stop, with: {{ unit: demo }} }}
      on: {{ uses: service.start, with: {{ unit: demo }}, point-of-no-return: true }}
window: {{ opens: \"{}\", closes: \"{}\", timezone: UTC }}
",
        minutes(opens),
        minutes(closes)
    );
    workflow(place, "window", &steps)
}

/// Sabotage: the window read and not kept; the latest safe start left out of a view; a run begun that cannot be in time.
#[test]
fn a_run_waits_for_its_window_and_is_not_started_where_it_comes_too_late() {
    let place = machine();
    let early = windowed(&place, 120, 240, "60s");
    let plan = place.cutwater(&["plan", &early]);
    assert!(plan.code == 0 && plan.out.contains("latest safe start of the run"), "{plan:?}");
    assert!(plan.out.contains("`down` by "), "{plan:?}");
    let said = place.cutwater(&["run", &early, "--no-wait"]);
    assert_eq!(said.code, 7, "{said:?}");
    assert!(
        said.out.contains("latest safe start: ") && said.out.contains("the window opens in 1 h"),
        "{said:?}"
    );
    assert!(!place.path("other").exists() && place.path("demo").exists(), "what comes before waits, too");
    let run = runs(&place).remove(0);
    let shown = place.cutwater(&["show", &run]);
    assert!(shown.out.contains("window   opens ") && shown.out.contains("`down` by "), "{shown:?}");
    assert_eq!(place.cutwater(&["abort", &run]).code, 4);

    let late = windowed(&place, -60, 10, "20m");
    let said = place.cutwater(&["run", &late]);
    assert_eq!(said.code, 9, "{said:?}");
    assert!(said.err.contains("latest safe start was") && said.err.contains("it opens again at"), "{said:?}");
    let short = windowed(&place, 60, 70, "20m");
    let said = place.cutwater(&["run", &short]);
    assert_eq!(said.code, 9, "{said:?}");
    assert!(said.err.contains("take a longer window"), "{said:?}");
    assert_eq!(runs(&place).len(), 1, "a run was begun");

    let open = windowed(&place, -60, 120, "60s");
    let said = place.cutwater(&["run", &open]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("were left at the point of no return"), "{said:?}");
}
