//! The witness against a real PostgreSQL: it loses nothing, sees a restart as a gap, and turns red
//! when one acknowledged row is taken away.

#![expect(clippy::unwrap_used, reason = "a test")]

mod server;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cutwater_witness::{Records, Watch, verify, watch};
use server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cutwater-witness");

struct Run {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Run {
    fn start(server: &Server, acks: &Path) -> Self {
        let plan = Watch {
            config: server.config(),
            clients: 3,
            folder: acks.to_owned(),
            pause: Duration::ZERO,
            stop_file: None,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        Self { stop, thread: std::thread::spawn(move || watch(&plan, &flag).unwrap()) }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn wait_until_acked(acks: &Path, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !acks.is_dir() || Records::read(acks).unwrap().acked().count() < count {
        assert!(Instant::now() < deadline, "not {count} acknowledged writes within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_restart_loses_nothing_and_is_seen_as_the_longest_gap() {
    let mut server = Server::new();
    let scratch = tempfile::tempdir().unwrap();
    let acks = scratch.path().join("acks");
    let run = Run::start(&server, &acks);
    wait_until_acked(&acks, 100);
    let before = Instant::now();
    server.stop();
    server.start();
    let down = before.elapsed();
    let so_far = Records::read(&acks).unwrap().acked().count();
    wait_until_acked(&acks, so_far + 100);
    run.end();

    let records = Records::read(&acks).unwrap();
    let gap = records.longest_gap().unwrap();
    assert!(gap.ms > 10.0 && gap.ms < down.as_secs_f64() * 1e3 + 3e3, "{gap:?}, down for {down:?}");
    let report = verify(&records, &server.config(), Some(gap.ended_unix_ns)).unwrap();
    assert_eq!(report.lost, []);
    assert_eq!(report.found, report.acked);
    assert!(report.acked_before >= 100 && report.acked_after >= 100, "{report:?}");
    assert_eq!(report.acked_before + report.acked_after, report.acked);
}

#[test]
fn a_row_that_was_acknowledged_and_is_gone_turns_the_verdict_red() {
    let server = Server::new();
    let scratch = tempfile::tempdir().unwrap();
    let acks = scratch.path().join("acks");
    let run = Run::start(&server, &acks);
    wait_until_acked(&acks, 20);
    run.end();
    assert_eq!(program(&["verify", "--acks"], &acks, &server).0, Some(0));

    let planted = Records::read(&acks).unwrap().acked().nth(7).unwrap();
    let gone = server
        .client()
        .execute("delete from ledger where client = $1 and n = $2", &[&planted.client, &planted.n])
        .unwrap();
    assert_eq!(gone, 1);
    let (status, text) = program(&["verify", "--acks"], &acks, &server);
    assert_eq!(status, Some(1), "{text}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["lost"], serde_json::json!([[planted.client, planted.n]]));
}

#[test]
fn a_second_run_goes_on_with_numbers_of_its_own() {
    let server = Server::new();
    let scratch = tempfile::tempdir().unwrap();
    let acks = scratch.path().join("acks");
    let first = Run::start(&server, &acks);
    wait_until_acked(&acks, 20);
    first.end();
    // A row that was committed while nobody heard the answer, as after a power cut.
    let heard = Records::read(&acks).unwrap();
    let next = heard.acked().filter(|ack| ack.client == 1).count();
    let unheard = i64::try_from(next).unwrap() + 1;
    server.client().execute("insert into ledger values (1, $1)", &[&unheard]).unwrap();
    let second = Run::start(&server, &acks);
    wait_until_acked(&acks, heard.acked().count() + 40);
    second.end();

    let report = verify(&Records::read(&acks).unwrap(), &server.config(), None).unwrap();
    assert_eq!((report.lost.len(), report.unknown_present), (0, 1), "{report:?}");
}

#[test]
fn a_database_that_cannot_be_asked_is_neither_green_nor_red() {
    let mut server = Server::new();
    let scratch = tempfile::tempdir().unwrap();
    server.stop();
    assert_eq!(program(&["verify", "--acks"], scratch.path(), &server).0, Some(3));
}

#[test]
fn a_stop_file_and_a_signal_end_a_run_in_order() {
    let server = Server::new();
    let scratch = tempfile::tempdir().unwrap();
    for by_signal in [false, true] {
        let (acks, file) = (scratch.path().join(format!("{by_signal}")), scratch.path().join("stop"));
        let mut child = Command::new(PROGRAM)
            .args(["run", "--dsn", &server.dsn(), "--clients", "2", "--stop-file"])
            .arg(&file)
            .arg("--acks")
            .arg(&acks)
            .spawn()
            .unwrap();
        wait_until_acked(&acks, 5);
        if by_signal {
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        } else {
            std::fs::write(&file, "").unwrap();
        }
        assert_eq!(child.wait().unwrap().code(), Some(0));
        std::fs::remove_file(&file).ok();
        assert!(Records::read(&acks).unwrap().longest_gap().is_some());
    }
}

fn program(command: &[&str], acks: &Path, server: &Server) -> (Option<i32>, String) {
    let output =
        Command::new(PROGRAM).args(command).arg(acks).args(["--dsn", &server.dsn()]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}
