//! Offers `clock` to a guest. It must not know what is timed.

use crate::bindings::cutwater::plugin::clock;
use crate::bindings::types::Fault as Told;
use crate::fault::Fault;
use crate::state::CallState;
use std::time::{Duration, Instant};
use wasmtime::component::{HasSelf, Linker};

const SLICE: Duration = Duration::from_millis(50);

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    clock::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl clock::Host for CallState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.ground.clock.now()).unwrap_or(0))
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        Ok(self.ground.clock.monotonic())
    }

    /// Ends with `stopping` once the call is told to stop.
    fn sleep(&mut self, ms: u64) -> wasmtime::Result<Result<(), Told>> {
        let (began, time) = (Instant::now(), Duration::from_millis(ms));
        loop {
            let left = time.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(Ok(()));
            }
            if self.stopping() {
                return Ok(Err(Fault::stopping().into()));
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}
