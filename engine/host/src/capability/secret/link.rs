//! Offers `secret` to a guest. It must not know where a secret is.

use super::source;
use crate::bindings::cutwater::plugin::secret;
use crate::bindings::types::Fault as Told;
use crate::fault::Fault;
use crate::state::CallState;
use serde_json::json;
use wasmtime::component::{HasSelf, Linker};

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    secret::add_to_linker::<_, HasSelf<_>>(linker, |state| state.called("secret"))
}

impl secret::Host for CallState {
    /// From here on the call's words, uses and checkpoints are without it.
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, Told>> {
        if let Err(denied) = self.rules.admit_secret(&name) {
            return Ok(Err(self.denied("secret", denied, json!({ "name": name })).into()));
        }
        let source = self.ground.policy.secrets.get(&name).ok_or_else(|| {
            Fault::missing(format!(
                "the host's policy says nothing about a secret `{}`",
                name.escape_default()
            ))
        });
        let value = source.and_then(|source| source::read(&name, source));
        if let Ok(value) = &value {
            self.uses.redactor().learn(&name, value);
        }
        self.used(json!({
            "capability": "secret", "name": name, "error": value.as_ref().err().map(|f| &f.message),
        }));
        Ok(value.map_err(Told::from))
    }
}
