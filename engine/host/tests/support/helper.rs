//! Stands in for the real binary in this crate's tests: its hidden subcommand, and engines that are killed while they
//! hold something or are about to start something.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "it is a command of the tests")]

use cutwater_core::answer::GiveBack;
use cutwater_driver::ports::{CallId, Guard};
use cutwater_host::capability::connect::streams::Streams;
use cutwater_host::capability::freeze::kernel;
use cutwater_host::capability::run::launch::{self, Orders};
use cutwater_host::guard;
use cutwater_host::guard::client::{ProcessGuard, Settings};
use cutwater_host::guard::keeper::Keeper;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [guard::process::COMMAND] => guard::process::main(),
        ["--record", file, rest @ ..] => {
            let part = format!("{file}.part");
            std::fs::write(&part, rest.join(" ")).and_then(|()| std::fs::rename(&part, file)).unwrap();
            ExitCode::SUCCESS
        }
        ["waiting", traces @ ..] => waiting(traces),
        ["engine", folder, socket, limit, mounts @ ..] => engine(folder.as_ref(), socket, limit, mounts),
        _ => ExitCode::from(2),
    }
}

/// Has a process waiting for each trace that it would leave, says their pids, and gives no go-ahead.
fn waiting(traces: &[&str]) -> ExitCode {
    let all: Vec<_> = traces
        .iter()
        .map(|&trace| {
            let orders = Orders {
                program: "/usr/bin/touch".into(),
                name: "touch".into(),
                args: vec![trace.into()],
                env: Default::default(),
                ids: None,
                outlives_reader: false,
            };
            launch::wait(&orders, b"input").unwrap().0
        })
        .collect();
    for one in &all {
        println!("{}", one.pid);
    }
    loop {
        std::thread::park();
    }
}

/// Covers the step `pause` for `limit` ms, with a stream to `socket` and frozen `mounts`, says `held`, and then does
/// as it is told on standard input: `release`, `disarm`, `eat` (memory), or nothing.
fn engine(folder: &Path, socket: &str, limit: &str, mounts: &[&str]) -> ExitCode {
    let me = std::env::current_exe().unwrap();
    let record = folder.join("taken-over");
    let settings = Settings {
        guard: vec![me.clone().into(), guard::process::COMMAND.into()],
        engine: vec![me.display().to_string(), "--record".into(), record.display().to_string()],
        folder: folder.to_owned(),
        margin: Duration::from_millis(100),
        without_scope: false,
    };
    let streams = Streams::default();
    let guard = ProcessGuard::new(settings, streams.clone());
    println!("{}", guard.arm(&"r1".into()).unwrap());
    let stream = UnixStream::connect(socket).unwrap();
    let id = streams.enter(stream.as_fd()).unwrap();
    let (step, call, limit) = ("pause".into(), CallId(7), limit.parse().unwrap());
    if limit > 0 {
        assert!(guard.keep_mount("other", "/".as_ref(), stream.as_fd()).is_err());
        guard.cover(&step, None, limit, &[]).unwrap();
        for at in mounts {
            let mount = File::open(at).unwrap();
            guard.keep_mount("pause", at.as_ref(), mount.as_fd()).unwrap();
            kernel::freeze(&mount).unwrap();
        }
        let frozen = mounts.iter().map(|at| GiveBack::Thaw(at.to_string()));
        let give_backs: Vec<_> = frozen.chain([GiveBack::HangUp(id)]).collect();
        guard.cover(&step, Some(call), limit, &give_backs).unwrap();
    }
    assert!(guard.alive());
    println!("held");
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "release" => {
                for at in mounts.iter().map(PathBuf::from) {
                    assert!(kernel::thaw(File::open(&at).unwrap()).unwrap());
                    guard.give_mount("pause", &at);
                }
                guard.uncover(&step);
                println!("released");
            }
            // More than any machine has.
            "eat" => {
                let mut eaten: Vec<Vec<u8>> = Vec::new();
                loop {
                    eaten.push(vec![1; 1 << 20]);
                }
            }
            "pulse" => {
                guard.renew(&step, 60_000);
                println!("{}", if guard.alive() { "alive" } else { "dead" });
            }
            "disarm" => {
                guard.disarm();
                assert!(!guard.alive());
                println!("disarmed");
            }
            _ => return ExitCode::from(2),
        }
    }
    loop {
        std::thread::park();
    }
}
