//! Why there is no plan. It must not know exit codes' names nor the terminal.

use crate::answer::Refusal;
use crate::names::StepName;
use std::fmt;

/// All that is wrong, in the order of the steps.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanningFailure {
    /// At least one.
    pub faults: Vec<PlanningFault>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanningFault {
    /// The world refuses: no such group, too few extents, a name that is taken.
    Refused {
        /// The step.
        step: StepName,
        /// Its line in the document.
        line: u32,
        /// Whether it was the preview of its undo.
        undo: bool,
        /// The plugin's own words.
        refusal: Refusal,
    },
    /// A step would do something that it is not granted.
    NotGranted {
        /// The step.
        step: StepName,
        /// Its line in the document.
        line: u32,
        /// The plugin.
        plugin: String,
        /// What, and which grant is missing.
        what: String,
    },
    /// An input does not fit, an expression has no value, or a `for-each` is not known beforehand.
    Unfit {
        /// The step.
        step: StepName,
        /// Its line in the document.
        line: u32,
        /// JSON pointer into its `with`; empty for the step itself.
        pointer: String,
        /// What is wrong.
        message: String,
    },
}

impl PlanningFailure {
    /// Whether only the world refuses (exit 4); else the document or a grant is wrong (exit 3).
    pub fn is_refusal(&self) -> bool {
        self.faults.iter().all(|fault| matches!(fault, PlanningFault::Refused { .. }))
    }
}

impl PlanningFault {
    /// The step it is about, and the line that defines it.
    pub const fn place(&self) -> (&StepName, u32) {
        match self {
            Self::Refused { step, line, .. }
            | Self::NotGranted { step, line, .. }
            | Self::Unfit { step, line, .. } => (step, *line),
        }
    }
}

impl fmt::Display for PlanningFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { step, undo: false, refusal, .. } => {
                write!(f, "step `{step}` is refused: {}", refusal.message)
            }
            Self::Refused { step, undo: true, refusal, .. } => {
                write!(f, "step `{step}` could not be taken back: {}", refusal.message)
            }
            Self::NotGranted { step, plugin, what, .. } => write!(f, "step `{step}` ({plugin}) {what}"),
            Self::Unfit { step, pointer, message, .. } if pointer.is_empty() => {
                write!(f, "step `{step}`: {message}")
            }
            Self::Unfit { step, pointer, message, .. } => {
                write!(f, "step `{step}`: at `with:{pointer}`: {message}")
            }
        }
    }
}

impl fmt::Display for PlanningFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for PlanningFailure {}
