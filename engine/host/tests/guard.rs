//! The guard as a real process, with engines that are really killed or stopped. Needs root and loop devices.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use cutwater_host::capability::run::life;
use cutwater_host::guard::evidence;
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// An engine that holds a stream to us, and mounts.
struct Engine {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
    tell: ChildStdin,
    guard: u32,
    stream: UnixStream,
    folder: tempfile::TempDir,
}

impl Engine {
    fn holding(limit_ms: u64, mounts: &[&Path]) -> Self {
        Self::started_by(Command::new(env!("CARGO_BIN_EXE_cutwater-host-helper")), limit_ms, mounts)
    }

    /// In this control group, with all that it starts.
    fn inside(group: &Group, mounts: &[&Path]) -> Self {
        let mut command = Command::new("sh");
        let enter = "echo $$ >\"$0/cgroup.procs\" && exec \"$@\"";
        command.args(["-c", enter]).arg(&group.0).arg(env!("CARGO_BIN_EXE_cutwater-host-helper"));
        Self::started_by(command, 60_000, mounts)
    }

    fn started_by(mut command: Command, limit_ms: u64, mounts: &[&Path]) -> Self {
        let folder = tempfile::tempdir_in("/run").unwrap();
        let listener = UnixListener::bind(folder.path().join("peer")).unwrap();
        let mut process = command
            .arg("engine")
            .args([folder.path(), &folder.path().join("peer")])
            .arg(limit_ms.to_string())
            .args(mounts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let tell = process.stdin.take().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let guard = said.next().expect("the guard's pid").unwrap().parse().unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut engine = Self { process, said, tell, guard, stream, folder };
        engine.hears("held");
        engine
    }

    fn hears(&mut self, word: &str) {
        assert_eq!(self.said.next().unwrap().unwrap(), word);
    }

    fn told(&mut self, word: &str, answer: &str) {
        writeln!(self.tell, "{word}").unwrap();
        self.hears(answer);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn taken_over(&self) -> String {
        let file = self.folder.path().join("taken-over");
        until(|| file.exists());
        std::fs::read_to_string(file).unwrap()
    }

    fn evidence(&self) -> Vec<Value> {
        evidence::read(self.folder.path(), "r1").unwrap()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An ext4 on a loop device, never left frozen.
struct Mounted {
    at: PathBuf,
    _folder: tempfile::TempDir,
}

impl Mounted {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (image, at) = (folder.path().join("image"), folder.path().join("at"));
        std::fs::create_dir(&at).unwrap();
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        run("mkfs.ext4", &["-q", image.to_str().unwrap()]);
        run("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()]);
        Self { at, _folder: folder }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.at).stderr(Stdio::null()).status();
        let _ = Command::new("umount").arg(&self.at).stderr(Stdio::null()).status();
    }
}

/// A control group of this test's own.
struct Group(PathBuf);

impl Group {
    /// Below the first of these places that there is.
    fn below(places: &[&str], name: &str) -> Self {
        let place = places.iter().map(Path::new).find(|place| place.join("cgroup.procs").exists());
        let place = place.expect("control groups");
        // Groups of version 1 have each controller by themselves.
        let _ = std::fs::write(place.join("cgroup.subtree_control"), "+memory");
        let group = place.join(format!("cutwater-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&group).unwrap();
        Self(group)
    }

    fn set(&self, name: &str, value: &str) {
        std::fs::write(self.0.join(name), value).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let began = Instant::now();
        while std::fs::remove_dir(&self.0).is_err() && began.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
    }
}

fn run(program: &str, args: &[&str]) {
    assert!(Command::new(program).args(args).status().unwrap().success(), "{program} {args:?}");
}

fn until(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "it did not come to that");
        std::thread::yield_now();
    }
}

fn hung_up(engine: &mut Engine) {
    assert_eq!(engine.stream.read(&mut [0]).unwrap(), 0);
}

fn has_gone(pid: u32) {
    until(|| life::started(pid).is_none());
}

#[test]
fn a_killed_engine_s_file_systems_are_thawed_its_streams_shut_and_its_run_taken_over() {
    let mounted = Mounted::new();
    let mut engine = Engine::holding(60_000, &[&mounted.at]);
    engine.signal(Signal::KILL);
    std::fs::write(mounted.at.join("written"), "again").unwrap();
    hung_up(&mut engine);
    assert_eq!(engine.taken_over(), "resume r1 --take-over");
    let evidence = engine.evidence();
    assert_eq!(evidence.len(), 1);
    assert_eq!((&evidence[0]["why"], &evidence[0]["covered"]), (&json!("engine-died"), &json!(["pause"])));
    assert_eq!(evidence[0]["given-back"][0], json!({"thaw": mounted.at, "was-frozen": true}));
    assert_eq!(evidence[0]["given-back"][1], json!({"hang-up": 1, "error": null}));
    assert_eq!(evidence[0]["ends-engine"], false);
}

/// Sabotage: the guard left in the engine's control group.
#[test]
fn a_guard_outlives_its_engine_s_control_group() {
    let mounted = Mounted::new();
    let group = Group::below(&["/sys/fs/cgroup/unified", "/sys/fs/cgroup"], "killed");
    let mut engine = Engine::inside(&group, &[&mounted.at]);
    group.set("cgroup.kill", "1");
    std::fs::write(mounted.at.join("written"), "again").unwrap();
    hung_up(&mut engine);
    assert_eq!(engine.taken_over(), "resume r1 --take-over");
}

/// Sabotage: a guard that the kernel takes for the fatter one, or that needs memory to let go.
#[test]
fn an_engine_that_runs_out_of_memory_is_what_dies_of_it() {
    let mounted = Mounted::new();
    let group = Group::below(&["/sys/fs/cgroup/memory", "/sys/fs/cgroup"], "fat");
    let limit = ["memory.max", "memory.limit_in_bytes"].into_iter().find(|name| group.0.join(name).exists());
    group.set(limit.expect("a limit of memory"), "64M");
    let mut engine = Engine::inside(&group, &[&mounted.at]);
    writeln!(engine.tell, "eat").unwrap();
    std::fs::write(mounted.at.join("written"), "again").unwrap();
    hung_up(&mut engine);
    assert_eq!(engine.taken_over(), "resume r1 --take-over");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&engine.process.wait().unwrap()), Some(9));
}

#[test]
fn a_stopped_engine_is_ended_once_its_limit_and_margin_have_passed() {
    let mounted = Mounted::new();
    let mut engine = Engine::holding(1_500, &[&mounted.at]);
    engine.signal(Signal::STOP);
    std::fs::write(mounted.at.join("written"), "again").unwrap();
    hung_up(&mut engine);
    assert_eq!(engine.taken_over(), "resume r1 --take-over");
    assert_eq!(engine.evidence()[0]["why"], json!({"overdue": ["pause"]}));
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&engine.process.wait().unwrap()), Some(9));
}

