//! A plugin's own input schema as an editor needs it: references inlined, units as patterns, and an expression admitted
//! wherever a value stands. It must not know the rest of the language.

use crate::schema::Unit;
use serde_json::{Map, Value, json};

/// How deep references are followed; a catalogue that was loaded stays far below.
const DEPTH: usize = 40;
/// Words that are kept as they are.
const KEPT: [&str; 7] = ["title", "description", "default", "examples", "deprecated", "minimum", "maximum"];

/// The schema of `with`.
pub(super) fn input(schema: &Value) -> Value {
    convert(schema, schema, 0)
}

/// Whether something must be given: a required place without a default.
pub(super) fn requires(schema: &Value) -> bool {
    let names =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    names.into_iter().any(|name| default_of(schema, name).is_none())
}

fn default_of<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)?.get("default").filter(|value| !value.is_null())
}

/// One place of the schema, without the leave to stand for an expression.
fn convert(schema: &Value, root: &Value, depth: usize) -> Value {
    let Value::Object(map) = schema else { return json!({}) };
    if depth > DEPTH {
        return json!({});
    }
    let mut out: Map<String, Value> =
        KEPT.iter().filter_map(|word| Some(((*word).to_owned(), map.get(*word)?.clone()))).collect();
    if let Some(target) = map.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#')) {
        let found = root.pointer(target).map_or(json!({}), |found| convert(found, root, depth + 1));
        merge(&mut out, found);
        return Value::Object(out);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(Value::Array(choices)) = map.get(word) {
            let choices: Vec<Value> = choices.iter().map(|choice| convert(choice, root, depth + 1)).collect();
            out.insert("anyOf".into(), Value::Array(choices));
            return Value::Object(out);
        }
    }
    for word in ["enum", "const"] {
        if let Some(value) = map.get(word) {
            out.insert(word.into(), value.clone());
        }
    }
    let unit = map.get("format").and_then(Value::as_str).and_then(Unit::from_name);
    let types: Vec<&str> = match map.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if let Some(unit) = unit {
        out.insert("anyOf".into(), Value::Array(units(unit, types.contains(&"null"))));
        return Value::Object(out);
    }
    if !types.is_empty() {
        out.insert("type".into(), if types.len() == 1 { json!(types[0]) } else { json!(types) });
    }
    if let Some(items) = map.get("items") {
        out.insert("items".into(), place(items, root, depth + 1));
    }
    if types.contains(&"object") || map.contains_key("properties") {
        object(&mut out, map, root, depth);
    }
    Value::Object(out)
}

fn object(out: &mut Map<String, Value>, map: &Map<String, Value>, root: &Value, depth: usize) {
    let named = map.get("properties").and_then(Value::as_object);
    let required =
        map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let required: Vec<&str> =
        required.filter(|name| default_of(&Value::Object(map.clone()), name).is_none()).collect();
    let mut properties = Map::new();
    for (name, schema) in named.into_iter().flatten() {
        let of = place(schema, root, depth + 1);
        let optional = !map
            .get("required")
            .is_some_and(|list| list.as_array().is_some_and(|l| l.contains(&json!(name))));
        // The checker takes an explicit null for a place that may be absent.
        let of = if optional { json!({ "anyOf": [of, { "type": "null" }] }) } else { of };
        properties.insert(name.clone(), lifted(of));
    }
    if named.is_some() {
        out.insert("properties".into(), Value::Object(properties));
    }
    if !required.is_empty() {
        out.insert("required".into(), json!(required));
    }
    match map.get("additionalProperties") {
        Some(Value::Bool(false)) => drop(out.insert("additionalProperties".into(), json!(false))),
        Some(rest @ Value::Object(_)) => {
            out.insert("additionalProperties".into(), place(rest, root, depth + 1));
        }
        None if named.is_some() => drop(out.insert("additionalProperties".into(), json!(false))),
        _ => {}
    }
}

/// One place that may also hold an expression.
fn place(schema: &Value, root: &Value, depth: usize) -> Value {
    let of = convert(schema, root, depth);
    let any_text =
        of.get("type") == Some(&json!("string")) && of.get("enum").is_none() && of.get("const").is_none();
    let anything = of.as_object().is_some_and(|map| map.keys().all(|key| KEPT.contains(&key.as_str())));
    if any_text || anything {
        return of;
    }
    lifted(json!({ "anyOf": [of, { "$ref": "#/$defs/expression" }] }))
}

/// Editors show the description of the place itself, not that of one choice.
fn lifted(mut schema: Value) -> Value {
    for word in ["description", "default", "title"] {
        if let Some(words) = schema.pointer(&format!("/anyOf/0/{word}")).cloned() {
            schema[word] = words;
        }
    }
    schema
}

fn merge(out: &mut Map<String, Value>, found: Value) {
    if let Value::Object(found) = found {
        for (word, value) in found {
            out.entry(word).or_insert(value);
        }
    }
}

/// The texts (and numbers) that a unit admits.
pub(super) fn units(unit: Unit, nullable: bool) -> Vec<Value> {
    let pattern = match unit {
        Unit::Bytes => "^[0-9]+(\\.[0-9]{1,9})?(B|[KMGTP]iB|kB|[MGT]B)?$",
        Unit::Rate => "^[0-9]+(\\.[0-9]{1,9})?(B|[KMGTP]iB|kB|[MGT]B)?/s$",
        Unit::Duration => "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        Unit::Device => "^/dev/",
        Unit::Path => "^/",
    };
    let mut text = json!({ "type": "string", "pattern": pattern, "examples": [unit.example()] });
    if unit == Unit::Duration {
        text["minLength"] = json!(2);
    }
    let mut choices = vec![text];
    if unit.counts() {
        choices.push(json!({ "type": "integer", "minimum": 0 }));
    }
    if nullable {
        choices.push(json!({ "type": "null" }));
    }
    choices
}
