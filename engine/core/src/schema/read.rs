//! Reads a JSON Schema into a [`Type`] and refuses what steps outside the subset, so that no later part meets a
//! schema it does not understand.

use super::{Field, Fields, Type, Unit};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::BTreeMap;

/// How deep schemas may nest, `$ref`s followed.
const DEPTH: usize = 32;
/// How many places a schema may have, `$ref`s followed.
const PLACES: usize = 10_000;

/// A schema that steps outside the stated subset: the plugin is refused when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema at `{pointer}` is outside the supported subset: {what}")]
pub struct SchemaFault {
    /// JSON pointer into the schema.
    pub pointer: String,
    /// What is not understood.
    pub what: String,
}

/// Words that this program knows, that say nothing about which values are legal, or that narrow them further for
/// editors (`minItems`, `pattern`, …): what those forbid is refused by the plugin itself.
const KNOWN: [&str; 29] = [
    "$schema",
    "$id",
    "$defs",
    "$ref",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "type",
    "format",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "anyOf",
    "oneOf",
    "minimum",
    "maximum",
    "definitions",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
];

pub(super) fn read(schema: &Value) -> Result<Type, SchemaFault> {
    Reader { root: schema, places: Cell::new(0) }.schema(schema, "", 0)
}

struct Reader<'a> {
    root: &'a Value,
    places: Cell<usize>,
}

