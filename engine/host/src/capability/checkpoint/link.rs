//! Offers `checkpoint` to a guest. It must not know the journal.

use crate::admission::Phase;
use crate::bindings::cutwater::plugin::checkpoint;
use crate::bindings::types::Fault as Told;
use crate::fault::Fault;
use crate::limits;
use crate::state::CallState;
use wasmtime::component::{HasSelf, Linker};

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    checkpoint::add_to_linker::<_, HasSelf<_>>(linker, |state| state.called("checkpoint"))
}

impl checkpoint::Host for CallState {
    /// Durable when it returns. Previews and probes have nothing to resume.
    fn save(&mut self, state: String) -> wasmtime::Result<Result<(), Told>> {
        if matches!(self.rules.phase, Phase::Preview | Phase::Probe) {
            let message = format!("{} has no state to save", self.rules.phase);
            return Ok(Err(Fault::denied(message).into()));
        }
        let saved = limits::json("the checkpoint", &state, limits::CHECKPOINT)
            .map_err(Fault::invalid)
            .and_then(|state| self.checkpoint(state));
        Ok(saved.map_err(Told::from))
    }
}
