//! Values of which some places are not known, walked without being copied. It must not know CEL.

use crate::partial::Partial;
use serde_json::Value;
use std::collections::BTreeMap;

/// A value on its way through an expression.
#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    /// A place in a value that somebody else owns; `pointer` is the place within what `unknown` speaks of.
    At { value: &'a Value, unknown: Option<&'a BTreeMap<String, String>>, pointer: String },
    /// Made on the way.
    Own(Partial),
}

impl<'a> Val<'a> {
    pub(super) fn known(value: Value) -> Self {
        Self::Own(Partial::known(value))
    }

    pub(super) const fn borrowed(value: &'a Value) -> Self {
        Self::At { value, unknown: None, pointer: String::new() }
    }

    pub(super) fn partial(partial: &'a Partial) -> Self {
        match partial.unknown.get("") {
            Some(step) => Self::Own(Partial::after(step)),
            None if partial.is_known() => Self::borrowed(&partial.value),
            None => {
                Self::At { value: &partial.value, unknown: Some(&partial.unknown), pointer: String::new() }
            }
        }
    }

    /// The step after which this very place is known; none: it is, though places below it may not be.
    pub(super) fn unknown(&self) -> Option<&str> {
        match self {
            Self::At { unknown, pointer, .. } => {
                unknown.and_then(|unknown| unknown.get(pointer)).map(String::as_str)
            }
            Self::Own(partial) => partial.unknown.get("").map(String::as_str),
        }
    }

    /// The value itself, null at places below it that are not known.
    pub(super) fn peek(&self) -> &Value {
        match self {
            Self::At { value, .. } => value,
            Self::Own(partial) => &partial.value,
        }
    }

    /// A place below; none where it is absent. `name` is a member's name or an index.
    pub(super) fn below(&self, name: &str) -> Option<Self> {
        let part = format!("/{}", crate::schema::escape(name));
        match self {
            Self::At { value, unknown, pointer } => {
                let pointer = format!("{pointer}{part}");
                if let Some(step) = unknown.and_then(|unknown| unknown.get(&pointer)) {
                    return Some(Self::Own(Partial::after(step)));
                }
                Some(Self::At { value: get(value, name)?, unknown: *unknown, pointer })
            }
            Self::Own(partial) => {
                let unknown = under(&partial.unknown, &part);
                match get(&partial.value, name) {
                    Some(value) => Some(Self::Own(Partial { value: value.clone(), unknown })),
                    None if unknown.is_empty() => None,
                    None => Some(Self::Own(Partial { value: Value::Null, unknown })),
                }
            }
        }
    }

    /// The value with its holes, as one that stands alone.
    pub(super) fn into_partial(self) -> Partial {
        match self {
            Self::At { value, unknown, pointer } => Partial {
                value: value.clone(),
                unknown: unknown.map(|unknown| under(unknown, &pointer)).unwrap_or_default(),
            },
            Self::Own(partial) => partial,
        }
    }

    /// The first step that must run before all of it is known.
    pub(super) fn first_hole(&self) -> Option<String> {
        match self {
            Self::At { unknown, pointer, .. } => {
                unknown.and_then(|unknown| under(unknown, pointer).into_values().next())
            }
            Self::Own(partial) => partial.unknown.values().next().cloned(),
        }
    }
}

fn get<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(name),
        Value::Array(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
        _ => None,
    }
}

/// The holes at and below `pointer`, told from there.
fn under(unknown: &BTreeMap<String, String>, pointer: &str) -> BTreeMap<String, String> {
    unknown
        .iter()
        .filter_map(|(at, step)| {
            let rest = at.strip_prefix(pointer)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (rest.to_owned(), step.clone()))
        })
        .collect()
}

/// What kind of value it is, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