impl Reader<'_> {
    fn schema(&self, schema: &Value, at: &str, depth: usize) -> Result<Type, SchemaFault> {
        self.places.set(self.places.get() + 1);
        if depth > DEPTH || self.places.get() > PLACES {
            return Err(fault(at, "it nests too deep, is too large, or refers to itself"));
        }
        let map = match schema {
            Value::Bool(true) => return Ok(Type::Any),
            Value::Object(map) => map,
            _ => return Err(fault(at, "a schema is an object")),
        };
        if let Some(word) = map.keys().find(|word| !KNOWN.contains(&word.as_str()) && !word.starts_with("x-"))
        {
            return Err(fault(at, &format!("`{word}`")));
        }
        if let Some(target) = map.get("$ref") {
            return self.reference(target, at, depth);
        }
        for word in ["anyOf", "oneOf"] {
            if let Some(choices) = map.get(word) {
                return self.choice(choices, &format!("{at}/{word}"), depth);
            }
        }
        if let Some(words) = map.get("enum") {
            return self.words(words, map, at);
        }
        if let Some(word) = map.get("const") {
            return self.words(&Value::Array(vec![word.clone()]), map, at);
        }
        match map.get("type") {
            None if map.contains_key("properties") => self.named("object", map, at, depth),
            None => Ok(Type::Any),
            Some(Value::String(name)) => self.named(name, map, at, depth),
            Some(Value::Array(names)) => self.several(names, map, at, depth),
            Some(_) => Err(fault(at, "`type` is a name or a list of names")),
        }
    }

    fn reference(&self, target: &Value, at: &str, depth: usize) -> Result<Type, SchemaFault> {
        let pointer = target.as_str().and_then(|text| text.strip_prefix('#'));
        let Some(found) = pointer.and_then(|pointer| self.root.pointer(pointer)) else {
            return Err(fault(at, "`$ref` names nothing in this schema"));
        };
        self.schema(found, pointer.unwrap_or(at), depth + 1)
    }

    /// One schema or null; or words, each with its own description.
    fn choice(&self, choices: &Value, at: &str, depth: usize) -> Result<Type, SchemaFault> {
        let Value::Array(choices) = choices else { return Err(fault(at, "choices are a list")) };
        let mut nullable = false;
        let mut found: Vec<Type> = Vec::new();
        for (index, choice) in choices.iter().enumerate() {
            match self.schema(choice, &format!("{at}/{index}"), depth + 1)? {
                Type::Null => nullable = true,
                Type::Enum(more) => match found.last_mut() {
                    Some(Type::Enum(words)) => words.extend(more),
                    _ => found.push(Type::Enum(more)),
                },
                Type::Nullable(of) => {
                    nullable = true;
                    found.push(*of);
                }
                other => found.push(other),
            }
        }
        match (found.len(), found.pop()) {
            (0, _) => Ok(Type::Null),
            (1, Some(of)) => Ok(if nullable { of.nullable() } else { of }),
            _ => Err(fault(at, "a choice between several types")),
        }
    }

    fn words(&self, words: &Value, map: &Map<String, Value>, at: &str) -> Result<Type, SchemaFault> {
        let Value::Array(words) = words else { return Err(fault(at, "`enum` is a list")) };
        let texts: Vec<String> = words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
        let nulls = words.iter().filter(|word| word.is_null()).count();
        if texts.is_empty() || texts.len() + nulls < words.len() {
            return Err(fault(at, "`enum` of anything but strings"));
        }
        let says_null =
            matches!(map.get("type"), Some(Value::Array(names)) if names.iter().any(|name| name == "null"));
        let of = Type::Enum(texts);
        Ok(if nulls > 0 || says_null { of.nullable() } else { of })
    }

    /// `[T, "null"]`; also `["string", "integer"]` where the format says that both stand for the same.
    fn several(
        &self,
        names: &[Value],
        map: &Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<Type, SchemaFault> {
        let mut found: Vec<Type> = Vec::new();
        let mut nullable = false;
        for name in names.iter().filter_map(Value::as_str) {
            match self.named(name, map, at, depth)? {
                Type::Null => nullable = true,
                of if found.contains(&of) => {}
                of => found.push(of),
            }
        }
        match (found.len(), found.pop()) {
            (0, _) => Ok(Type::Null),
            (1, Some(of)) => Ok(if nullable { of.nullable() } else { of }),
            _ => Err(fault(at, "a choice between several types")),
        }
    }

    fn named(
        &self,
        name: &str,
        map: &Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<Type, SchemaFault> {
        let unit = map.get("format").and_then(Value::as_str).and_then(Unit::from_name);
        match (name, unit) {
            ("integer" | "string", Some(unit)) if name == "string" || unit.counts() => Ok(Type::Unit(unit)),
            ("null", _) => Ok(Type::Null),
            ("boolean", _) => Ok(Type::Boolean),
            ("integer", _) => Ok(Type::Integer { least: bound(map, "minimum"), most: bound(map, "maximum") }),
            ("number", _) => Ok(Type::Number),
            ("string", _) => match map.get("format").and_then(Value::as_str) {
                None => Ok(Type::Text),
                Some(format) => Err(fault(at, &format!("the format `{format}`"))),
            },
            ("array", _) => match map.get("items") {
                None => Ok(Type::Array(Box::new(Type::Any))),
                Some(items) => {
                    Ok(Type::Array(Box::new(self.schema(items, &format!("{at}/items"), depth + 1)?)))
                }
            },
            ("object", _) => self.object(map, at, depth),
            (name, _) => Err(fault(at, &format!("the type `{name}`"))),
        }
    }

    fn object(&self, map: &Map<String, Value>, at: &str, depth: usize) -> Result<Type, SchemaFault> {
        let required: Vec<&str> = map
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut named = BTreeMap::new();
        for (name, schema) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let of = self.schema(schema, &format!("{at}/properties/{name}"), depth + 1)?;
            let field = Field {
                of,
                required: required.contains(&name.as_str()),
                default: schema.get("default").filter(|value| !value.is_null()).cloned(),
                estimate: schema.get("x-estimate") == Some(&Value::Bool(true)),
            };
            named.insert(name.clone(), field);
        }
        let rest = match map.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(schema) => {
                Some(Box::new(self.schema(schema, &format!("{at}/additionalProperties"), depth + 1)?))
            }
            // Without a word about names, an object with none is open and one with some is closed.
            None if named.is_empty() && !map.contains_key("properties") => Some(Box::new(Type::Any)),
            None => None,
        };
        Ok(Type::Object(Fields { named, rest }))
    }
}

fn bound(map: &Map<String, Value>, word: &str) -> Option<i64> {
    let value = map.get(word)?;
    value.as_i64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64))
}

fn fault(pointer: &str, what: &str) -> SchemaFault {
    SchemaFault { pointer: pointer.to_owned(), what: what.to_owned() }
}
