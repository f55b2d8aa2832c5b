//! A process group that was started here: killing all of it, and waiting until none of it is left.
//!
//! Must not know: what the processes do. Nothing is ever killed by name.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

/// The process group led by a child of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group(Pid);

impl Group {
    /// `leader` must have been started as the leader of a group of its own.
    pub(crate) fn led_by(leader: u32) -> Result<Self> {
        i32::try_from(leader)
            .ok()
            .and_then(Pid::from_raw)
            .map(Self)
            .with_context(|| format!("{leader} is no process id"))
    }

    /// Kills every process of the group. A group that is gone already is fine.
    pub(crate) fn kill(self) -> Result<()> {
        match kill_process_group(self.0, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error).context("kill the machine's processes"),
        }
    }

    /// Waits until no process of the group is alive. The disks are free only then.
    pub(crate) fn wait_until_empty(self, at_most: Duration) -> Result<()> {
        let deadline = Instant::now() + at_most;
        while self.has_living_members()? {
            if Instant::now() > deadline {
                bail!("processes of group {} outlive it", self.0.as_raw_nonzero());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Zombies hold nothing and count as gone: who reaps orphans here is not ours to choose.
    fn has_living_members(self) -> Result<bool> {
        for entry in std::fs::read_dir("/proc").context("list /proc")? {
            let path = entry.context("list /proc")?.path().join("stat");
            let Ok(stat) = std::fs::read_to_string(path) else {
                continue; // no process, or one that has just ended
            };
            // "pid (name) state ppid pgrp …"; the name may hold anything, also parentheses.
            let mut fields = stat.rsplit(") ").next().unwrap_or("").split(' ');
            let (state, group) = (fields.next(), fields.nth(1));
            let ours = group.and_then(|text| text.parse().ok()) == Some(self.0.as_raw_nonzero().get());
            if ours && !matches!(state, Some("Z" | "X")) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
