//! A lab machine that runs: waiting for its job, watching its share, cutting its power.
//!
//! Must not know: how the machine was put together.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::group::Group;
use crate::processor::Processor;

const STEP: Duration = Duration::from_millis(10);
const FAREWELL: Duration = Duration::from_secs(30);

/// A booted machine. Dropped while it runs, it is killed.
#[derive(Debug)]
pub struct Running {
    pub(crate) child: Child,
    pub(crate) group: Group,
    pub(crate) share: PathBuf,
    pub(crate) console: PathBuf,
    pub(crate) _processor: Processor,
}

/// How a job ended, and the share with what it left there.
#[derive(Debug)]
pub struct Outcome {
    /// The job's exit status.
    pub status: i32,
    /// The folder that was the job's `$OUT`.
    pub share: PathBuf,
}

impl Outcome {
    /// The text of a file in the share.
    pub fn read(&self, name: &str) -> Result<String> {
        let path = self.share.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// What the job printed (both streams).
    pub fn log(&self) -> String {
        lossy(&self.share.join("job.log"))
    }

    /// The outcome if the job ended with 0, else an error that holds its log.
    pub fn success(self) -> Result<Self> {
        match self.status {
            0 => Ok(self),
            status => bail!("the lab's job ended with {status}:\n{}", self.log()),
        }
    }
}

impl Running {
    /// Waits until the machine has powered itself off. At the time limit it is killed, and the
    /// error holds the last lines of what it said.
    pub fn wait(mut self, at_most: Duration) -> Result<Outcome> {
        let deadline = Instant::now() + at_most;
        while self.poll()?.is_none() {
            if Instant::now() > deadline {
                let words = self.last_words();
                self.stop()?;
                bail!("the lab did not power off within {at_most:?}\n{words}");
            }
            std::thread::sleep(STEP);
        }
        self.group.wait_until_empty(FAREWELL)?;
        self.outcome()
    }

    /// Waits until the share holds the file (which the job makes when it has got somewhere).
    pub fn wait_for_file(&mut self, name: &str, at_most: Duration) -> Result<()> {
        let file = self.share.join(name);
        let deadline = Instant::now() + at_most;
        while !file.exists() {
            if let Some(status) = self.poll()? {
                bail!("the lab ended ({status}) before {name}\n{}", self.last_words());
            }
            if Instant::now() > deadline {
                bail!("no {name} within {at_most:?}\n{}", self.last_words());
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Whether the machine has ended by itself, and how its kernel's process ended.
    pub fn poll(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("wait for the lab's kernel")
    }

    /// A power cut: every process of the machine is killed. When this returns the disks are what
    /// a crashed machine leaves, and free to boot on.
    pub fn cut_power(mut self) -> Result<()> {
        self.stop()
    }

    /// The folder that is the job's `$OUT`.
    pub fn share(&self) -> &Path {
        &self.share
    }

    fn stop(&mut self) -> Result<()> {
        self.group.kill()?;
        self.child.wait().context("wait for the lab's kernel")?;
        self.group.wait_until_empty(FAREWELL)
    }

    fn outcome(&self) -> Result<Outcome> {
        let status = self.share.join("status");
        let text = std::fs::read_to_string(&status)
            .with_context(|| format!("the lab ended without its job's status\n{}", self.last_words()))?;
        Ok(Outcome {
            status: text
                .trim()
                .parse()
                .with_context(|| format!("'{}' in {}", text.trim(), status.display()))?,
            share: self.share.clone(),
        })
    }

    fn last_words(&self) -> String {
        [&self.console, &self.share.join("boot.log"), &self.share.join("job.log")]
            .map(|path| format!("--- {}\n{}", path.display(), tail(&lossy(path), 40)))
            .join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // Nothing can be done about a failure here, and a panic would hide the first one.
            drop(self.stop());
        }
    }
}

fn lossy(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
