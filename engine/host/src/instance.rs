//! One instance of a plugin, and the calls into it: how long a guest may compute, and what becomes of a trap. It must not
//! know runs.

use crate::bindings::{hold, plugin, step};
use crate::registry::Loaded;
use crate::runtime::{Runtime, TICK};
use crate::state::CallState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wasmtime::{Store, UpdateDeadline};

/// How long a guest may compute, host calls not counted.
pub const COMPUTING: Duration = Duration::from_secs(120);
/// The same for a preview or a description.
pub const SHOWING: Duration = Duration::from_secs(20);

/// A guest ended without an answer: a trap, a limit, a stop. What it did until then stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Trapped(pub String);

impl From<wasmtime::Error> for Trapped {
    fn from(error: wasmtime::Error) -> Self {
        // The chain begins with a backtrace of addresses, and ends with the cause.
        let cause = error.chain().last().map(ToString::to_string).unwrap_or_default();
        Self(cause.lines().next().unwrap_or("the plugin was ended").to_owned())
    }
}

/// A live instance with its store. Dropped, it ends its children and closes its streams.
pub struct Instance {
    /// The store; its data is the call's.
    pub store: Store<CallState>,
    instance: wasmtime::component::Instance,
    loaded: Arc<Loaded>,
}

impl Instance {
    /// A fresh one. `kill` ends the guest at its next tick.
    ///
    /// # Errors
    /// No room for it, or its start trapped.
    pub fn open(
        runtime: &Runtime,
        loaded: Arc<Loaded>,
        state: CallState,
        computing: Duration,
        kill: Arc<AtomicBool>,
    ) -> Result<Self, Trapped> {
        let mut store = Store::new(runtime.engine(), state);
        store.limiter(|state| &mut state.limits.store);
        watch(&mut store, computing, kill);
        let instance = loaded.pre.instantiate(&mut store)?;
        Ok(Self { store, instance, loaded })
    }

    /// Sets the time for computing anew and watches another flag: before each call into an instance that lives on.
    pub fn renew(&mut self, computing: Duration, kill: Arc<AtomicBool>) {
        watch(&mut self.store, computing, kill);
    }

    /// `describe`.
    ///
    /// # Errors
    /// The guest ended without an answer.
    pub fn describe(&mut self) -> Result<String, Trapped> {
        let guest = self.plugin()?;
        Ok(guest.call_describe(&mut self.store)?)
    }

    /// The exports for steps.
    ///
    /// # Errors
    /// They do not fit: a defect, since they were looked at when it was loaded.
    pub fn step(&mut self) -> Result<step::Guest, Trapped> {
        Ok(self.loaded.step.load(&mut self.store, &self.instance)?)
    }

    /// The exports for holds.
    ///
    /// # Errors
    /// The plugin has none.
    pub fn hold(&mut self) -> Result<hold::Guest, Trapped> {
        let indices = self.loaded.hold.as_ref();
        let indices =
            indices.ok_or_else(|| Trapped(format!("`{}` has no holds", self.loaded.plugin.name)))?;
        Ok(indices.load(&mut self.store, &self.instance)?)
    }

    fn plugin(&mut self) -> Result<plugin::Guest, Trapped> {
        Ok(self.loaded.describing.load(&mut self.store, &self.instance)?)
    }
}

/// Looks at the guest at each tick in which it computes.
fn watch(store: &mut Store<CallState>, computing: Duration, kill: Arc<AtomicBool>) {
    let mut left = computing.as_millis() / TICK.as_millis();
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if kill.load(Ordering::Relaxed) {
            return Err(wasmtime::format_err!("it did not answer within the time that a stop leaves"));
        }
        if left == 0 {
            return Err(wasmtime::format_err!(
                "it computed for more than {} s without an answer",
                computing.as_secs()
            ));
        }
        left -= 1;
        Ok(UpdateDeadline::Continue(1))
    });
}
