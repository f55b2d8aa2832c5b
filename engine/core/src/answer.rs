//! What a step says after it was asked: the five answers, and what a probe finds. Mirrors `sdk/wit`. It must not know
//! what is done about an answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The end of one attempt to apply, undo or release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Answer {
    /// Done; this is the output.
    Changed { output: Value },
    /// It was already so; never undone.
    Unchanged { output: Value },
    /// Not done, and nothing left behind.
    Refused(Refusal),
    /// Stopped part-way, and it is known where.
    Failed(Failure),
    /// A lost reply, a time-out, a trap or a crash after the intent: probe before anything else is done.
    Unknown { why: String },
}

/// Not done, and nothing left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// A stable word for the cause, such as `no-such-volume-group`, `denied`, `drifted`.
    pub code: String,
    /// The tool's own words where there are any.
    pub message: String,
    /// Whether trying again may help.
    #[serde(default)]
    pub again: bool,
    /// More, for programs.
    #[serde(default)]
    pub details: Value,
}

/// Stopped part-way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable word for the cause.
    pub code: String,
    /// The tool's own words where there are any.
    pub message: String,
    /// What is left behind, in words.
    pub left: String,
    /// From where another attempt can go on.
    #[serde(default)]
    pub checkpoint: Option<Value>,
    /// Whether trying again may help.
    #[serde(default)]
    pub again: bool,
}

/// What a probe found out about an attempt whose answer was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Probed {
    /// It happened; this is the output.
    Applied { output: Value },
    /// It did not happen.
    NotApplied,
    /// Some of it happened.
    PartWay { checkpoint: Option<Value> },
    /// It is still happening; probe again later.
    StillRunning,
    /// A person must look.
    CannotTell { why: String },
}

/// How a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Its inner steps are done.
    Done,
    /// An inner step failed.
    Failed,
    /// Its limit passed.
    Limit,
    /// A person or a signal aborted the run.
    Aborted,
}

/// All that the guard may do alone, on either side of the mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GiveBack {
    /// Thaw the file system mounted at this path.
    Thaw(String),
    /// Shut down the stream with this number.
    HangUp(u32),
}
