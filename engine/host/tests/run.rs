//! Programs, really started.

#![expect(clippy::unwrap_used, reason = "a test")]

use cutwater_driver::ports::{CallId, Report};
use cutwater_host::capability::run::child::{Child, Command, Ending, Rules};
use cutwater_host::capability::run::life;
use cutwater_host::capability::secret::redact::Redactor;
use cutwater_host::used::Uses;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

static GOES_ON: AtomicBool = AtomicBool::new(false);

fn rules() -> Rules {
    Rules::usual()
}

fn command(program: &str, args: &[&str]) -> Command {
    Command {
        program: program.into(),
        args: args.iter().map(|&arg| arg.into()).collect(),
        user: None,
        stdin: Vec::new(),
    }
}

/// A journal that makes everything durable, unless `refuses`.
fn journal(refuses: bool) -> (Uses, Arc<Mutex<Vec<Value>>>) {
    let (sender, reports): (_, Receiver<Report>) = channel();
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    std::thread::spawn(move || {
        for report in reports {
            if let Report::Used { what, reply, .. } = report {
                kept.lock().unwrap().push(what);
                if let Some(reply) = reply {
                    reply.send(!refuses).unwrap();
                }
            }
        }
    });
    (Uses::new(CallId(1), sender, Redactor::default()), told)
}

fn all_output(child: &mut Child) -> (String, String) {
    let mut texts = [Vec::new(), Vec::new()];
    while let Some(chunk) = child.next(&GOES_ON).unwrap() {
        texts[usize::from(chunk.error_stream)].extend(chunk.bytes);
    }
    let [out, err] = texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (out, err)
}

fn told_after(told: &Arc<Mutex<Vec<Value>>>, count: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(10);
    while told.lock().unwrap().len() < count && Instant::now() < until {
        std::thread::yield_now();
    }
    told.lock().unwrap().clone()
}

#[test]
fn a_program_gets_a_clean_environment_its_input_and_its_own_session() {
    let (uses, told) = journal(false);
    let script = "env; cat; ps -o sid= -p $$; ls /proc/self/fd | wc -l; echo bad >&2; exit 3";
    let command = Command { stdin: b"from the plan\n".to_vec(), ..command("sh", &["-c", script]) };
    let mut child = Child::start(&command, &rules(), &uses).unwrap();
    let pid = child.pid();
    let (out, err) = all_output(&mut child);
    assert_eq!(child.wait(&GOES_ON).unwrap(), Ending { status: Some(3), signal: None });
    let lines: Vec<_> = out.lines().map(str::trim).collect();
    assert!(lines.contains(&"LC_ALL=C") && lines.contains(&"PATH=/usr/sbin:/usr/bin:/sbin:/bin"), "{out}");
    assert!(!out.contains("CARGO") && !out.contains("HOME="), "{out}");
    assert!(lines.contains(&"from the plan"), "{out}");
    assert!(lines.contains(&pid.to_string().as_str()), "{out}");
    assert_eq!(err, "bad\n");
    let told = told_after(&told, 2);
    assert_eq!((&told[0]["pid"], &told[0]["boot"]), (&pid.into(), &life::boot().unwrap().into()));
    assert!(told[0]["start"].is_u64());
    assert_eq!((&told[1]["status"], &told[1]["bytes-dropped"]), (&3.into(), &0.into()));
}

#[test]
fn a_program_runs_as_the_user_it_is_granted_for() {
    let (uses, _) = journal(false);
    let command = Command { user: Some("nobody".into()), ..command("id", &["-un"]) };
    let mut child = Child::start(&command, &rules(), &uses).unwrap();
    assert_eq!(all_output(&mut child).0, "nobody\n");
}

#[test]
fn nothing_is_executed_when_the_pid_cannot_be_made_durable() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let (uses, _) = journal(true);
    let fault = Child::start(&command("touch", &[trace.to_str().unwrap()]), &rules(), &uses).unwrap_err();
    assert_eq!(fault.code, "stopping");
    assert!(!trace.exists());
}

/// Sabotage: a waiting process that keeps the engine's descriptors (two of them then keep each other waiting for ever).
#[test]
fn a_process_whose_engine_dies_before_the_go_ahead_executes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let traces = ["a", "b"].map(|name| folder.path().join(name));
    let mut engine = std::process::Command::new(env!("CARGO_BIN_EXE_cutwater-host-helper"))
        .arg("waiting")
        .args(&traces)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(engine.stdout.take().unwrap()).lines().take(2);
    let pids: Vec<u32> = said.map(|line| line.unwrap().parse().unwrap()).collect();
    assert!(pids.iter().all(|&pid| life::started(pid).is_some()), "they wait");
    engine.kill().unwrap();
    engine.wait().unwrap();
    while pids.iter().any(|&pid| life::started(pid).is_some()) {
        std::thread::yield_now();
    }
    assert!(!traces.iter().any(|trace| trace.exists()));
}

