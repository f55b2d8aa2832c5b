//! What a document has become once nothing is wrong with it. It must not know how it was checked, nor how it is planned.

use crate::fault::Faults;
use crate::grant::Grants;
use crate::plan::{OnFailure, PlanStep, Window};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A document in which nothing is wrong, its inputs filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The workflow's name.
    pub name: String,
    /// Its summary, or empty.
    pub summary: String,
    /// The document's text, as it was read.
    pub document: String,
    /// The inputs, defaults filled in.
    pub inputs: Map<String, Value>,
    /// What happens when a step fails before the mark.
    pub on_failure: OnFailure,
    /// When outages may begin and the mark be crossed.
    pub window: Option<Window>,
    /// What `lock:` adds.
    pub locks: BTreeSet<String>,
    /// In an order in which they could run one by one: an inner step after what encloses it, `finally` last.
    pub steps: Vec<CheckedStep>,
    /// Grants by plugin, inputs filled in; not yet cut down by the host's policy.
    pub grants: BTreeMap<String, Grants>,
    /// The workflow's outputs, with `${{ … }}` still in them.
    pub outputs: Map<String, Value>,
    /// What is probably not what was meant.
    pub warnings: Faults,
}

/// One step, as it will stand in the plan; `shown` and `undo_shown` are empty.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedStep {
    /// The step. Its needs are complete: from `needs`, from data, from the order inside a hold or outage; an inner
    /// step's needs on what is outside are its enclosing step's needs too, and a need on an inner step of another hold
    /// or outage is a need on the end of that as well.
    pub step: PlanStep,
    /// Repeated for each of these.
    pub for_each: Option<ForEach>,
}

/// What a step is repeated over.
#[derive(Debug, Clone, PartialEq)]
pub struct ForEach {
    /// A list or a map, with `${{ … }}` still in it.
    pub over: Value,
    /// How many may run at once.
    pub at_most: Option<u32>,
}
