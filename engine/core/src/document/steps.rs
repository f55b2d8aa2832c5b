//! The steps of a workflow file, flattened: what each is, and what stands inside what. It must not know plugins.

use super::bodies::{approve, condition, outage, repeat, retry, uses};
use super::node::{Entry, Node, What};
use super::source::Span;
use super::tree::{Does, Step};
use super::walk::{Fields, Walk};
use crate::fault::codes;
use crate::plan::Retry;
use std::collections::HashMap;

/// The keys of a step; the last is known, but not carried out by this version.
pub const KEYS: [&str; 16] = [
    "uses",
    "with",
    "needs",
    "if",
    "for-each",
    "retry",
    "timeout",
    "hold",
    "outage",
    "limit",
    "steps",
    "approve",
    "by",
    "expires",
    "point-of-no-return",
    "call",
];
/// Those that this version knows of but does not carry out.
const LATER: [&str; 3] = ["call", "host", "notifications"];
/// What a step can be.
const KINDS: [&str; 4] = ["uses", "hold", "outage", "approve"];

/// The steps read so far.
#[derive(Default)]
pub(super) struct Steps {
    pub steps: Vec<Step>,
    seen: HashMap<String, Span>,
}

/// Reads a mapping of steps; its nesting is bounded by the reader of the text.
pub(super) fn read(walk: &mut Walk<'_>, list: &mut Steps, node: &Node, within: Option<usize>, finally: bool) {
    let What::Map(entries) = &node.what else {
        walk.wrong_kind("steps", "a mapping of names to steps", node);
        return;
    };
    if entries.is_empty() {
        let fault = walk.error(codes::EMPTY, node.span, "there are no steps here");
        walk.push(fault);
    }
    for entry in entries {
        let name = &entry.key;
        walk.name("a step", name);
        match list.seen.get(&name.value) {
            Some(&first) => {
                let message = format!("a step `{}` stands elsewhere in this document", name.value);
                let fault = walk.error(codes::DUPLICATE_STEP, name.span, message);
                let first = walk.source.place(first);
                walk.push(fault.label("again").related(first, "first here"));
            }
            None => {
                list.seen.insert(name.value.clone(), name.span);
                step(walk, list, entry, within, finally);
            }
        }
    }
}

fn step(walk: &mut Walk<'_>, list: &mut Steps, entry: &Entry, within: Option<usize>, finally: bool) {
    let name = entry.key.clone();
    let what = format!("step `{}`", name.value);
    let mut step = Step {
        name: name.clone(),
        within,
        does: Does::Broken,
        with: None,
        needs: None,
        condition: None,
        for_each: None,
        retry: Retry::default(),
        retry_span: None,
        timeout: None,
        mark: None,
        finally,
    };
    if let Some(text) = entry.value.text() {
        let fault =
            walk.error(codes::WRONG_KIND, entry.value.span, format!("{what} is a mapping, not a text"));
        walk.push(fault.help(format!("write {}: {{ uses: {text} }}", name.value)));
        list.steps.push(step);
        return;
    }
    let Some(mut fields) = walk.fields(&what, &entry.value) else {
        list.steps.push(step);
        return;
    };
    fields.span = name.span;
    let kind = kind(walk, &fields, &what);
    step.needs = fields.take("needs").map(|entry| walk.texts("`needs`", &entry.value));
    step.condition = fields.take("if").and_then(|entry| condition(walk, &entry.value));
    let inner = match kind {
        Some("uses") => {
            step.does = fields
                .take("uses")
                .and_then(|entry| uses(walk, &entry.value))
                .map_or(Does::Broken, Does::Uses);
            called(walk, &mut fields, &mut step, &what);
            only_for(walk, &mut fields, "uses", &["limit", "steps", "by", "expires"]);
            None
        }
        Some("hold") => {
            let uses = fields.take("hold").and_then(|entry| uses(walk, &entry.value));
            let limit =
                fields.need(walk, &what, "limit").and_then(|entry| walk.text("`limit`", &entry.value));
            if let (Some(uses), Some(limit)) = (uses, limit) {
                step.does = Does::Hold { uses, limit };
            }
            called(walk, &mut fields, &mut step, &what);
            only_for(walk, &mut fields, "hold", &["by", "expires"]);
            fields.need(walk, &what, "steps")
        }
        Some("outage") => {
            step.does = fields.take("outage").map_or(Does::Broken, |entry| outage(walk, &what, entry));
            only_for(
                walk,
                &mut fields,
                "outage",
                &["with", "limit", "for-each", "retry", "timeout", "by", "expires", "point-of-no-return"],
            );
            fields.need(walk, &what, "steps")
        }
        Some("approve") => {
            step.does = approve(walk, &mut fields, &what);
            only_for(
                walk,
                &mut fields,
                "approve",
                &["with", "limit", "for-each", "retry", "timeout", "steps", "point-of-no-return"],
            );
            None
        }
        _ => {
            for key in &KEYS[..KEYS.len() - 1] {
                fields.take(key);
            }
            None
        }
    };
    walk.finish(fields, "a step", &KEYS[..KEYS.len() - 1], &LATER);
    let index = list.steps.len();
    list.steps.push(step);
    if let Some(entry) = inner {
        read(walk, list, &entry.value, Some(index), finally);
    }
}

/// The one key that says what the step is.
fn kind(walk: &mut Walk<'_>, fields: &Fields<'_>, what: &str) -> Option<&'static str> {
    let found: Vec<&'static str> = KINDS.into_iter().filter(|key| fields.has(key)).collect();
    match found.as_slice() {
        [one] => return Some(one),
        [] if LATER.iter().any(|key| fields.has(key)) || KINDS.iter().any(|key| fields.has_nearly(key)) => {}
        [] => {
            let fault = walk.error(codes::ONE_OF, fields.span, format!("{what} does nothing"));
            walk.push(fault.help("add `uses: PLUGIN.STEP`, or `hold`, `outage` or `approve`"));
        }
        several => {
            let message = format!("{what} has `{}` at once", several.join("`, `"));
            let fault = walk.error(codes::ONE_OF, fields.span, message);
            walk.push(fault.help("make them steps of their own"));
        }
    }
    None
}

/// The keys that go with a call of a plugin.
fn called(walk: &mut Walk<'_>, fields: &mut Fields<'_>, step: &mut Step, what: &str) {
    step.with = fields.take("with").map(|entry| entry.value.clone());
    if let Some(with) = step.with.as_ref().filter(|with| !matches!(with.what, What::Map(_) | What::Null)) {
        walk.wrong_kind("`with`", "a mapping", with);
        step.with = None;
    }
    step.for_each = fields.take("for-each").and_then(|entry| repeat(walk, entry));
    step.timeout = fields.take("timeout").and_then(|entry| walk.text("`timeout`", &entry.value));
    if let Some(entry) = fields.take("retry") {
        step.retry = retry(walk, what, &entry.value);
        step.retry_span = Some(entry.key.span);
    }
    if let Some(entry) = fields.take("point-of-no-return")
        && walk.flag("`point-of-no-return`", &entry.value) == Some(true)
    {
        step.mark = Some(entry.key.span);
    }
}

/// Reports keys that belong to another kind of step.
fn only_for(walk: &mut Walk<'_>, fields: &mut Fields<'_>, kind: &str, keys: &[&str]) {
    for key in keys {
        if let Some(entry) = fields.take(key) {
            let fault =
                walk.error(codes::ONE_OF, entry.key.span, format!("`{key}` does not go with `{kind}`"));
            walk.push(fault);
        }
    }
}
