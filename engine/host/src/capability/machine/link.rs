//! Offers `machine` to a guest. It must not know what a plugin makes of it.

use super::mountinfo;
use crate::bindings::cutwater::plugin::machine;
use crate::bindings::types::Fault as Told;
use crate::fault::Fault;
use crate::state::CallState;
use serde_json::json;
use wasmtime::component::{HasSelf, Linker};

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    machine::add_to_linker::<_, HasSelf<_>>(linker, |state| state.called("machine"))
}

impl machine::Host for CallState {
    /// A service is told of to whoever is granted it.
    fn declared(&mut self, kind: String, name: String) -> wasmtime::Result<Result<Option<String>, Told>> {
        if kind != "service" {
            let message = format!("nothing of kind `{kind}` is declared; `service` is");
            return Ok(Err(Fault::invalid(message).into()));
        }
        if let Err(denied) = self.rules.unit(&name, &format!("the service `{name}`")) {
            return Ok(Err(self.denied("machine", denied, json!({ "declared": kind, "name": name })).into()));
        }
        Ok(Ok(self.ground.policy.services.get(&name).map(|service| json!(service).to_string())))
    }

    fn mounts(&mut self) -> wasmtime::Result<Result<String, Told>> {
        let text = std::fs::read_to_string("/proc/self/mountinfo");
        let text = text.map_err(|error| Fault::io("the mounts cannot be read", error).into());
        Ok(text.map(|text| json!(mountinfo::mounts(&text)).to_string()))
    }

    fn boot_id(&mut self) -> wasmtime::Result<Result<String, Told>> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let text = text.map_err(|error| Fault::io("this boot has no id", error).into());
        Ok(text.map(|text| text.trim().to_owned()))
    }
}
