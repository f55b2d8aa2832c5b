//! Whether a value may stand where a type is wanted. It must not know where the value comes from.

use super::{Fields, Type};
use crate::fault::nearest;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(super) fn accepts(
    of: &Type,
    value: &Value,
    unknown: &BTreeMap<String, String>,
) -> Result<(), Vec<(String, String)>> {
    let mut walk = Walk { unknown, faults: Vec::new() };
    walk.place(of, value, &mut String::new());
    if walk.faults.is_empty() { Ok(()) } else { Err(walk.faults) }
}

struct Walk<'a> {
    unknown: &'a BTreeMap<String, String>,
    faults: Vec<(String, String)>,
}

impl Walk<'_> {
    fn place(&mut self, of: &Type, value: &Value, at: &mut String) {
        if self.unknown.contains_key(at.as_str()) {
            return;
        }
        match (of, value) {
            (Type::Any, _)
            | (Type::Nullable(_) | Type::Null, Value::Null)
            | (Type::Boolean, Value::Bool(_)) => {}
            (Type::Nullable(of), value) => self.place(of, value, at),
            (Type::Integer { least, most }, Value::Number(number)) => match whole(number) {
                Some(n)
                    if least.is_none_or(|least| n >= i128::from(least))
                        && most.is_none_or(|most| n <= i128::from(most)) => {}
                _ => self.fault(at, format!("expected {of}, found {number}")),
            },
            (Type::Number, Value::Number(_)) | (Type::Text, Value::String(_)) => {}
            (Type::Unit(unit), Value::Number(number)) if unit.counts() && number.is_u64() => {}
            (Type::Unit(unit), Value::String(text)) if unit.holds(text) => {}
            (Type::Unit(unit), Value::String(text)) => {
                self.fault(at, format!("`{text}` is no {}; write it like `{}`", unit.name(), unit.example()));
            }
            (Type::Enum(words), Value::String(text)) if words.contains(text) => {}
            (Type::Enum(words), Value::String(text)) => {
                let meant = nearest(text, words.iter().map(String::as_str));
                let meant = meant.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
                self.fault(at, format!("`{text}` is none of {}{meant}", words.join(", ")));
            }
            (Type::Array(of), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.below(&index.to_string(), of, item, at);
                }
            }
            (Type::Object(fields), Value::Object(map)) => self.object(fields, map, at),
            (of, value) => self.fault(at, format!("expected {of}, found {}", kind(value))),
        }
    }

    fn object(&mut self, fields: &Fields, map: &Map<String, Value>, at: &mut String) {
        for (name, value) in map {
            match (fields.named.get(name), &fields.rest) {
                (Some(field), _) if value.is_null() && !field.required => {}
                (Some(field), _) => self.below(name, &field.of, value, at),
                (None, Some(rest)) => self.below(name, rest, value, at),
                (None, None) => {
                    let meant = nearest(name, fields.named.keys().map(String::as_str));
                    let meant = meant.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
                    self.fault(at, format!("there is no `{name}` here{meant}"));
                }
            }
        }
        for (name, field) in &fields.named {
            if field.required && field.default.is_none() && !map.contains_key(name) {
                self.fault(at, format!("`{name}` ({}) is missing", field.of));
            }
        }
    }

    fn below(&mut self, name: &str, of: &Type, value: &Value, at: &mut String) {
        let length = at.len();
        at.push('/');
        at.push_str(&escape(name));
        self.place(of, value, at);
        at.truncate(length);
    }

    fn fault(&mut self, at: &str, words: String) {
        self.faults.push((at.to_owned(), words));
    }
}

fn whole(number: &serde_json::Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// A name as one part of a JSON pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn kind(value: &Value) -> &'static str {
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
