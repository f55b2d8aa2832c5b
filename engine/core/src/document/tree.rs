//! A workflow document as written: typed, every part with its place, nothing proved yet. It must not know plugins.

use super::node::{Entry, Node};
use super::source::{Source, Span, Spanned};
use crate::plan::{OnFailure, Purpose, Retry};
use serde_json::Value;

/// One workflow file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The text it was read from.
    pub source: Source,
    /// Its name.
    pub name: Spanned<String>,
    /// Its summary, or empty.
    pub summary: String,
    /// What it is for, where that is said.
    pub purpose: Option<Spanned<Purpose>>,
    /// What it is given.
    pub inputs: Vec<Input>,
    /// Grants by plugin, as written.
    pub grants: Vec<Entry>,
    /// When outages may begin, as written: a mapping, or a text like `02:00-04:00 Europe/Berlin` or `none`.
    pub window: Option<Node>,
    /// What happens when a step fails before the mark.
    pub on_failure: OnFailure,
    /// Names that no other run may hold meanwhile.
    pub lock: Vec<Spanned<String>>,
    /// All steps in the order of the text; inner steps right after what encloses them; `finally` last.
    pub steps: Vec<Step>,
    /// What it gives.
    pub outputs: Vec<Entry>,
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: Spanned<String>,
    /// JSON Schema of its values (the stated subset).
    pub schema: Value,
    /// Its value when none is given.
    pub default: Option<Node>,
    /// What it is, for people.
    pub description: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name.
    pub name: Spanned<String>,
    /// Index of the hold or outage around it.
    pub within: Option<usize>,
    /// What it does.
    pub does: Does,
    /// What it is given.
    pub with: Option<Node>,
    /// The steps it waits for, beyond those that data shows; none where nothing is said about it.
    pub needs: Option<Vec<Spanned<String>>>,
    /// False skips it.
    pub condition: Option<Spanned<String>>,
    /// Repeated.
    pub for_each: Option<Repeat>,
    /// How often it is tried again.
    pub retry: Retry,
    /// Where `retry` stands.
    pub retry_span: Option<Span>,
    /// An attempt that takes longer is told to stop.
    pub timeout: Option<Spanned<String>>,
    /// Where it is said to be the point of no return.
    pub mark: Option<Span>,
    /// Whether it stands under `finally`.
    pub finally: bool,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Does {
    /// A plugin's check or action.
    Uses(Uses),
    /// Holds something around inner steps.
    Hold {
        /// The plugin's hold.
        uses: Uses,
        /// After this the release begins.
        limit: Spanned<String>,
    },
    /// Takes a service down and brings it up elsewhere.
    Outage {
        /// After this it is undone, before the mark.
        limit: Spanned<String>,
    },
    /// Waits for a person.
    Approve {
        /// What they are asked.
        message: Spanned<String>,
        /// Roles that may answer.
        by: Vec<Spanned<String>>,
        /// After this the answer is no.
        expires: Option<Spanned<String>>,
    },
    /// Not known: what was written is wrong, and a fault says so.
    Broken,
}

/// A plugin's action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uses {
    /// `lvm`.
    pub plugin: String,
    /// `check-extents`.
    pub action: String,
    /// Where it stands.
    pub span: Span,
}

/// What a step is repeated over.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeat {
    /// A list or a map.
    pub over: Node,
    /// How many may run at once.
    pub at_most: Option<u32>,
    /// Where it stands.
    pub span: Span,
}

impl Step {
    /// The plugin's action, where there is one.
    pub fn uses(&self) -> Option<&Uses> {
        match &self.does {
            Does::Uses(uses) | Does::Hold { uses, .. } => Some(uses),
            _ => None,
        }
    }

    /// Whether other steps stand inside.
    pub fn encloses(&self) -> bool {
        matches!(self.does, Does::Hold { .. } | Does::Outage { .. })
    }
}

impl Document {
    /// The holds and outages around a step, innermost first.
    pub fn around(&self, step: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.steps[step].within, |&index| self.steps[index].within)
    }
}
