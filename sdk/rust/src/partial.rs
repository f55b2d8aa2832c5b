//! Partial JSON as it crosses the boundary: a value with null at each unknown place and the list of those places.
//! It must not know steps.

use crate::maybe::{After, as_marker, marker};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// JSON in which the places named by `unknown` hold null: JSON pointer → the step after which the value is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// The value, null at each unknown place.
    pub value: Value,
    /// Where it is not known, and the step that will tell.
    #[serde(default)]
    pub unknown: BTreeMap<String, String>,
}

impl Partial {
    /// A value known in full.
    pub fn known(value: Value) -> Self {
        Self { value, unknown: BTreeMap::new() }
    }

    /// The value with a mark at each unknown place, for [`crate::Maybe`] to read.
    pub(crate) fn marked(&self) -> Value {
        let mut value = self.value.clone();
        for (pointer, step) in &self.unknown {
            if let Some(place) = value.pointer_mut(pointer) {
                *place = marker(&After { pointer: pointer.clone(), step: step.clone() });
            }
        }
        value
    }

    /// Takes the marks out of a value; a mark without a step is known after `this`.
    pub(crate) fn unmarked(value: Value, this: &str) -> Self {
        let mut unknown = BTreeMap::new();
        let value = strip(value, String::new(), this, &mut unknown);
        Self { value, unknown }
    }
}

fn strip(value: Value, at: String, this: &str, unknown: &mut BTreeMap<String, String>) -> Value {
    if let Some(after) = as_marker(&value) {
        unknown.insert(at, if after.step.is_empty() { this.to_owned() } else { after.step });
        return Value::Null;
    }
    match value {
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            Value::Array(items.map(|(i, item)| strip(item, format!("{at}/{i}"), this, unknown)).collect())
        }
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, item)| {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                let item = strip(item, at, this, unknown);
                (key, item)
            });
            Value::Object(fields.collect())
        }
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn marks_go_in_and_come_out_at_the_same_places() {
        let partial = Partial {
            value: json!({ "a": [1, null], "b/c": null, "d": null }),
            unknown: BTreeMap::from([("/a/1".into(), "x".into()), ("/b~1c".into(), "y".into())]),
        };
        let marked = partial.marked();
        assert!(as_marker(&marked["a"][1]).is_some());
        assert_eq!(marked["d"], Value::Null);
        assert_eq!(Partial::unmarked(marked, "me"), partial);
    }

    #[test]
    fn what_only_this_step_can_tell_is_known_after_it() {
        let value = marker(&After::default());
        assert_eq!(
            Partial::unmarked(value, "snap").unknown,
            BTreeMap::from([(String::new(), "snap".into())])
        );
    }
}
