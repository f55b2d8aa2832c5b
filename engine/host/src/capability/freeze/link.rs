//! Offers `freeze` to a guest. It must not know how a file system is frozen.

use super::hold;
use crate::bindings::cutwater::plugin::freeze;
use crate::bindings::types::Fault as Told;
use crate::state::CallState;
use serde_json::json;
use wasmtime::component::{HasSelf, Linker};

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    freeze::add_to_linker::<_, HasSelf<_>>(linker, |state| state.called("freeze"))
}

impl freeze::Host for CallState {
    fn freeze(&mut self, at: String) -> wasmtime::Result<Result<(), Told>> {
        let what = json!({ "verb": "freeze", "at": at });
        if let Err(denied) = self.rules.admit_freeze(&at) {
            return Ok(Err(self.denied("freeze", denied, what).into()));
        }
        let done = hold::freeze(&at, &self.caller.step, self.ground.keeper.as_deref(), &self.ground.carried);
        self.used(json!({
            "capability": "freeze", "verb": "freeze", "at": at, "error": done.as_ref().err().map(|f| &f.message),
        }));
        Ok(done.map_err(Told::from))
    }

    fn thaw(&mut self, at: String) -> wasmtime::Result<Result<(), Told>> {
        let what = json!({ "verb": "thaw", "at": at });
        if let Err(denied) = self.rules.admit_thaw(&at) {
            return Ok(Err(self.denied("freeze", denied, what).into()));
        }
        let done = hold::thaw(&at, &self.caller.step, self.ground.keeper.as_deref());
        self.used(json!({
            "capability": "freeze", "verb": "thaw", "at": at, "was-frozen": done.as_ref().ok(),
            "error": done.as_ref().err().map(|f| &f.message),
        }));
        Ok(done.map(drop).map_err(Told::from))
    }
}
