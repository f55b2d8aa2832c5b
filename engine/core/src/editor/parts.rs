//! The language's own parts of the editor's schema: names, durations, inputs, windows, grants, the keys of steps. It
//! must not know plugins.

use super::given::units;
use crate::document::INPUT_TYPES;
use crate::schema::Unit;
use serde_json::{Map, Value, json};

/// Definitions that several places use.
pub(super) fn shared() -> Map<String, Value> {
    let mut duration = units(Unit::Duration, false);
    duration.push(json!({ "$ref": "#/$defs/expression" }));
    let types: Vec<&str> = INPUT_TYPES.to_vec();
    let scalars: Vec<&&str> =
        INPUT_TYPES.iter().filter(|name| !["enum", "list", "map"].contains(*name)).collect();
    let texts = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
    let paths = json!({ "type": "array", "items": { "type": "string", "pattern": "^(/|\\$\\{\\{)" } });
    let address = json!({ "oneOf": [
        {
            "type": "object", "required": ["unix"], "additionalProperties": false,
            "properties": { "unix": { "type": "string" }, "as": { "type": "string" }, "read-only": { "type": "boolean" } }
        },
        {
            "type": "object", "required": ["host", "port"], "additionalProperties": false,
            "properties": {
                "host": { "type": "string" },
                "port": { "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 65535 }, { "$ref": "#/$defs/expression" }] },
                "tls": {
                    "type": "object", "additionalProperties": false,
                    "properties": { "ca": { "type": "string" }, "name": { "type": "string" } }
                },
                "read-only": { "type": "boolean" }
            }
        }
    ] });
    let defs = json!({
        "expression": { "type": "string", "pattern": "\\$\\{\\{", "description": "CEL between `${{` and `}}`." },
        "name": { "type": "string", "pattern": "^[a-z][a-z0-9-]{0,63}$" },
        "duration": { "anyOf": duration },
        "input": {
            "type": "object",
            "required": ["type"],
            "additionalProperties": false,
            "properties": {
                "type": { "enum": types },
                "default": { "description": "Its value when none is given; null makes it optional." },
                "description": { "type": "string" },
                "values": { "type": "array", "minItems": 1, "items": { "type": "string" } },
                "items": { "enum": scalars }
            },
            "allOf": [
                { "if": { "properties": { "type": { "const": "enum" } } }, "then": { "required": ["values"] }, "else": { "properties": { "values": false } } },
                { "if": { "properties": { "type": { "enum": ["list", "map"] } } }, "else": { "properties": { "items": false } } }
            ]
        },
        "window": {
            "description": "When outages may begin and the point of no return be crossed.",
            "anyOf": [
                {
                    "type": "object",
                    "required": ["opens", "closes", "timezone"],
                    "additionalProperties": false,
                    "properties": {
                        "opens": { "$ref": "#/$defs/time" },
                        "closes": { "$ref": "#/$defs/time" },
                        "timezone": { "type": "string", "examples": ["Europe/Berlin"] }
                    }
                },
                { "type": "string", "pattern": "^(none|[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2} .+|.*\\$\\{\\{.*)$" },
                { "type": "null" }
            ]
        },
        "time": { "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|\\$\\{\\{" },
        "grant": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "run": { "type": "array", "items": { "type": "string", "pattern": "^[^/]+$|\\$\\{\\{" } },
                "on": texts, "units": texts, "secrets": texts,
                "mount": paths, "read": paths, "write": paths, "freeze": paths,
                "connect": { "type": "array", "items": address }
            }
        }
    });
    match defs {
        Value::Object(defs) => defs,
        _ => Map::new(),
    }
}

/// A mapping of names to steps of this definition.
pub(super) fn steps(of: &str) -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": { "pattern": "^[a-z][a-z0-9-]{0,63}$" },
        "additionalProperties": { "$ref": format!("#/$defs/{of}") }
    })
}

/// All keys of a step, given what may stand under `uses` and `hold`.
pub(super) fn step_keys(uses: &Value, hold: &Value) -> Value {
    json!({
        "uses": uses,
        "hold": hold,
        "outage": {
            "type": "object", "required": ["limit"], "additionalProperties": false,
            "properties": { "limit": { "$ref": "#/$defs/duration" } },
            "description": "Groups the steps that take a service down and bring it up elsewhere."
        },
        "approve": { "type": "string", "description": "What a person is asked." },
        "with": { "type": ["object", "null"], "description": "What the plugin's step is given." },
        "needs": { "type": "array", "items": { "$ref": "#/$defs/name" }, "description": "Steps that must have ended well before, beyond those that it reads." },
        "if": { "type": ["string", "boolean"], "description": "False skips the step; what it gives is optional then." },
        "for-each": {
            "description": "Repeats the step over a list or map, as `each.key` and `each.value`.",
            "anyOf": [
                { "$ref": "#/$defs/expression" },
                { "type": "array" },
                {
                    "type": "object", "required": ["over"], "additionalProperties": false,
                    "properties": {
                        "over": { "anyOf": [{ "$ref": "#/$defs/expression" }, { "type": ["array", "object"] }] },
                        "at-most": { "type": "integer", "minimum": 1 }
                    }
                }
            ]
        },
        "retry": {
            "type": "object", "required": ["times"], "additionalProperties": false,
            "properties": {
                "times": { "type": "integer", "minimum": 0 },
                "wait": { "anyOf": units(Unit::Duration, false), "default": "1s" }
            }
        },
        "timeout": { "$ref": "#/$defs/duration" },
        "limit": { "$ref": "#/$defs/duration", "description": "After this a hold is given back." },
        "steps": { "$ref": "#/$defs/steps" },
        "by": { "type": "array", "minItems": 1, "items": { "type": "string" }, "description": "Roles that may approve." },
        "expires": { "$ref": "#/$defs/duration" },
        "point-of-no-return": { "type": "boolean" }
    })
}

/// A step is exactly one thing, with the keys that go with it.
pub(super) fn kinds() -> Vec<Value> {
    let one = ["uses", "hold", "outage", "approve"].map(|key| json!({ "required": [key] }));
    let goes = |key: &str, required: &[&str], barred: &[&str]| {
        let barred: Map<String, Value> = barred.iter().map(|key| ((*key).to_owned(), json!(false))).collect();
        json!({ "if": { "required": [key] }, "then": { "required": required, "properties": barred } })
    };
    vec![
        json!({ "oneOf": one }),
        goes("uses", &[], &["limit", "steps", "by", "expires"]),
        goes("hold", &["limit", "steps"], &["by", "expires", "for-each", "point-of-no-return"]),
        goes(
            "outage",
            &["steps"],
            &["with", "limit", "for-each", "retry", "timeout", "by", "expires", "point-of-no-return"],
        ),
        goes(
            "approve",
            &["by"],
            &["with", "limit", "for-each", "retry", "timeout", "steps", "point-of-no-return"],
        ),
    ]
}
