//! Faults that were asked for on the command line, before what a run stands on. It must not know what strikes where.

use super::Machine;
use crate::exit::{Failure, Kind};
use crate::screen;
use cutwater_driver::engine::Ports;
use cutwater_driver::faults::{Death, Fault, Planned, hooked};
use rustix::process::{Signal, getpid, kill_process};
use std::sync::Arc;

impl Machine {
    /// Lets these faults strike the run of this process, and says so.
    ///
    /// # Errors
    /// The host's policy does not allow faults.
    pub fn struck_by(mut self, faults: &[Fault]) -> Result<Self, Failure> {
        if !faults.is_empty() && !self.policy.faults {
            let policy = self.paths.policy();
            let text = format!("no fault strikes here: {} does not say `faults: allow`", policy.display());
            return Err(Failure::words(Kind::Invalid, text));
        }
        for fault in faults {
            screen::complain(&format!("a fault will strike: {fault}\n"));
        }
        self.faults = faults.to_vec();
        Ok(self)
    }
}

/// The same ports with the faults before them.
pub fn before(ports: Ports, faults: &[Fault]) -> Ports {
    if faults.is_empty() {
        return ports;
    }
    hooked(ports, Arc::new(Planned::new(faults.to_vec())), Arc::new(end))
}

/// A dead engine is killed; one that was taken over hangs.
fn end(death: Death) {
    let signal = match death {
        Death::Killed => Signal::KILL,
        Death::TakenOver => Signal::STOP,
    };
    // There is nobody to tell if it does not die.
    let _ = kill_process(getpid(), signal);
}
