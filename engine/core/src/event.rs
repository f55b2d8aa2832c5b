//! The one vocabulary of change: what the journal stores, what `--json` prints, what every view folds. It must not
//! know what comes next; the fold in `state` says which histories are legal.

use crate::answer::{Answer, Ending, Probed};
use crate::effect::Effect;
use crate::names::{Epoch, RunId, Seq, StepName};
use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The version of this vocabulary. A journal with a newer one is read, never written.
pub const EVENT_FORMAT: u32 = 1;

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the run's history.
    pub seq: Seq,
    /// Milliseconds since 1970, by the clock of the owner then.
    pub at: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What an attempt was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// To do it (take it, for a hold).
    Apply,
    /// To take it back.
    Undo,
    /// To give a hold back.
    Release,
}

/// What an outage, or the step that crosses the point of no return, is expected to take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// From the beginning of the run until it begins, as far as that can be known.
    pub lead_ms: u64,
    /// From its beginning to the end of the outage.
    pub forward_ms: u64,
    /// From the worst moment to where everything inside the outage is undone.
    pub back_ms: u64,
}

impl Need {
    /// What must be left of the window for it to begin.
    pub const fn within_ms(&self) -> u64 {
        self.forward_ms.saturating_add(self.back_ms)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The run exists.
    Created { format: u32, run: RunId, plan: Box<Plan>, by: String, faults: bool },
    /// The run is a rehearsal, which takes back all that it does: stands between `created` and the first `owned`.
    /// Outages are left out, or rehearsed up to the point of no return.
    Rehearsal { with_outage: bool },
    /// Somebody owns the run from here on; an older owner has lost it.
    Owned { epoch: Epoch, pid: u32, boot: String, by: String },
    /// The opening of the window that this owner keeps to (milliseconds since 1970), and what outages and the mark need of it.
    Scheduled { opens: i64, closes: i64, needs: BTreeMap<StepName, Need> },
    /// About to be done. Durable before the effect. `effects` are all that the attempt may change; `undo` is what
    /// taking it back (a hold: giving it back) may change, shown in the same moment, and empty for the other ways.
    Intended {
        step: StepName,
        way: Way,
        attempt: u32,
        input: Value,
        effects: Vec<Effect>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        undo: Vec<Effect>,
    },
    /// Resumable state of an attempt. Durable when the plugin's call returns.
    Checkpointed { step: StepName, way: Way, state: Value },
    /// How far an attempt is. Batched; no part of the state.
    Progressed { step: StepName, done: u64, total: u64, unit: String },
    /// A figure that goes up and down, by its name; none: it has no value now. Batched; no part of the state.
    Gauged { step: StepName, name: String, value: Option<f64> },
    /// A capability was used, or denied. `{capability, …}`: program, arguments, pid, exit status, addresses, paths, bytes.
    Used { step: StepName, what: Value },
    /// A plugin's words. Batched; no part of the state.
    Said { step: StepName, level: String, text: String },
    /// The end of an attempt. Durable.
    Answered { step: StepName, way: Way, attempt: u32, answer: Answer },
    /// What a probe found. Durable.
    Probed { step: StepName, way: Way, found: Probed },
    /// A person decided an unknown.
    Settled { step: StepName, applied: bool, by: String, because: String },
    /// Its condition is false, or what it depends on was skipped.
    Skipped { step: StepName, because: String },
    /// The guard watches, before the first hold or outage.
    Armed { pid: u32 },
    /// The guard acted alone.
    GuardActed { what: Value },
    /// An outage begins; from here its limit counts. Durable.
    OutageBegan { step: StepName },
    /// Its inner steps are done and it stays as it is.
    OutageEnded { step: StepName, downtime_ms: u64 },
    /// All of a hold's inner steps are done and it was unbroken after the last of them.
    HoldConfirmed { step: StepName },
    /// A hold was found broken: nothing that its inner steps gave can be relied on.
    HoldBroken { step: StepName, why: String },
    /// A hold's end begins. Durable.
    Releasing { step: StepName, how: Ending },
    /// A limit of a hold, an outage or a step passed.
    LimitPassed { step: StepName },
    /// The point of no return is crossed. Durable *before* its step is done; from here nothing is undone.
    Crossed { step: StepName },
    /// A person is asked.
    Asked { step: StepName, message: String, expires: Option<i64> },
    /// A person said yes, to this plan.
    Approved { step: StepName, by: String, plan: String },
    /// A person said no, or nobody said anything in time.
    Declined { step: StepName, by: String },
    /// A person asked for something: `pause`, `abort`, `resume`, `undo`.
    Commanded { what: String, by: String },
    /// The run turns back: what was done is undone in reverse order; with `open_only` just what stands inside open
    /// holds and outages (`on-failure: pause` and `keep`).
    TurnedBack {
        because: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        open_only: bool,
    },
    /// A rehearsal has gone as far as it goes: what was done is undone in reverse order.
    Rehearsed { because: String },
    /// What was left goes on waiting for a person, who is told what is in which state.
    Stuck { step: StepName, why: String },
    /// The end.
    Ended { outcome: Outcome, because: String },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done, and nothing left behind. Exit 0.
    Done,
    /// Rehearsed as far as a rehearsal goes, and everything is undone. Exit 0.
    Rehearsed,
    /// It failed or was aborted, and everything is undone. Exit 4.
    Undone,
    /// Stopped part-way, and needs a person. Exit 5.
    Stopped,
    /// Cut over, clean-up incomplete. Exit 8.
    CutOver,
}
