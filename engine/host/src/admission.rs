//! The plan is the policy: whether what a guest asks for is granted, and whether the plan showed it. Pure, so that every
//! rule stands in a table test. It must not know how anything is carried out.
//!
//! Reading needs a grant. Changing needs a grant *and* an effect that a preview of this very step showed. A preview, a
//! check and a probe change nothing, whatever is granted.

mod connect;
mod dumps;
mod lvm;
mod program;
mod things;
mod units;

pub use program::Program;

use cutwater_core::effect::Effect;
use cutwater_core::grant::{Grants, matches};
use cutwater_core::policy::Policy;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Showing what would be done.
    Preview,
    /// Running a step of kind `check`.
    Check,
    /// Finding out what became of an attempt.
    Probe,
    /// Doing it.
    Apply,
    /// Taking it back.
    Undo,
    /// Taking a hold, looking after it, giving it back.
    Hold,
}

impl Phase {
    /// Whether anything may be changed.
    pub fn changes(self) -> bool {
        matches!(self, Self::Apply | Self::Undo | Self::Hold)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preview => "a preview",
            Self::Check => "a check",
            Self::Probe => "a probe",
            Self::Apply => "apply",
            Self::Undo => "undo",
            Self::Hold => "a hold",
        })
    }
}

/// All that decides what one call may do.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What the call is for.
    pub phase: Phase,
    /// What the plugin is granted.
    pub grants: Grants,
    /// The changing effects that were shown.
    pub admitted: Vec<Effect>,
    /// The call's input, for the holes in what was shown.
    pub input: Value,
    /// The run's own folder; mounting under it needs no grant.
    pub folder: String,
    /// The machine's policy.
    pub policy: Arc<Policy>,
}

/// How something that was asked for is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It only reads.
    Reads,
    /// It changes something, and the plan showed it.
    Changes,
}

/// Why something that was asked for is denied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no grant.
    #[error("{what} is not granted; the plugin's grants would need `{key}: [{entry}]`")]
    NotGranted {
        /// What was asked for.
        what: String,
        /// The key of the grants.
        key: &'static str,
        /// What would have to stand there.
        entry: String,
    },
    /// It is granted, but no preview of this step showed it.
    #[error("{what} is not in the plan of this step")]
    NotInPlan {
        /// What was asked for.
        what: String,
    },
    /// It changes something, or the host cannot know that it does not.
    #[error("{what} may change something, and {phase} only reads")]
    OnlyReads {
        /// What was asked for.
        what: String,
        /// What the call is for.
        phase: Phase,
    },
    /// The host does not understand the arguments, so that it cannot tell what they name.
    #[error("{what}: {why}")]
    Unclear {
        /// What was asked for.
        what: String,
        /// What is not understood.
        why: String,
    },
}

impl Rules {
    /// The last gate of everything that changes something: the phase, then the plan.
    fn planned(&self, actual: &Effect, what: &str) -> Result<Admitted, Denied> {
        if !self.phase.changes() {
            return Err(Denied::OnlyReads { what: what.to_owned(), phase: self.phase });
        }
        if self.shown(actual) {
            Ok(Admitted::Changes)
        } else {
            Err(Denied::NotInPlan { what: what.to_owned() })
        }
    }

    /// Whether the path lies below the run's own folder.
    fn in_folder(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.folder).filter(|_| !self.folder.is_empty());
        rest.is_some_and(|rest| rest.starts_with('/') && !rest.split('/').any(|part| part == ".."))
    }

    /// Whether the effect was shown, whatever the phase.
    fn shown(&self, actual: &Effect) -> bool {
        let actual = Effect { kind: actual.kind.clone(), detail: plain(&actual.detail) };
        self.admitted.iter().any(|shown| {
            let shown = Effect { kind: shown.kind.clone(), detail: plain(&shown.detail) };
            shown.admits(&actual, &self.input)
        })
    }
}

/// Without what says nothing: null places, an empty `stdin`, and the `mode` of a write, which the host keeps as it was.
fn plain(detail: &Value) -> Value {
    let mut detail = detail.clone();
    if let Some(detail) = detail.as_object_mut() {
        detail.retain(|key, value| {
            !(value.is_null() || (key == "stdin" && value.as_str() == Some("")) || key == "mode")
        });
    }
    detail
}

fn any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

#[cfg(test)]
mod tests;
