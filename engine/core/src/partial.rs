//! JSON of which some places are not known yet. It must not know where the values come from.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// JSON in which the places named by `unknown` hold null: JSON pointer (RFC 6901, "" is the whole) → the step after
/// which the value is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// The value, null at each unknown place.
    pub value: Value,
    /// Where it is not known, and the step that will tell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, String>,
}

impl Partial {
    /// A value known in full.
    pub fn known(value: Value) -> Self {
        Self { value, unknown: BTreeMap::new() }
    }

    /// A value of which nothing is known until `step` has run.
    pub fn after(step: &str) -> Self {
        Self { value: Value::Null, unknown: BTreeMap::from([(String::new(), step.to_owned())]) }
    }

    /// Whether every place is known.
    pub fn is_known(&self) -> bool {
        self.unknown.is_empty()
    }
}
