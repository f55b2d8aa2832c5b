//! A guard that only remembers what it covers. It must not act: what it would do is done by the fault that it acts in.

use crate::faults::held;
use crate::ports::{CallId, Guard, GuardError};
use cutwater_core::answer::GiveBack;
use cutwater_core::names::{RunId, StepName};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What is under its eyes, and for how many milliseconds it was told to be.
#[derive(Debug, Default)]
pub struct Remembering {
    /// By step.
    pub covered: Mutex<BTreeMap<String, u64>>,
}

impl Guard for Remembering {
    fn arm(&self, _: &RunId) -> Result<u32, GuardError> {
        Ok(1)
    }

    fn cover(&self, step: &StepName, _: Option<CallId>, ms: u64, _: &[GiveBack]) -> Result<(), GuardError> {
        held(&self.covered).insert(step.to_string(), ms);
        Ok(())
    }

    fn renew(&self, step: &StepName, ms: u64) {
        if let Some(covered) = held(&self.covered).get_mut(step.as_str()) {
            *covered = ms;
        }
    }

    fn uncover(&self, step: &StepName) {
        held(&self.covered).remove(step.as_str());
    }

    fn alive(&self) -> bool {
        true
    }

    fn disarm(&self) {}
}
