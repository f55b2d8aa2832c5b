//! Offers `log` to a guest. It must not know where words are shown.

use crate::bindings::cutwater::plugin::log::{self, Level};
use crate::state::CallState;
use wasmtime::component::{HasSelf, Linker};

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    log::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl log::Host for CallState {
    /// A line is cut at its limit; what a call says beyond its limit is dropped, and that is said once.
    fn log(&mut self, level: Level, text: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        match self.limits.words(&text).map(str::to_owned) {
            Some(text) => self.said(level, &text),
            None if self.limits.silenced() => {
                self.said("warn", "this call has said all that a call may say; the rest is dropped");
            }
            None => {}
        }
        Ok(())
    }
}
