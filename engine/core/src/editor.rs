//! The JSON Schema (2020-12) of workflow files that editors use: the language's own keys and, for each installed
//! plugin's step, its own input schema. It must not know files or editors; what only the checker can see (references,
//! order, grants that do not cover) is not in it.

mod given;
mod parts;

use crate::describe::{Catalog, Kind};
use serde_json::{Map, Value, json};

/// The schema of workflow files for these plugins. The same catalogue gives the same bytes.
pub fn schema(catalog: &Catalog) -> Value {
    let mut defs = parts::shared();
    defs.insert("step".into(), step(catalog));
    defs.insert("steps".into(), parts::steps("step"));
    defs.insert("last-step".into(), json!({ "allOf": [{ "$ref": "#/$defs/step" }, { "required": ["uses"], "not": { "required": ["point-of-no-return"] } }] }));
    defs.insert("last-steps".into(), parts::steps("last-step"));
    defs.insert("grants".into(), grants(catalog));
    for (name, step) in steps_of(catalog, |_| true) {
        defs.insert(format!("with {name}"), given::input(&step.input));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Cutwater workflow",
        "type": "object",
        "required": ["cutwater", "name", "steps"],
        "additionalProperties": false,
        "properties": {
            "cutwater": { "const": 1, "description": "The version of the language; the first line." },
            "name": { "$ref": "#/$defs/name", "description": "What runs are named after." },
            "summary": { "type": "string", "description": "What it does, in a line." },
            "purpose": {
                "enum": ["migration", "disaster-recovery"],
                "description": "What it is for. Copies that are not read from a snapshot are for migrations only."
            },
            "inputs": {
                "type": "object",
                "description": "What it is given.",
                "propertyNames": { "pattern": "^[a-z][a-z0-9_-]{0,63}$" },
                "additionalProperties": { "$ref": "#/$defs/input" }
            },
            "grants": { "$ref": "#/$defs/grants" },
            "window": { "$ref": "#/$defs/window" },
            "on-failure": {
                "enum": ["undo", "pause", "keep"],
                "default": "undo",
                "description": "What happens when a step fails before the point of no return."
            },
            "lock": {
                "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
                "description": "Names that no other run may hold meanwhile, beyond the things that the plan changes."
            },
            "steps": { "$ref": "#/$defs/steps" },
            "finally": { "$ref": "#/$defs/last-steps", "description": "Runs at the end, whatever the outcome." },
            "outputs": { "type": "object", "description": "What it gives." }
        },
        "$defs": defs
    })
}

/// Every plugin's steps of the wanted kinds, by `plugin.action`.
fn steps_of(catalog: &Catalog, wanted: impl Fn(Kind) -> bool) -> Vec<(String, &crate::describe::StepType)> {
    let all = catalog.iter().flat_map(|(plugin, known)| {
        known.steps.iter().map(move |(action, step)| (format!("{plugin}.{action}"), step))
    });
    all.filter(|(_, step)| wanted(step.kind)).collect()
}

/// One step: exactly one kind, the keys that go with it, and for each plugin's step what it is given.
fn step(catalog: &Catalog) -> Value {
    let mut rules = parts::kinds();
    for (key, wanted) in [("uses", false), ("hold", true)] {
        for (name, step) in steps_of(catalog, |kind| (kind == Kind::Hold) == wanted) {
            let needs_some =
                step.input.get("required").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
            let mut then = json!({ "properties": { "with": { "$ref": format!("#/$defs/with {name}") } } });
            if needs_some && given::requires(&step.input) {
                then["required"] = json!(["with"]);
            }
            rules.push(json!({
                "if": { "required": [key], "properties": { (key): { "const": name } } },
                "then": then
            }));
        }
    }
    let names = |hold: bool| {
        let steps = steps_of(catalog, |kind| (kind == Kind::Hold) == hold);
        let choices = steps.iter().map(|(name, step)| json!({ "const": name, "description": step.summary }));
        json!({ "anyOf": choices.collect::<Vec<_>>() })
    };
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": parts::step_keys(&names(false), &names(true)),
        "allOf": rules
    })
}

/// Grants by plugin.
fn grants(catalog: &Catalog) -> Value {
    let of = json!({ "$ref": "#/$defs/grant" });
    let by_plugin: Map<String, Value> = catalog
        .iter()
        .map(|(name, plugin)| {
            let mut entry = of.clone();
            entry["description"] = json!(plugin.summary);
            (name.clone(), entry)
        })
        .collect();
    json!({
        "type": "object",
        "description": "What each plugin may reach; nothing else is reachable.",
        "additionalProperties": false,
        "properties": by_plugin
    })
}
