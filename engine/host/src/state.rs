//! What the host knows of one call while its guest runs: who calls, what it may do, and the ways to report, to stop and to
//! deny. Every capability's `link` is implemented for it. It must not know what any capability does.

use crate::admission::{Denied, Rules};
use crate::capability::secret::redact::Redactor;
use crate::fault::Fault;
use crate::ground::Ground;
use crate::limits::Limits;
use crate::used::Uses;
use cutwater_driver::ports::{AtChange, CallId, Report, Turn};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use wasmtime::component::ResourceTable;

/// Names a call in what it makes and says.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The run.
    pub run: String,
    /// The step.
    pub step: String,
    /// The plugin.
    pub plugin: String,
    /// The plugin's action.
    pub action: String,
    /// From 1.
    pub attempt: u32,
    /// `cutwater.RUN.STEP` in the letters that LVM takes for a tag: what every object of the step is born with.
    pub mark: String,
}

/// The data of one call's store.
pub struct CallState {
    /// The call.
    pub id: CallId,
    /// Who calls.
    pub caller: Caller,
    /// What it may do: phase, grants, admitted effects, input, policy. See [`crate::admission`].
    pub rules: Rules,
    /// What it stands on.
    pub ground: Arc<Ground>,
    /// The way into the journal; hand a clone to whatever outlives a host call. It also knows the secrets to keep out.
    pub uses: Uses,
    /// Set once the call is told to stop: a blocking host call then returns `stopping` within 50 ms or so.
    pub stop: Arc<AtomicBool>,
    /// Children and streams that the guest holds.
    pub table: ResourceTable,
    /// Memory, tables, output.
    pub limits: Limits,
    /// Where reports go. Prefer [`CallState::used`] and the like.
    pub reports: Sender<Report>,
    /// A fault hook; see [`CallState::claims`].
    pub at_change: Option<AtChange>,
}

impl CallState {
    /// The state of a call that has not begun.
    pub fn new(
        id: CallId,
        caller: Caller,
        rules: Rules,
        ground: Arc<Ground>,
        stop: Arc<AtomicBool>,
        reports: Sender<Report>,
    ) -> Self {
        let uses = Uses::new(id, reports.clone(), Redactor::default());
        let (table, limits) = (ResourceTable::new(), Limits::default());
        Self { id, caller, rules, ground, uses, stop, table, limits, reports, at_change: None }
    }

    /// A guest calls `capability`; nothing of what it asks is looked at yet.
    pub fn called(&mut self, capability: &'static str) -> &mut Self {
        if let Some(told) = &self.ground.at_call {
            told(capability);
        }
        self
    }

    /// Asked before each change: whether a sabotage has it said to be made, and not made.
    pub fn claims(&self) -> bool {
        self.at_change.as_ref().is_some_and(|hook| (hook.0)() == Turn::Claim)
    }

    /// Journals a use: `{capability, …}`. Durable with the next durable event at the latest.
    pub fn used(&self, what: Value) {
        self.uses.tell(what);
    }

    /// Journals a use and returns once it is durable. On a fault nothing may be done.
    pub fn used_durably(&self, what: Value) -> Result<(), Fault> {
        self.uses.tell_durably(what)
    }

    /// Journals that `capability` was denied, with `what` was asked for, and gives the fault to return.
    pub fn denied(&self, capability: &str, denied: Denied, what: Value) -> Fault {
        let mut told = json!({ "capability": capability, "denied": true, "why": denied.to_string() });
        if let (Some(told), Value::Object(what)) = (told.as_object_mut(), what) {
            told.extend(
                what.into_iter().filter(|(key, _)| !matches!(key.as_str(), "capability" | "denied" | "why")),
            );
        }
        self.uses.tell(told);
        Fault::denied(denied.to_string())
    }

    /// Whether the call is told to stop.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Passes words on, without the call's secrets.
    pub fn said(&self, level: &str, text: &str) {
        let text = self.uses.redactor().clean(text);
        let _ = self.reports.send(Report::Said { call: self.id, level: level.to_owned(), text });
    }

    /// Saves resumable state and returns once it is durable.
    pub fn checkpoint(&self, state: Value) -> Result<(), Fault> {
        let state = self.uses.redactor().clean_value(state);
        let (reply, durable) = channel();
        let sent = self.reports.send(Report::Checkpoint { call: self.id, state, reply });
        match sent.ok().and_then(|()| durable.recv().ok()) {
            Some(true) => Ok(()),
            _ => Err(Fault::stopping()),
        }
    }
}
