//! Going on with every run whose owner is gone. It must not know what any of them does.

use crate::args::Global;
use crate::exit::{Failure, Kind};
use crate::machine::ownership;
use crate::paths::Paths;
use crate::screen;
use cutwater_core::event::Outcome;
use cutwater_core::names::RunId;
use cutwater_store::Store;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

/// Names the socket of a service manager that wants to hear when this process is ready.
const NOTIFY: &str = "NOTIFY_SOCKET";

/// Each in a process of its own, all at once: one that hangs, is damaged or needs a person keeps no other waiting.
pub fn run(paths: &Paths, global: &Global, store: &Store, no_wait: bool) -> Result<(), Failure> {
    let mut children = Vec::new();
    let mut worst: Option<Failure> = None;
    let mut note = |failure: Failure| {
        if worst.as_ref().is_none_or(|worst| worst.kind.code() < failure.kind.code()) {
            worst = Some(failure);
        }
    };
    for summary in store.unfinished()? {
        let stopped = matches!(summary.ended, Some((Outcome::Stopped, _)));
        if stopped || ownership::is_owned(paths, &summary.run, ownership::by_journal(&summary)) {
            continue;
        }
        match in_a_process(paths, global, &summary.run, no_wait) {
            Ok(child) => children.push(child),
            Err(error) => note(Failure::new(Kind::Defect, error)),
        }
    }
    for (_, _, taken) in &children {
        // Its first line, or its end.
        let _said_nothing = taken.recv();
    }
    ready();
    for (mut child, said, _) in children {
        let status = child.wait();
        let _panicked = said.join();
        match status.map(|status| Kind::of_code(status.code())) {
            Ok(None) => {}
            Ok(Some(kind)) => note(Failure::said(kind)),
            Err(error) => note(Failure::new(Kind::Defect, error)),
        }
    }
    worst.map_or(Ok(()), Err)
}

/// A run's process, who prints what it says, and who tells that it has taken the run.
type Resumed = (Child, JoinHandle<()>, Receiver<()>);

/// Starts it; what it says comes out line by line, each with the run's name.
fn in_a_process(paths: &Paths, global: &Global, run: &RunId, no_wait: bool) -> std::io::Result<Resumed> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg("--root").arg(paths.root());
    for folder in &global.plugins {
        command.arg("--plugins").arg(folder);
    }
    command.args(global.json.then_some("--json")).args(["resume", run.as_str(), "--unasked"]);
    command.args(no_wait.then_some("--no-wait")).env_remove(NOTIFY);
    // A terminal's Ctrl-C ends the watching of the runs, and none of them.
    command.process_group(0);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (run, json) = (run.clone(), global.json);
    let (tell, taken) = channel();
    let named = run.clone();
    let errors = std::thread::Builder::new().name("errors".to_owned()).spawn(move || {
        lines(err, |line| screen::complain(&format!("{named}: {line}\n")));
    })?;
    let said = std::thread::Builder::new().name("output".to_owned()).spawn(move || {
        lines(out, |line| {
            let _told_before = tell.send(());
            match json.then(|| serde_json::from_str::<Value>(line)) {
                Some(Ok(Value::Object(mut value))) => {
                    value.insert("run".to_owned(), run.as_str().into());
                    screen::print_json(&value);
                }
                _ => screen::print(&format!("{run}: {line}\n")),
            }
        });
        let _panicked = errors.join();
    })?;
    Ok((child, said, taken))
}

fn lines(from: Option<impl Read>, mut tell: impl FnMut(&str)) {
    for line in from.into_iter().flat_map(|from| BufReader::new(from).lines()).map_while(Result::ok) {
        tell(&line);
    }
}

/// Tells a service manager that every run has an owner again: what is ordered behind may start, and starting it is not
/// waited for in vain by a run that does so itself.
fn ready() {
    let Some(name) = std::env::var_os(NOTIFY) else { return };
    let address = match name.as_encoded_bytes().strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
        None => SocketAddr::from_pathname(&name),
    };
    // Nobody is there to be told of a failure: the manager then waits for the end of this process.
    let _unheard = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address));
}