#[test]
fn a_daemon_that_keeps_the_output_open_does_not_keep_us_waiting() {
    let (uses, _) = journal(false);
    let began = Instant::now();
    let script = "echo started; sleep 30 & echo $!";
    let mut child = Child::start(&command("sh", &["-c", script]), &rules(), &uses).unwrap();
    let (out, _) = all_output(&mut child);
    assert_eq!(child.wait(&GOES_ON).unwrap().status, Some(0));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let daemon = out.lines().nth(1).unwrap().parse().unwrap();
    let daemon = rustix::process::Pid::from_raw(daemon).unwrap();
    rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn output_beyond_the_limit_is_read_away_and_said_to_be_cut() {
    let (uses, told) = journal(false);
    let mut child = Child::start(&command("head", &["-c", "9000000", "/dev/zero"]), &rules(), &uses).unwrap();
    assert_eq!(child.wait(&GOES_ON).unwrap().status, Some(0));
    let (out, _) = all_output(&mut child);
    assert!(out.ends_with("\n[cut after 4194304 bytes]\n") && out.len() < 4_200_000);
    assert_eq!(told_after(&told, 2)[1]["bytes-dropped"], 9_000_000 - 4_194_304);
}

/// Sabotage: a limit on all that a stream has given (a list of many files ends in the middle).
#[test]
fn output_that_is_asked_for_as_it_comes_is_never_cut() {
    let (uses, told) = journal(false);
    let mut child = Child::start(&command("head", &["-c", "9000000", "/dev/zero"]), &rules(), &uses).unwrap();
    let (out, _) = all_output(&mut child);
    assert_eq!(child.wait(&GOES_ON).unwrap().status, Some(0));
    assert_eq!(out.len(), 9_000_000);
    assert_eq!(told_after(&told, 2)[1]["bytes-dropped"], 0);
}

#[test]
fn a_program_that_is_told_to_stop_is_killed_with_its_children_when_it_does_not_end() {
    let (uses, _) = journal(false);
    let rules = Rules { patience: Duration::from_millis(200), ..rules() };
    let script = "trap '' TERM; (trap '' TERM; sleep 60) & echo $!; wait; wait";
    let mut child = Child::start(&command("sh", &["-c", script]), &rules, &uses).unwrap();
    let chunk = child.next(&GOES_ON).unwrap().unwrap();
    let inner: u32 = String::from_utf8(chunk.bytes).unwrap().trim().parse().unwrap();
    let fault = child.wait(&AtomicBool::new(true)).unwrap_err();
    assert_eq!(fault.code, "stopping");
    assert_eq!(child.wait(&GOES_ON).unwrap().signal, Some(9));
    while life::started(inner).is_some() {
        std::thread::yield_now();
    }
}

#[test]
fn a_critical_program_is_never_killed_and_its_end_is_told_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let release = folder.path().join("release");
    let (uses, told) = journal(false);
    let rules =
        Rules { critical: vec!["sh".into()], critical_patience: Duration::from_millis(100), ..rules() };
    let script = format!(
        "trap 'echo asked' TERM; echo ready; until [ -e {} ]; do sleep 0.02; done; exit 7",
        release.display()
    );
    let mut child = Child::start(&command("sh", &["-c", &script]), &rules, &uses).unwrap();
    assert_eq!(child.next(&GOES_ON).unwrap().unwrap().bytes, b"ready\n");
    assert_eq!(child.wait(&AtomicBool::new(true)).unwrap_err().code, "lost");
    assert!(life::started(child.pid()).is_some());
    drop(child);
    std::fs::write(release, "").unwrap();
    let told = told_after(&told, 2);
    assert_eq!((&told[1]["status"], &told[1]["late"]), (&7.into(), &true.into()));
}

#[test]
fn what_cannot_be_started_says_why() {
    let (uses, _) = journal(false);
    let fault = Child::start(&command("no-such-tool", &[]), &rules(), &uses).unwrap_err();
    assert_eq!(fault.code, "missing");
    let command = Command { user: Some("no-such-user".into()), ..command("id", &[]) };
    assert_eq!(Child::start(&command, &rules(), &uses).unwrap_err().code, "missing");
}
