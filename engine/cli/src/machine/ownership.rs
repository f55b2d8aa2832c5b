//! Who runs things here, and whether a run has an owner. It must not take any run.

use crate::exit::{Failure, Kind};
use crate::paths::Paths;
use cutwater_core::names::RunId;
use cutwater_driver::engine::Owner;
use cutwater_driver::ports::Clock;
use cutwater_host::ground::SystemClock;
use cutwater_host::socket::client::{self, SendError};
use cutwater_host::socket::words::Request;
use cutwater_host::users;
use cutwater_store::Summary;
use std::time::{Duration, Instant};

/// How long a process that was just killed may take to be gone.
const DYING: Duration = Duration::from_secs(2);

/// Process and boot of whoever took the run last.
pub fn by_journal(summary: &Summary) -> Option<(u32, &str)> {
    summary.owner.as_ref().map(|owner| (owner.pid, owner.boot.as_str()))
}

/// Whether somebody alive listens for this run, or the process and boot that own it by the journal still are.
pub fn is_owned(paths: &Paths, run: &RunId, owner: Option<(u32, &str)>) -> bool {
    !matches!(client::send(&paths.run(), run.as_str(), &Request::Ping), Err(SendError::NoOwner(_)))
        || owner.is_some_and(|(pid, boot)| lives(pid, boot))
}

/// Refuses where the process that owns the run by the journal is alive though its socket is not: what is written behind
/// its back takes the run from it in the middle of what it does.
pub fn nobody_lives(run: &RunId, owner: Option<(u32, &str)>) -> Result<(), Failure> {
    let Some((pid, boot)) = owner else { return Ok(()) };
    let began = Instant::now();
    while lives(pid, boot) {
        if began.elapsed() >= DYING {
            let text = format!(
                "process {pid} owns run {run} and is alive, but cannot be reached from outside; to let it undo \
                 everything: kill -TERM {pid}; to leave things as they are: kill -KILL {pid}, then cutwater resume {run}"
            );
            return Err(Failure::words(Kind::Lost, text));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Whether that process is an engine other than this one. One that is gone but not yet collected has no program.
fn lives(pid: u32, boot: &str) -> bool {
    let program = |pid: &str| {
        let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some(name.strip_suffix(" (deleted)").map(str::to_owned).unwrap_or(name))
    };
    pid != std::process::id() && boot == this_boot() && {
        let theirs = program(&pid.to_string());
        theirs.is_some() && theirs == program("self")
    }
}

fn this_boot() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    boot.trim().to_owned()
}

/// Milliseconds since 1970.
pub fn now() -> i64 {
    SystemClock.now()
}

/// The user, and the one behind `sudo` where there is one.
pub fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let name = users::name_of(uid).unwrap_or_else(|| uid.to_string());
    match std::env::var("SUDO_USER") {
        Ok(behind) if uid == 0 && !behind.is_empty() && behind != name => {
            format!("{name} (sudo by {behind})")
        }
        _ => name,
    }
}

/// This process as an owner.
pub fn owner(no_wait: bool, faults: bool) -> Owner {
    Owner { by: user(), pid: std::process::id(), boot: this_boot(), no_wait, faults }
}
