//! One processor of the host for each machine: a user-mode kernel and its programs hand the processor to one another at
//! each system call, and on two of them each hand-over wakes the other (200 starts of /bin/true in one: 13.7 s, and 4.6 s under `taskset`).
//!
//! Must not know: what runs there.

use std::fs::File;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::place;

/// A processor that nobody else's machine runs on, as long as there are enough of them.
#[derive(Debug)]
pub(crate) struct Processor {
    number: usize,
    _claim: Option<File>,
}

impl Processor {
    /// The first that is free of those that this process may use; if none is, some one of them.
    pub(crate) fn claim() -> Result<Self> {
        let folder = place::made(&std::env::temp_dir().join("cutwater-lab"))?;
        let allowed = sched_getaffinity(None).context("ask for the processors")?;
        let numbers: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&number| allowed.is_set(number)).collect();
        for &number in &numbers {
            let path = folder.join(format!("processor-{number}"));
            let file = File::create(&path).with_context(|| format!("make {}", path.display()))?;
            if file.try_lock().is_ok() {
                return Ok(Self { number, _claim: Some(file) });
            }
        }
        let number = numbers[std::process::id() as usize % numbers.len()];
        Ok(Self { number, _claim: None })
    }

    /// Starts something there: what `start` forks is bound to this processor, and so is all that it starts.
    pub(crate) fn starting<T>(&self, start: impl FnOnce() -> T) -> Result<T> {
        let before = sched_getaffinity(None).context("ask for the processors")?;
        let mut only = CpuSet::new();
        only.set(self.number);
        sched_setaffinity(None, &only).context("keep to one processor")?;
        let started = start();
        sched_setaffinity(None, &before).context("use all processors again")?;
        Ok(started)
    }
}
