//! Grants: how they are written, and that they cover what the steps are known to reach for. It must not know how they
//! are enforced; what is not known yet is the host's to refuse.

use super::checker::Checker;
use super::top::{fixed, fixed_as_one_of};
use crate::document::node::{Entry, Node, What};
use crate::fault::{Fault, Severity, codes};
use crate::grant::Grants;
use crate::schema::Type;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The keys under which a plugin's grants stand.
pub(super) const KEYS: [&str; 9] =
    ["run", "on", "mount", "read", "write", "units", "freeze", "connect", "secrets"];

/// One plugin's grants as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub grants: Grants,
    /// The keys of which some entry is not known or wrong: nothing is proved about them.
    pub open: BTreeSet<&'static str>,
}

/// Reads all grants.
pub(super) fn read(check: &mut Checker<'_>) -> BTreeMap<String, Known> {
    let doc = check.doc;
    let mut all = BTreeMap::new();
    for entry in &doc.grants {
        let plugin = &entry.key;
        if !check.catalog.contains_key(&plugin.value) {
            let message = format!("this grants something to `{}`, and there is no such plugin", plugin.value);
            let fault = check.error(codes::GRANT_TO_NOBODY, plugin.span, message);
            let known = check.catalog;
            check.push(fault.help_names(&plugin.value, known.keys().map(String::as_str)));
        } else if !doc.steps.iter().filter_map(|step| step.uses()).any(|uses| uses.plugin == plugin.value) {
            let message = format!("this grants something to `{}`, and no step uses it", plugin.value);
            let fault = check.error(codes::UNUSED_GRANT, plugin.span, message);
            check.push(Fault { severity: Severity::Warning, ..fault.help("remove it") });
        }
        all.insert(plugin.value.clone(), one(check, entry));
    }
    all
}

fn one(check: &mut Checker<'_>, entry: &Entry) -> Known {
    let mut known = Known::default();
    let plugin = &entry.key.value;
    let What::Map(entries) = &entry.value.what else {
        let message = format!("the grants of `{plugin}` are a mapping, not {}", entry.value.kind());
        let fault = check.error(codes::BAD_GRANT, entry.value.span, message);
        check.push(fault);
        known.open.extend(KEYS);
        return known;
    };
    let mut read = Map::new();
    for Entry { key, value } in entries {
        let Some(name) = KEYS.into_iter().find(|name| *name == key.value) else {
            let fault = check.error(codes::BAD_GRANT, key.span, format!("there is no grant `{}`", key.value));
            check.push(fault.help_names(&key.value, KEYS));
            continue;
        };
        let What::List(items) = &value.what else {
            let fault = check.error(
                codes::BAD_GRANT,
                value.span,
                format!("`{name}` is a list, not {}", value.kind()),
            );
            let written = value.text().filter(|_| name != "connect");
            check.push(match written {
                Some(text) => fault.help(format!("write {name}: [{text}]")),
                None => fault,
            });
            known.open.insert(name);
            continue;
        };
        let mut list = Vec::new();
        for item in items {
            let values = if name == "connect" {
                address(check, item).map(|one| vec![one])
            } else {
                texts(check, name, item)
            };
            match values {
                Some(values) => list.extend(values),
                None => drop(known.open.insert(name)),
            }
        }
        read.insert(name.to_owned(), Value::Array(list));
    }
    if let Ok(grants) = serde_json::from_value(Value::Object(read)) {
        known.grants = grants;
    }
    known
}

/// One entry of a list of texts, or as many as its expression gives.
fn texts(check: &mut Checker<'_>, name: &'static str, node: &Node) -> Option<Vec<Value>> {
    let Some(text) = node.text() else {
        let fault = check.error(
            codes::BAD_GRANT,
            node.span,
            format!("an entry of `{name}` is a text, not {}", node.kind()),
        );
        check.push(fault);
        return None;
    };
    let wanted = [Type::Text, Type::Array(Box::new(Type::Text))];
    let values = match fixed_as_one_of(check, name, text, node.span, &wanted)? {
        Value::Array(several) => several,
        one => vec![one],
    };
    let read: Vec<Option<Value>> =
        values.into_iter().map(|value| grantable(check, name, node, value)).collect();
    read.into_iter().collect()
}

fn grantable(check: &mut Checker<'_>, name: &'static str, node: &Node, value: Value) -> Option<Value> {
    let text = value.as_str()?;
    let why = match name {
        "run" if text.contains('/') => {
            "a program is granted by its name; the machine's own path says where it is"
        }
        "mount" | "read" | "write" | "freeze" if !text.starts_with('/') => "a path begins with `/`",
        _ if text.is_empty() => "an empty text grants nothing",
        _ if text.split('/').any(|part| part == "..") => "`..` never matches",
        _ => return Some(value),
    };
    let fault =
        check.error(codes::BAD_GRANT, node.span, format!("`{text}` cannot be granted under `{name}`"));
    check.push(fault.help(why));
    None
}

/// One entry of `connect`.
fn address(check: &mut Checker<'_>, node: &Node) -> Option<Value> {
    let What::Map(entries) = &node.what else {
        let fault =
            check.error(codes::BAD_GRANT, node.span, format!("an address is a mapping, not {}", node.kind()));
        check.push(fault.help("write { unix: PATH, as: USER } or { host: NAME, port: 5432 }"));
        return None;
    };
    let unix = node.get("unix").is_some();
    let known: &[&str] =
        if unix { &["unix", "as", "read-only"] } else { &["host", "port", "tls", "read-only"] };
    let mut sound = true;
    for Entry { key, .. } in entries.iter().filter(|entry| !known.contains(&entry.key.value.as_str())) {
        let fault = check.error(codes::BAD_GRANT, key.span, format!("this address has no `{}`", key.value));
        check.push(fault.help_names(&key.value, known.iter().copied()));
        sound = false;
    }
    let value = filled(check, node)?;
    if sound && let Err(why) = serde_json::from_value::<crate::grant::Address>(value.clone()) {
        let why = if unix { why.to_string() } else { "it needs a `host` and a `port`".to_owned() };
        let fault = check.error(codes::BAD_GRANT, node.span, format!("this is no address: {why}"));
        check.push(fault.help("write { unix: PATH, as: USER } or { host: NAME, port: 5432 }"));
        sound = false;
    }
    sound.then_some(value)
}

/// A value with its expressions over inputs filled in.
fn filled(check: &mut Checker<'_>, node: &Node) -> Option<Value> {
    match &node.what {
        What::Text(text) => fixed(check, "grants", text, node.span, &Type::Any),
        What::List(items) => {
            let list: Vec<Option<Value>> = items.iter().map(|item| filled(check, item)).collect();
            list.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
        }
        What::Map(entries) => {
            let pairs: Vec<Option<(String, Value)>> = entries
                .iter()
                .map(|entry| filled(check, &entry.value).map(|value| (entry.key.value.clone(), value)))
                .collect();
            pairs.into_iter().collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        _ => Some(node.to_json()),
    }
}
