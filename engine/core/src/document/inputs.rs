//! What a workflow declares to be given. It must not know the values that are given.

use super::node::{Entry, Node, What};
use super::source::Spanned;
use super::tree::Input;
use super::walk::Walk;
use crate::fault::codes;
use serde_json::{Value, json};

/// The names of types in `inputs`.
pub const TYPES: [&str; 12] = [
    "string", "integer", "number", "boolean", "device", "path", "bytes", "rate", "duration", "enum", "list",
    MAP,
];
const MAP: &str = "map";

pub(super) fn inputs(walk: &mut Walk<'_>, node: &Node) -> Vec<Input> {
    let What::Map(entries) = &node.what else {
        walk.wrong_kind("`inputs`", "a mapping", node);
        return Vec::new();
    };
    entries.iter().map(|entry| input(walk, entry)).collect()
}

fn input(walk: &mut Walk<'_>, entry: &Entry) -> Input {
    let name = &entry.key;
    name_is_legal(walk, name);
    let what = format!("input `{}`", name.value);
    let mut input =
        Input { name: name.clone(), schema: json!({}), default: None, description: String::new() };
    let Some(mut fields) = walk.fields(&what, &entry.value) else { return input };
    fields.span = name.span;
    let values = fields.take("values");
    let items = fields.take("items");
    if let Some(entry) = fields.need(walk, &what, "type") {
        input.schema = schema(walk, &what, &entry.value, values, items);
    }
    input.default = fields.take("default").map(|entry| entry.value.clone());
    if let Some(entry) = fields.take("description") {
        input.description =
            walk.text("`description`", &entry.value).map(|text| text.value).unwrap_or_default();
    }
    walk.finish(fields, "an input", &["type", "default", "description", "values", "items"], &["secret"]);
    input
}

/// Inputs are read in expressions: `_` is allowed, for `inputs.volume_group`.
fn name_is_legal(walk: &mut Walk<'_>, name: &Spanned<String>) {
    walk.name("an input", &Spanned::new(name.value.replace('_', "-"), name.span));
}

fn schema(
    walk: &mut Walk<'_>,
    what: &str,
    node: &Node,
    values: Option<&Entry>,
    items: Option<&Entry>,
) -> Value {
    let Some(kind) = walk.text("`type`", node) else { return json!({}) };
    let collects = matches!(kind.value.as_str(), "list" | MAP);
    if let Some(entry) = values.filter(|_| kind.value != "enum") {
        let fault =
            walk.error(codes::BAD_DECLARATION, entry.key.span, "`values` goes with `type: enum` only");
        walk.push(fault);
    }
    if let Some(entry) = items.filter(|_| !collects) {
        let fault = walk.error(
            codes::BAD_DECLARATION,
            entry.key.span,
            "`items` goes with `type: list` or `map` only",
        );
        walk.push(fault);
    }
    if kind.value == "enum" {
        let texts = values.map(|entry| walk.texts("`values`", &entry.value)).unwrap_or_default();
        if texts.is_empty() {
            let fault =
                walk.error(codes::BAD_DECLARATION, node.span, format!("{what} is an enum without `values`"));
            walk.push(fault.help("add `values: [one, two]`"));
            return json!({});
        }
        return json!({ "enum": texts.into_iter().map(|text| text.value).collect::<Vec<_>>() });
    }
    if collects {
        let of = items.and_then(|entry| walk.text("`items`", &entry.value));
        let of = match &of {
            Some(of) => scalar(walk, of).unwrap_or(json!({})),
            None => json!({ "type": "string" }),
        };
        return match kind.value.as_str() {
            MAP => json!({ "type": "object", "additionalProperties": of }),
            _ => json!({ "type": "array", "items": of }),
        };
    }
    scalar(walk, &kind).unwrap_or(json!({}))
}

fn scalar(walk: &mut Walk<'_>, kind: &Spanned<String>) -> Option<Value> {
    match kind.value.as_str() {
        name @ ("string" | "integer" | "number" | "boolean") => Some(json!({ "type": name })),
        name @ ("device" | "path" | "bytes" | "rate" | "duration") => {
            Some(json!({ "type": "string", "format": name }))
        }
        other => {
            let fault =
                walk.error(codes::BAD_DECLARATION, kind.span, format!("there is no type `{other}` here"));
            walk.push(fault.help_names(other, TYPES));
            None
        }
    }
}
