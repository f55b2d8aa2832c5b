//! What the guard does alone: thaw, shut streams down, and only then write it down, end a hung engine and start the
//! take-over. All that it gives back is safe on either side of the point of no return; everything else is the new
//! owner's to decide, by the journal. It must not know when to act.

use super::evidence;
use super::words::Kept;
use crate::capability::freeze::kernel;
use rustix::net::Shutdown;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long thawing may take before the guard goes on without it.
const THAWING: Duration = Duration::from_secs(20);
/// How long a killed engine may take to be gone.
const DYING: Duration = Duration::from_secs(60);

/// What the guard was armed with.
#[derive(Debug)]
pub struct Orders {
    /// The run.
    pub run: String,
    /// Folder of evidence and log.
    pub folder: PathBuf,
    /// Program and arguments that take the run over.
    pub take_over: Vec<String>,
    /// The engine.
    pub engine: OwnedFd,
}

/// Why it acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The engine is gone.
    EngineDied,
    /// The engine lives, but these steps are past their time.
    Overdue(Vec<String>),
}

/// Gives everything back, writes it down, and becomes the process that takes the run over. Returns only when that
/// cannot be started.
pub fn act(orders: &Orders, cause: &Cause, covered: &[String], kept: Vec<(Kept, OwnedFd)>) {
    let given = give_back(kept);
    let killed = matches!(cause, Cause::Overdue(_));
    let why = match cause {
        Cause::EngineDied => json!("engine-died"),
        Cause::Overdue(steps) => json!({ "overdue": steps }),
    };
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let what = json!({
        "run": orders.run, "at": u64::try_from(at.as_millis()).unwrap_or(u64::MAX), "pid": std::process::id(),
        "why": why, "covered": covered, "given-back": given, "ends-engine": killed,
    });
    let _ = evidence::add(&orders.folder, &orders.run, &what);
    if killed {
        end(&orders.engine);
    }
    let error = take_over(orders);
    let _ = evidence::add(&orders.folder, &orders.run, &json!({ "take-over-failed": error.to_string() }));
}

/// Thaws everything at once, each in a thread of its own so that one that hangs keeps no other waiting; then shuts
/// down the streams.
fn give_back(kept: Vec<(Kept, OwnedFd)>) -> Vec<Value> {
    let (done, thawed) = channel();
    let mut streams = Vec::new();
    let mut waiting = 0;
    for (what, fd) in kept {
        match what {
            Kept::Stream(id) => streams.push((id, fd)),
            Kept::Mount(at) => {
                let done = done.clone();
                let thaw = move || {
                    let _ = done.send(thaw(&at, &fd));
                };
                waiting += 1;
                if std::thread::Builder::new().stack_size(64 * 1024).spawn(thaw).is_err() {
                    waiting -= 1;
                }
            }
        }
    }
    let mut given: Vec<_> = (0..waiting).map_while(|_| thawed.recv_timeout(THAWING).ok()).collect();
    for (id, fd) in streams {
        let outcome = rustix::net::shutdown(&fd, Shutdown::Both);
        given.push(json!({ "hang-up": id, "error": outcome.err().map(|error| error.to_string()) }));
    }
    given
}

fn thaw(at: &str, fd: &OwnedFd) -> Value {
    match kernel::thaw(fd) {
        Ok(frozen) => json!({ "thaw": at, "was-frozen": frozen }),
        Err(error) => json!({ "thaw": at, "error": error.to_string() }),
    }
}

/// So that a run never has two owners: a killed process executes nothing any more, even while it is still listed.
fn end(engine: &OwnedFd) {
    let _ = rustix::process::pidfd_send_signal(engine, Signal::KILL);
    let mut fds = [rustix::event::PollFd::from_borrowed_fd(engine.as_fd(), rustix::event::PollFlags::IN)];
    let _ = crate::waiting::once(&mut fds, DYING);
}

fn take_over(orders: &Orders) -> std::io::Error {
    let Some((program, args)) = orders.take_over.split_first() else {
        return std::io::Error::other("nothing was given to take over with");
    };
    super::process::ordinary();
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(evidence::log(&orders.folder, &orders.run));
    let stream = |log: &std::io::Result<std::fs::File>| match log {
        Ok(log) => log.try_clone().map_or_else(|_| Stdio::null(), Stdio::from),
        Err(_) => Stdio::null(),
    };
    Command::new(program).args(args).stdin(Stdio::null()).stdout(stream(&log)).stderr(stream(&log)).exec()
}
