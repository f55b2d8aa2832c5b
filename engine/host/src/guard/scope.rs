//! Where the guard lives, so that what ends the engine's unit or session does not end the guard: a transient systemd
//! scope, else a control group of its own. It must not know what the guard does.

use cutwater_driver::ports::GuardError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A place outside the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// systemd makes a scope of this name.
    Systemd(String),
    /// A control group (version 2), made here.
    Group(PathBuf),
    /// None: the guard only has its own session.
    None,
}

const PREFIX: &str = "cutwater-guard-";

impl Scope {
    /// The scopes to try for a guard of `run`, best first. With none but [`Scope::None`] left and not `without`: why.
    pub fn choices(run: &str, without: bool) -> Vec<Self> {
        let name = format!("{PREFIX}{run}-{}", std::process::id());
        let systemd = Path::new("/run/systemd/system").is_dir().then(|| Self::Systemd(name.clone()));
        let group = groups().map(|root| Self::Group(root.join(&name)));
        systemd.into_iter().chain(group).chain(without.then_some(Self::None)).collect()
    }

    /// The command that starts `guard` in this scope; the process it makes is the guard itself in each case.
    pub fn command(&self, guard: &[OsString]) -> Vec<OsString> {
        match self {
            Self::Systemd(name) => {
                let around = ["systemd-run", "--scope", "--quiet", "--collect", "--unit", name, "--"];
                around.iter().map(OsString::from).chain(guard.iter().cloned()).collect()
            }
            Self::Group(_) | Self::None => guard.to_vec(),
        }
    }

    /// Moves a started guard in, where the command has not done so.
    pub fn take_in(&self, pid: u32) -> Result<(), GuardError> {
        let Self::Group(folder) = self else { return Ok(()) };
        let failed = |error| GuardError(format!("no control group {}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        std::fs::write(folder.join("cgroup.procs"), pid.to_string()).map_err(failed)
    }

    /// Removes what is left of it and of others whose guards are gone.
    pub fn sweep(&self) {
        let Self::Group(folder) = self else { return };
        let Some(entries) = folder.parent().and_then(|root| std::fs::read_dir(root).ok()) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                // The kernel refuses as long as a process is in it.
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }
}

/// Where control groups of version 2 are mounted.
fn groups() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let at = left.split(' ').nth(4)?;
        right.starts_with("cgroup2 ").then(|| PathBuf::from(at))
    })
}
