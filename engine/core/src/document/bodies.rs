//! The parts of a step that are mappings or texts of a form of their own. It must not know which step they belong to.

use super::node::{Entry, Node, What};
use super::source::Spanned;
use super::tree::{Does, Repeat, Uses};
use super::walk::{Fields, Walk};
use crate::fault::codes;
use crate::plan::Retry;
use crate::schema::milliseconds_of;

pub(super) fn uses(walk: &mut Walk<'_>, node: &Node) -> Option<Uses> {
    let text = walk.text("a plugin's step", node)?;
    match text.value.split_once('.') {
        Some((plugin, action)) if !plugin.is_empty() && !action.is_empty() => {
            Some(Uses { plugin: plugin.to_owned(), action: action.to_owned(), span: text.span })
        }
        _ => {
            let fault =
                walk.error(codes::WRONG_KIND, text.span, format!("`{}` names no plugin's step", text.value));
            walk.push(fault.help("write it as PLUGIN.STEP, like `lvm.snapshot`"));
            None
        }
    }
}

pub(super) fn outage(walk: &mut Walk<'_>, what: &str, entry: &Entry) -> Does {
    let Some(mut fields) = walk.fields("`outage`", &entry.value) else { return Does::Broken };
    fields.span = entry.key.span;
    let limit = fields.need(walk, &format!("the outage of {what}"), "limit");
    let limit = limit.and_then(|entry| walk.text("`limit`", &entry.value));
    walk.finish(fields, "`outage`", &["limit"], &[]);
    limit.map_or(Does::Broken, |limit| Does::Outage { limit })
}

pub(super) fn approve(walk: &mut Walk<'_>, fields: &mut Fields<'_>, what: &str) -> Does {
    let message = fields.take("approve").and_then(|entry| walk.text("`approve`", &entry.value));
    let by = fields.need(walk, what, "by").map(|entry| (walk.texts("`by`", &entry.value), entry.value.span));
    let expires = fields.take("expires").and_then(|entry| walk.text("`expires`", &entry.value));
    match (message, by) {
        (Some(message), Some((by, _))) if !by.is_empty() => Does::Approve { message, by, expires },
        (_, Some((by, span))) if by.is_empty() => {
            let fault = walk.error(codes::EMPTY, span, format!("{what} names nobody who may approve"));
            walk.push(fault.help("name a role: `by: [dba]`"));
            Does::Broken
        }
        _ => Does::Broken,
    }
}

/// CEL, with or without `${{ }}` around it; true and false may stand there as they are.
pub(super) fn condition(walk: &mut Walk<'_>, node: &Node) -> Option<Spanned<String>> {
    match &node.what {
        What::Bool(flag) => Some(Spanned::new(flag.to_string(), node.span)),
        _ => walk.text("`if`", node),
    }
}

pub(super) fn repeat(walk: &mut Walk<'_>, entry: &Entry) -> Option<Repeat> {
    let span = entry.key.span;
    if entry.value.get("over").is_none() && !matches!(entry.value.what, What::Map(_)) {
        return match &entry.value.what {
            What::Text(_) | What::List(_) => Some(Repeat { over: entry.value.clone(), at_most: None, span }),
            _ => {
                walk.wrong_kind(
                    "`for-each`",
                    "an expression, a list, or a mapping with `over`",
                    &entry.value,
                );
                None
            }
        };
    }
    let mut fields = walk.fields("`for-each`", &entry.value)?;
    fields.span = span;
    let over = fields.need(walk, "`for-each`", "over").map(|entry| entry.value.clone());
    let at_most = fields.take("at-most").and_then(|entry| {
        let count = walk.count("`at-most`", &entry.value)?;
        if count == 0 {
            let fault = walk.error(codes::WRONG_KIND, entry.value.span, "`at-most` is at least 1");
            walk.push(fault);
        }
        Some(count.max(1))
    });
    walk.finish(fields, "`for-each`", &["over", "at-most"], &[]);
    Some(Repeat { over: over?, at_most, span })
}

pub(super) fn retry(walk: &mut Walk<'_>, what: &str, node: &Node) -> Retry {
    let Some(mut fields) = walk.fields("`retry`", node) else { return Retry::default() };
    let times = fields.need(walk, &format!("the retry of {what}"), "times");
    let times = times.and_then(|entry| walk.count("`times`", &entry.value)).unwrap_or(0);
    let wait_ms = fields.take("wait").and_then(|entry| {
        let text = walk.text("`wait`", &entry.value)?;
        let wait = milliseconds_of(&text.value);
        if wait.is_none() {
            let fault = walk.error(codes::UNIT, text.span, format!("`{}` is no duration", text.value));
            walk.push(fault.help("write it like `500ms`, `60s`, `30m` or `2h`"));
        }
        wait
    });
    walk.finish(fields, "`retry`", &["times", "wait"], &[]);
    Retry { times, wait_ms: wait_ms.unwrap_or(1000) }
}
