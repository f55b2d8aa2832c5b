//! Values that may not be known before another step has run. A preview is asked with partial JSON; the places that are
//! not known reach a step as [`Maybe::After`]. It must not know what a step does with them.

use crate::answer::{Refusal, Stop};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt;

/// The key by which an unknown place is marked inside JSON; not legal in anything that a person writes.
pub(crate) const MARK: &str = "\u{e000}after";

/// A value that is known, or known after a step.
///
/// In preview an input or a predicted output may be `After`; in apply, probe and undo everything is `Known`.
/// Shown in a text, an unknown value becomes U+E000 POINTER U+E001, and the host admits there, at run time, just the
/// value that the input then has at that pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maybe<T> {
    /// It is known.
    Known(T),
    /// It is known after a step.
    After(After),
}

/// Where an unknown value will come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct After {
    /// JSON pointer of the place in the input; with a `~` before it where the value is made from that place.
    /// Empty: not a place of the input.
    pub pointer: String,
    /// The step after which it is known; empty means the step that is shown.
    pub step: String,
}

impl After {
    /// The text that stands for the value inside an effect.
    pub fn placeholder(&self) -> String {
        let pointer = if self.pointer.is_empty() { "~" } else { &self.pointer };
        format!("\u{e000}{pointer}\u{e001}")
    }

    fn derived(&self) -> Self {
        let pointer =
            if self.pointer.starts_with('~') { self.pointer.clone() } else { format!("~{}", self.pointer) };
        Self { pointer, step: self.step.clone() }
    }
}

impl<T> Maybe<T> {
    /// A part of the output that is known once this very step has run.
    pub fn later() -> Self {
        Self::After(After::default())
    }

    /// The value, or a refusal `not-known-yet` that names the place. In apply, probe and undo it never refuses.
    pub fn known(&self) -> Result<&T, NotYet> {
        match self {
            Self::Known(value) => Ok(value),
            Self::After(after) => Err(NotYet(after.clone())),
        }
    }

    /// The value if it is known.
    pub fn get(&self) -> Option<&T> {
        self.known().ok()
    }

    /// Applies `f` to a known value; an unknown one stays unknown, and its text admits any value without control
    /// characters, since what `f` would make of it is not known.
    pub fn map<U>(&self, f: impl FnOnce(&T) -> U) -> Maybe<U> {
        match self {
            Self::Known(value) => Maybe::Known(f(value)),
            Self::After(after) => Maybe::After(after.derived()),
        }
    }

    /// Like [`Maybe::map`] for an `f` whose result may be unknown itself.
    pub fn and_then<U>(&self, f: impl FnOnce(&T) -> Maybe<U>) -> Maybe<U> {
        match self {
            Self::Known(value) => f(value),
            Self::After(after) => Maybe::After(after.derived()),
        }
    }

    /// A known value as it is; an unknown one as unknown with the same place.
    pub fn as_ref(&self) -> Maybe<&T> {
        match self {
            Self::Known(value) => Maybe::Known(value),
            Self::After(after) => Maybe::After(after.clone()),
        }
    }
}

impl<T> From<T> for Maybe<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl From<&str> for Maybe<String> {
    fn from(text: &str) -> Self {
        Self::Known(text.to_owned())
    }
}

impl<T: Default> Default for Maybe<T> {
    fn default() -> Self {
        Self::Known(T::default())
    }
}

impl<T: fmt::Display> fmt::Display for Maybe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(f),
            Self::After(after) => f.write_str(&after.placeholder()),
        }
    }
}

/// A value was needed before it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotYet(pub After);

/// The code of the refusal that [`NotYet`] becomes.
pub const NOT_KNOWN_YET: &str = "not-known-yet";

impl From<NotYet> for Refusal {
    fn from(NotYet(after): NotYet) -> Self {
        let place = after.pointer.trim_start_matches('~');
        let details = json!({ "pointer": after.pointer, "step": after.step });
        Refusal::new(NOT_KNOWN_YET, format!("input {place} is known only after step {}", after.step))
            .details(details)
    }
}

impl From<NotYet> for Stop {
    fn from(not_yet: NotYet) -> Self {
        Stop::Refused(not_yet.into())
    }
}

impl<T: Serialize> Serialize for Maybe<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::After(after) => marker(after).serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Some(after) = as_marker(&value) {
            return Ok(Self::After(after));
        }
        match (serde_json::from_value(value.clone()), first_marker(&value)) {
            (Ok(known), _) => Ok(Self::Known(known)),
            (Err(_), Some(after)) => Ok(Self::After(after.derived())),
            (Err(error), None) => Err(D::Error::custom(error)),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Maybe<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

pub(crate) fn marker(after: &After) -> Value {
    json!({ MARK: [after.pointer, after.step] })
}

pub(crate) fn as_marker(value: &Value) -> Option<After> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let parts = object.get(MARK)?.as_array()?;
    let part = |at: usize| parts.get(at).and_then(Value::as_str).map(str::to_owned);
    Some(After { pointer: part(0)?, step: part(1)? })
}

/// The first unknown place inside a value.
pub(crate) fn first_marker(value: &Value) -> Option<After> {
    as_marker(value).or_else(|| match value {
        Value::Array(items) => items.iter().find_map(first_marker),
        Value::Object(fields) => fields.values().find_map(first_marker),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Input {
        volume: Maybe<String>,
        sizes: Maybe<Vec<u64>>,
        note: Option<Maybe<String>>,
    }

    #[test]
    fn an_unknown_text_shows_its_place_and_a_derived_one_admits_any() {
        let volume: Maybe<String> = Maybe::After(After { pointer: "/volume".into(), step: "snap".into() });
        assert_eq!(format!("-y {volume}"), "-y \u{e000}/volume\u{e001}");
        assert_eq!(volume.map(|v| v.len()).to_string(), "\u{e000}~/volume\u{e001}");
        assert_eq!(Maybe::<String>::from("vg/x").map(String::len), Maybe::Known(4));
    }

    #[test]
    fn a_hole_inside_makes_the_whole_unknown_where_the_type_has_no_place_for_it() {
        let hole = marker(&After { pointer: "/sizes/1".into(), step: "room".into() });
        let input: Input = serde_json::from_value(json!({ "volume": "x", "sizes": [1, hole] })).unwrap();
        assert_eq!(input.volume, Maybe::from("x"));
        assert_eq!(input.sizes.known().unwrap_err().0.step, "room");
        assert!(input.note.is_none());
        let wrong = serde_json::from_value::<Input>(json!({ "volume": 1, "sizes": [] })).unwrap_err();
        assert!(wrong.to_string().contains("invalid type"), "{wrong}");
    }
}
