//! The plan's hash: BLAKE3 over canonical JSON (sorted keys, no white space) of all that an approval is bound to. It
//! must not know how plans are shown.
//!
//! In it: the document, inputs, window, locks, effective grants (with the names of secrets), digests of the policy and
//! of the components, each step's shape, the effects of doing it and of taking it back with holes for what is not known,
//! the outputs of checks that ran, and identities. Not in it: places marked `x-estimate`, estimates, notes, lines.

use super::typed;
use crate::describe::Catalog;
use crate::effect::Shown;
use crate::plan::{Body, Plan, PlanStep};
use serde_json::{Value, json};

/// The hash, in hexadecimal digits.
pub(super) fn hash(plan: &Plan, catalog: &Catalog) -> String {
    let steps: Vec<Value> = plan.steps.iter().map(|step| shape(step, catalog)).collect();
    let content = json!({
        "format": plan.format,
        "name": plan.name,
        "document": plan.document,
        "inputs": plan.inputs,
        "on-failure": plan.on_failure,
        "window": plan.window,
        "locks": plan.locks,
        "grants": plan.grants,
        "components": plan.components,
        "policy": plan.policy,
        "steps": steps,
    });
    let mut text = String::new();
    write(&content, &mut text);
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn shape(step: &PlanStep, catalog: &Catalog) -> Value {
    let estimates = step.body.uses().map(|uses| typed::estimates(catalog, uses)).unwrap_or_default();
    let output = match step.body {
        Body::Check { .. } => pinned(&step.shown, &estimates),
        _ => identities(&step.shown.output.value),
    };
    json!({
        "name": step.name,
        "within": step.within,
        "body": step.body,
        "needs": step.needs,
        "if": step.condition,
        "each": step.each,
        "with": step.with,
        "retry": step.retry,
        "timeout": step.timeout_ms,
        "mark": step.mark,
        "finally": step.finally,
        "effects": step.shown.effects,
        "undo": step.undo_shown.effects,
        "output": output,
    })
}

/// A check's output without what drifts, and its holes.
fn pinned(shown: &Shown, estimates: &[Vec<String>]) -> Value {
    let mut value = shown.output.value.clone();
    for path in estimates {
        remove(&mut value, path);
    }
    json!({ "value": value, "unknown": shown.output.unknown })
}

fn remove(value: &mut Value, path: &[String]) {
    match (path, value) {
        ([name], Value::Object(map)) if name != "*" => {
            map.remove(name);
        }
        ([star, rest @ ..], Value::Array(items)) if star == "*" => {
            items.iter_mut().for_each(|item| remove(item, rest));
        }
        ([star, rest @ ..], Value::Object(map)) if star == "*" => {
            map.values_mut().for_each(|item| remove(item, rest));
        }
        ([name, rest @ ..], Value::Object(map)) if !rest.is_empty() => {
            if let Some(inner) = map.get_mut(name) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

/// The values of all places named `identity` or `identities`, in a stable order.
pub(super) fn identities(value: &Value) -> Value {
    let mut found = Vec::new();
    collect(value, false, &mut found);
    found.sort();
    found.dedup();
    found.into()
}

fn collect(value: &Value, inside: bool, found: &mut Vec<String>) {
    match value {
        Value::String(text) if inside => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, inside, found)),
        Value::Object(map) => {
            for (name, item) in map {
                collect(item, inside || name == "identity" || name == "identities", found);
            }
        }
        _ => {}
    }
}

/// Writes JSON with sorted keys. Depth is bounded by what parsers of JSON and YAML let in.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect::<Vec<_>>();
            entries.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (index, (name, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::String(name.clone()).to_string());
                text.push(':');
                write(item, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

/// A map from which nothing is missing but its order.
#[cfg(test)]
pub(crate) fn shuffled(value: &Value, seed: u64) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> =
                map.iter().map(|(k, v)| (k.clone(), shuffled(v, seed))).collect();
            entries.sort_by_key(|(name, _)| {
                blake3::hash(format!("{seed}{name}").as_bytes()).as_bytes().to_owned()
            });
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(|item| shuffled(item, seed)).collect(),
        other => other.clone(),
    }
}
