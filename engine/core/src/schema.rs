//! The types of inputs and outputs: a stated subset of JSON Schema, read once when a plugin is loaded. It must not
//! know expressions, documents or plugins.
//!
//! The subset: `object` (`properties`, `required`, `additionalProperties`), `array` (`items`), `string` (with `format`
//! `bytes`, `duration`, `device`, `path` or `rate`, or with `enum`), `integer`, `number`, `boolean`, `null`, nullable
//! (`type: [T, "null"]`, or `anyOf`/`oneOf` of one schema and null), one level of named `$defs`, and the empty schema.
//! An object is closed unless `additionalProperties` gives a schema for the rest.

mod accept;
mod fit;
mod read;
mod unit;

pub(crate) use accept::escape;
pub use read::SchemaFault;
pub use unit::{Unit, bytes_of, milliseconds_of};

use crate::fault::nearest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// What a place in an input or output may hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Anything; it is looked at when its value is known.
    Any,
    /// Only null.
    Null,
    /// true or false.
    Boolean,
    /// A whole number, within bounds (inclusive).
    Integer {
        /// The least.
        least: Option<i64>,
        /// The most.
        most: Option<i64>,
    },
    /// Any number.
    Number,
    /// Any text.
    Text,
    /// A text with a meaning: `80MiB/s`, `/dev/vg00/dat`, `30m`.
    Unit(Unit),
    /// One of these texts.
    Enum(Vec<String>),
    /// A list.
    Array(Box<Type>),
    /// Named places.
    Object(Fields),
    /// The type, or null, or absent.
    Nullable(Box<Type>),
}

/// The named places of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    /// By name.
    pub named: BTreeMap<String, Field>,
    /// What any other name may hold; none: there are no others.
    pub rest: Option<Box<Type>>,
}

/// One named place.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// What it holds.
    pub of: Type,
    /// Whether it must be there.
    pub required: bool,
    /// What stands there when it is left out.
    pub default: Option<Value>,
    /// Whether it drifts from one look to the next (`x-estimate`).
    pub estimate: bool,
}

/// A name that an object has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoField {
    /// The nearest that it has.
    pub nearest: Option<String>,
    /// All that it has.
    pub known: Vec<String>,
}

impl Type {
    /// Reads a schema of the stated subset.
    ///
    /// # Errors
    /// The first place that steps outside the subset, with its JSON pointer.
    pub fn from_schema(schema: &Value) -> Result<Self, SchemaFault> {
        read::read(schema)
    }

    /// An object with these places, all required, and no others.
    pub fn object<N: Into<String>>(fields: impl IntoIterator<Item = (N, Type)>) -> Self {
        let named = fields.into_iter().map(|(name, of)| (name.into(), Field::required(of))).collect();
        Self::Object(Fields { named, rest: None })
    }

    /// A whole number without bounds.
    pub const fn integer() -> Self {
        Self::Integer { least: None, most: None }
    }

    /// The same type, or null.
    pub fn nullable(self) -> Self {
        match self {
            Self::Any | Self::Null | Self::Nullable(_) => self,
            other => Self::Nullable(Box::new(other)),
        }
    }

    /// Whether every value of this type may stand where `other` is wanted. A place of which nothing is said fits, and
    /// is fitted by, everything: its value is looked at when it is known.
    pub fn fits(&self, other: &Self) -> bool {
        fit::fits(self, other)
    }

    /// Whether this value may stand where the type is wanted.
    ///
    /// # Errors
    /// Every place that may not, with its JSON pointer ("" is the whole) and words.
    pub fn accepts(&self, value: &Value) -> Result<(), Vec<(String, String)>> {
        accept::accepts(self, value, &BTreeMap::new())
    }

    /// The same for a value of which some places are not known yet: those are not looked at.
    ///
    /// # Errors
    /// As [`Type::accepts`].
    pub fn accepts_partial(&self, partial: &crate::partial::Partial) -> Result<(), Vec<(String, String)>> {
        accept::accepts(self, &partial.value, &partial.unknown)
    }

