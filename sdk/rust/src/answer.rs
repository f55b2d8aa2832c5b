//! What a step says when it was asked: the answers, what a probe finds, and the ways to stop early with `?`.
//! It must not know how they cross the boundary.

use crate::effect::Effect;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The end of apply or undo: what came of it, or why it stopped.
pub type Answer<T> = Result<Done<T>, Stop>;

/// It is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done<T> {
    /// Done now; this is the output.
    Changed(T),
    /// It was already so; never undone.
    Unchanged(T),
}

impl<T> Done<T> {
    /// The output, however it came about.
    pub fn output(&self) -> &T {
        match self {
            Self::Changed(output) | Self::Unchanged(output) => output,
        }
    }
}

/// Why a step stopped.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// Not done, and nothing left behind.
    Refused(Refusal),
    /// Stopped part-way, and it is known where.
    Failed(Failure),
    /// What happened is not known; the step is probed before anything else is done to it.
    Unknown(String),
    /// A host call did not do what was asked. The SDK makes an answer of it: `lost` and `timed-out` of something that
    /// changes become unknown, `stopping` becomes failed with the last checkpoint; anything else is refused while this
    /// attempt has changed nothing, and failed after.
    Fault(Fault),
}

/// Not done, and nothing left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// A stable word for the cause, such as `no-such-volume-group`.
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

impl Refusal {
    /// A refusal for which trying again does not help.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), again: false, details: Value::Null }
    }

    /// Trying again may help.
    pub fn again(self) -> Self {
        Self { again: true, ..self }
    }

    /// Adds facts for programs.
    pub fn details(self, details: Value) -> Self {
        Self { details, ..self }
    }
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
    /// From where another attempt can go on; the last one saved if none is given.
    #[serde(default)]
    pub checkpoint: Option<Value>,
    /// Whether trying again may help.
    #[serde(default)]
    pub again: bool,
}

impl Failure {
    /// A failure for which trying again does not help.
    pub fn new(code: impl Into<String>, message: impl Into<String>, left: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), left: left.into(), checkpoint: None, again: false }
    }

    /// Trying again may help.
    pub fn again(self) -> Self {
        Self { again: true, ..self }
    }
}

/// Why a host call did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// `denied`, `stopping`, `missing`, `timed-out`, `lost`, `invalid`, `io`; more may come.
    pub code: String,
    /// The host's words.
    pub message: String,
}

impl Fault {
    /// A fault of that code.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// Whether the host said that there is no such program, file, device or secret.
    pub fn is_missing(&self) -> bool {
        self.code == "missing"
    }

    /// Whether there is no grant for it, or it is not in the plan.
    pub fn is_denied(&self) -> bool {
        self.code == "denied"
    }

    /// Whether a wait ended without what was waited for.
    pub fn is_timed_out(&self) -> bool {
        self.code == "timed-out"
    }

    /// Whether the step is to checkpoint and answer.
    pub fn is_stopping(&self) -> bool {
        self.code == "stopping"
    }

    /// Whether a fault of this code cuts a step short, rather than tell what the world is like.
    pub fn cuts_short(code: &str) -> bool {
        matches!(code, "stopping" | "timed-out" | "lost")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let again = fault.is_stopping() || fault.is_timed_out();
        Self { code: fault.code, message: fault.message, again, details: Value::Null }
    }
}

/// What a probe found out about an attempt whose answer was lost.
#[derive(Debug, Clone, PartialEq)]
pub enum Probed<T> {
    /// It happened; this is the output.
    Applied(T),
    /// It did not happen.
    NotApplied,
    /// Some of it happened; another attempt goes on from the checkpoint.
    PartWay(Option<Value>),
    /// It is still happening.
    StillRunning,
    /// A person must look.
    CannotTell(String),
}

/// What is known of an attempt whose answer was lost, or of a step to be taken back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Story {
    /// The effects that were shown before it began.
    pub intent: Vec<Effect>,
    /// The last checkpoint.
    pub checkpoint: Option<Value>,
    /// Programs it started.
    pub exits: Vec<Exit>,
    /// Its output, where it had answered.
    pub output: Option<Value>,
}

impl Story {
    /// The output of the finished step, read as its own type.
    pub fn output<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        self.output.clone().and_then(|output| serde_json::from_value(output).ok())
    }

    /// The last checkpoint, read as the type that was saved.
    pub fn checkpoint<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        self.checkpoint.clone().and_then(|state| serde_json::from_value(state).ok())
    }
}

/// How a program that an attempt started ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exit {
    /// The program's name.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its exit status; with no signal either, the end was not seen.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}
