//! What the conformance run asks of whoever runs plugins: the same calls that a run makes, and calls that die. It must not
//! know how they are made.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Runs the plugin under test. Two are known: the real host, and one for the tests of the run itself.
pub trait Host {
    /// What the plugin says of the step; none: it has no such step.
    fn about(&self, step: &str) -> Option<About>;
    /// What the step shows before it is begun: for itself and for its undo.
    ///
    /// # Errors
    /// The step refuses.
    fn prepare(&self, ask: &Ask) -> Result<Prepared, Refusal>;
    /// Makes the call to its end.
    fn call(&self, ask: &Ask) -> Heard;
    /// Makes the call in a process of its own that is killed at its point `at`, counted from 1: at each call of a capability
    /// before anything of it is done, where a program's pid is durable and the program is not yet executed, where a hold is
    /// held, and before the answer is told. Without an end in what is heard it died there; with one it has fewer points.
    ///
    /// # Errors
    /// There is no such process.
    fn strike(&self, ask: &Ask, at: u64) -> Result<Heard, String>;
    /// Whether a program that a dead process started still runs.
    fn still_running(&self, program: &Value) -> bool;
}

/// What a plugin says of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Its kind.
    pub kind: Kind,
    /// Whether it can be taken back.
    pub undo: bool,
}

/// The kinds of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads only.
    Check,
    /// Changes something.
    Action,
    /// Pauses something.
    Hold,
}

/// What was shown before a step is begun: lists of effects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prepared {
    /// Of the step.
    pub effects: Value,
    /// Of its undo.
    pub undo: Value,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The step.
    pub step: String,
    /// What to do.
    pub verb: Verb,
    /// Its input.
    pub input: Value,
    /// Its grants.
    pub grants: Value,
    /// The effects that were shown for this call.
    pub admitted: Value,
    /// What is known of the attempt.
    pub story: Story,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Do it, from the story's checkpoint.
    Apply,
    /// Find out whether it happened.
    Probe,
    /// Take it back.
    Undo,
    /// Take a hold, ask whether it is unbroken, give it back.
    Hold,
    /// Give back a hold whose holder is gone.
    ReleaseOrphan,
}

/// What is known of an attempt: as the journal would have it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// The effects shown before it began.
    pub intent: Value,
    /// The last checkpoint.
    pub checkpoint: Option<Value>,
    /// The programs it started.
    pub programs: Vec<Value>,
    /// Its output, where it has answered.
    pub output: Option<Value>,
}

/// What came of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    /// The end; none: it died.
    pub end: Option<Ended>,
    /// The last checkpoint, if it saved one.
    pub checkpoint: Option<Value>,
    /// The programs that it started.
    pub programs: Vec<Value>,
    /// Where it died, in words.
    pub point: String,
}

/// The end of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Of apply, undo, release.
    Answer(Answer),
    /// Of probe.
    Probed(Probed),
    /// Of a hold: what its taking gave, whether it was unbroken, how its release ended. It ends early where it must.
    Held {
        /// Taken, or refused.
        taken: Result<Value, Refusal>,
        /// Unbroken, or why not.
        intact: Option<Result<(), String>>,
        /// The answer of the release.
        released: Option<Answer>,
    },
}

/// The five answers, as the journal has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Answer {
    /// Done.
    Changed { output: Value },
    /// It was already so.
    Unchanged { output: Value },
    /// Not done, nothing left behind.
    Refused(Refusal),
    /// Stopped part-way.
    Failed { code: String, message: String, left: String },
    /// Not known.
    Unknown { why: String },
}

/// Not done, nothing left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// A stable word.
    pub code: String,
    /// The words.
    pub message: String,
}

/// What a probe finds, as the journal has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Probed {
    /// It happened.
    Applied { output: Value },
    /// It did not.
    NotApplied,
    /// Some of it did.
    PartWay { checkpoint: Option<Value> },
    /// It still happens.
    StillRunning,
    /// A person must look.
    CannotTell { why: String },
}

impl Answer {
    /// In words, for a finding.
    pub fn words(&self) -> String {
        match self {
            Self::Changed { .. } => "changed".to_owned(),
            Self::Unchanged { .. } => "unchanged".to_owned(),
            Self::Refused(refusal) => format!("refused ({}: {})", refusal.code, refusal.message),
            Self::Failed { code, message, left } => format!("failed ({code}: {message}; left: {left})"),
            Self::Unknown { why } => format!("unknown ({why})"),
        }
    }

    /// Whether it is done, now or before.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Changed { .. } | Self::Unchanged { .. })
    }
}

impl Probed {
    /// In words, for a finding.
    pub fn words(&self) -> String {
        match self {
            Self::Applied { .. } => "applied".to_owned(),
            Self::NotApplied => "not applied".to_owned(),
            Self::PartWay { .. } => "part-way".to_owned(),
            Self::StillRunning => "still running".to_owned(),
            Self::CannotTell { why } => format!("cannot tell ({why})"),
        }
    }
}
