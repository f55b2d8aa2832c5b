//! Offers `random` to a guest. It must not know what they are for.

use crate::bindings::cutwater::plugin::random;
use crate::state::CallState;
use wasmtime::component::{HasSelf, Linker};

const MOST: u32 = 64 << 10;

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    random::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl random::Host for CallState {
    /// Asking for more than 64 KiB at once, or a kernel that gives none, ends the call: there is no answer that a guest could
    /// go on with.
    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        if count > MOST {
            return Err(wasmtime::format_err!(
                "{count} random bytes were asked for; at most {MOST} are given at once"
            ));
        }
        let mut bytes = vec![0; count as usize];
        (self.ground.random)(&mut bytes)?;
        Ok(bytes)
    }
}