    /// What the place of that name holds: nullable when it may be absent. For a type that is no object, see
    /// [`Type::describes_fields`].
    ///
    /// # Errors
    /// The nearest name.
    pub fn field(&self, name: &str) -> Result<Type, NoField> {
        match self {
            Self::Any => Ok(Self::Any),
            Self::Object(fields) => fields.get(name),
            _ => Err(NoField { nearest: None, known: Vec::new() }),
        }
    }

    /// Whether [`Type::field`] can answer for this type.
    pub const fn describes_fields(&self) -> bool {
        matches!(self, Self::Any | Self::Object(_))
    }

    /// The pointers of all places below this type that drift.
    pub fn estimates(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        collect_estimates(self, &mut Vec::new(), &mut found);
        found
    }
}

/// Pushes the paths of places marked `x-estimate`; `*` stands for any element of a list or any other name.
fn collect_estimates(of: &Type, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let mut below = |name: &str, of: &Type, estimate: bool, path: &mut Vec<String>| {
        path.push(name.to_owned());
        if estimate {
            found.push(path.clone());
        } else {
            collect_estimates(of, path, found);
        }
        path.pop();
    };
    match of {
        Type::Array(of) => below("*", of, false, path),
        Type::Nullable(of) => collect_estimates(of, path, found),
        Type::Object(fields) => {
            for (name, field) in &fields.named {
                below(name, &field.of, field.estimate, path);
            }
            if let Some(rest) = &fields.rest {
                below("*", rest, false, path);
            }
        }
        _ => {}
    }
}

impl Field {
    /// A place that must be there.
    pub const fn required(of: Type) -> Self {
        Self { of, required: true, default: None, estimate: false }
    }
}

impl Fields {
    fn get(&self, name: &str) -> Result<Type, NoField> {
        match (self.named.get(name), &self.rest) {
            (Some(field), _) if field.required || field.default.is_some() => Ok(field.of.clone()),
            (Some(field), _) => Ok(field.of.clone().nullable()),
            (None, Some(rest)) => Ok(rest.as_ref().clone().nullable()),
            (None, None) => Err(NoField {
                nearest: nearest(name, self.named.keys().map(String::as_str)).map(str::to_owned),
                known: self.named.keys().cloned().collect(),
            }),
        }
    }
}

impl fmt::Display for Type {
    /// The type's name for messages: `integer`, `list of device`, `object with cow, name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::Null => f.write_str("null"),
            Self::Boolean => f.write_str("boolean"),
            Self::Integer { least: Some(least), most: Some(most) } => {
                write!(f, "integer from {least} to {most}")
            }
            Self::Integer { least: Some(0), .. } => f.write_str("integer, not negative"),
            Self::Integer { least: Some(least), .. } => write!(f, "integer of at least {least}"),
            Self::Integer { most: Some(most), .. } => write!(f, "integer of at most {most}"),
            Self::Integer { .. } => f.write_str("integer"),
            Self::Number => f.write_str("number"),
            Self::Text => f.write_str("string"),
            Self::Unit(unit) => f.write_str(unit.name()),
            Self::Enum(words) => f.write_str(&words.join(" | ")),
            Self::Array(of) => write!(f, "list of {of}"),
            Self::Object(Fields { named, rest: Some(rest) }) if named.is_empty() => {
                write!(f, "map of {rest}")
            }
            Self::Object(Fields { named, .. }) if named.is_empty() => f.write_str("object"),
            Self::Object(Fields { named, .. }) => {
                let names: Vec<&str> = named.keys().take(6).map(String::as_str).collect();
                write!(f, "object with {}{}", names.join(", "), if named.len() > 6 { ", …" } else { "" })
            }
            Self::Nullable(of) => write!(f, "{of}, or nothing"),
        }
    }
}

#[cfg(test)]
mod tests;
