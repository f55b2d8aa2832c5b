//! What an expression may read, by value. It must not know types.

use crate::partial::Partial;
use serde_json::Value;
use std::collections::BTreeMap;

/// The values of the roots. A step that is not in `steps` was skipped: it is null.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `inputs`.
    pub inputs: Value,
    /// `steps`, by name: outputs, as far as they are known.
    pub steps: BTreeMap<String, Partial>,
    /// `each`: `{key, value}` in an instance of a `for-each`, else null.
    pub each: Value,
    /// `run`: see [`super::run_value`].
    pub run: Value,
    /// `hosts`.
    pub hosts: Value,
}