/// Sabotage: an engine that waits for its guard's answer, and looks at no limit meanwhile; a guard believed for ever.
#[test]
fn a_stopped_guard_stops_no_engine_and_is_given_up() {
    let mut engine = Engine::holding(60_000, &[]);
    let guard = Pid::from_raw(i32::try_from(engine.guard).unwrap()).unwrap();
    rustix::process::kill_process(guard, Signal::STOP).unwrap();
    let began = Instant::now();
    engine.told("pulse", "alive");
    engine.told("pulse", "alive");
    assert!(began.elapsed() < Duration::from_secs(5), "the engine waited for it");
    loop {
        writeln!(engine.tell, "pulse").unwrap();
        if engine.said.next().unwrap().unwrap() == "dead" {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it is still believed");
        std::thread::sleep(Duration::from_millis(200));
    }
    rustix::process::kill_process(guard, Signal::KILL).unwrap();
}

/// Sabotage: a sign of life that does not move the deadline.
#[test]
fn an_engine_that_gives_signs_of_life_is_left_alone() {
    let mut engine = Engine::holding(1_500, &[]);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        engine.told("pulse", "alive");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(engine.evidence(), Vec::<Value>::new());
    engine.signal(Signal::KILL);
    assert_eq!(engine.taken_over(), "resume r1 --take-over");
}

#[test]
fn a_released_hold_can_be_unmounted_and_its_engine_s_death_means_nothing() {
    let mounted = Mounted::new();
    let mut engine = Engine::holding(60_000, &[&mounted.at]);
    engine.told("release", "released");
    run("umount", &[mounted.at.to_str().unwrap()]);
    engine.signal(Signal::KILL);
    has_gone(engine.guard);
    assert_eq!(engine.evidence(), Vec::<Value>::new());
    assert!(!engine.folder.path().join("taken-over").exists());
}

#[test]
fn a_disarmed_guard_ends_and_leaves_no_control_group() {
    let mut engine = Engine::holding(0, &[]);
    let groups = || {
        std::fs::read_to_string(format!("/proc/{}/cgroup", engine.guard))
            .ok()
            .and_then(|text| text.lines().find_map(|line| Some(line.strip_prefix("0::")?.to_owned())))
    };
    let group = groups().expect("a guard of its own group");
    assert!(group.starts_with("/cutwater-guard-r1-"), "{group}");
    engine.told("disarm", "disarmed");
    has_gone(engine.guard);
    assert!(!Path::new("/sys/fs/cgroup").join(&group[1..]).exists());
    assert!(!Path::new("/sys/fs/cgroup/unified").join(&group[1..]).exists());
}

#[test]
fn the_guard_is_deaf_to_what_ends_a_terminal_s_programs() {
    let engine = Engine::holding(60_000, &[]);
    let guard = Pid::from_raw(i32::try_from(engine.guard).unwrap()).unwrap();
    for signal in [Signal::INT, Signal::HUP, Signal::TERM] {
        rustix::process::kill_process(guard, signal).unwrap();
    }
    engine.signal(Signal::KILL);
    assert_eq!(engine.taken_over(), "resume r1 --take-over");
}
