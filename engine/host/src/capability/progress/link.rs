//! Offers `progress` to a guest. It must not know who looks.

use crate::bindings::cutwater::plugin::progress;
use crate::state::CallState;
use cutwater_driver::ports::Report;
use wasmtime::component::{HasSelf, Linker};

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    progress::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl progress::Host for CallState {
    /// Passes on ten a second at most, and each one that says "all done".
    fn report(&mut self, done: u64, total: u64, unit: String) -> wasmtime::Result<()> {
        let now = self.ground.clock.monotonic();
        if self.limits.progress(now) || (total > 0 && done == total) {
            let unit = unit.chars().filter(|c| !c.is_control()).take(20).collect();
            let _ = self.reports.send(Report::Progress { call: self.id, done, total, unit });
        }
        Ok(())
    }
}
