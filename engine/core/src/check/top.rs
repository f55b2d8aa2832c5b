//! What is fixed in the plan and reads `inputs` only: limits, timeouts, the window, locks. It must not know steps.

use super::checker::Checker;
use crate::document::node::{Node, What};
use crate::document::{Span, Spanned};
use crate::expr::Env;
use crate::fault::codes;
use crate::plan::Window;
use crate::schema::{Type, Unit, milliseconds_of};
use serde_json::Value;
use std::collections::BTreeSet;

/// Checks a text that may read inputs only. `wanted` is what it has to give. The value, where it is known.
pub(super) fn fixed(
    check: &mut Checker<'_>,
    what: &str,
    text: &str,
    span: Span,
    wanted: &Type,
) -> Option<Value> {
    fixed_as_one_of(check, what, text, span, std::slice::from_ref(wanted))
}

/// The same, where any of several types will do; the first is named where none of them fits.
pub(super) fn fixed_as_one_of(
    check: &mut Checker<'_>,
    what: &str,
    text: &str,
    span: Span,
    wanted: &[Type],
) -> Option<Value> {
    if !text.contains("${{") {
        return Some(Value::String(text.to_owned()));
    }
    let mut others = false;
    for reference in check.references(text, false).into_iter().filter(|reference| reference.root != "inputs")
    {
        others = true;
        let at = check.source().within(span, text, reference.at.clone());
        let message = format!("`{what}` reads `{}`, and may read `inputs` only", reference.root);
        let fault = check.error(codes::INPUTS_ONLY, at, message);
        check.push(fault.help("it is fixed in the plan, before any step has run"));
    }
    if others {
        return None;
    }
    let env = Env::new().with("inputs", (*check.input_types).clone());
    let found = check.type_of(text, span, &env, false)?;
    if !wanted.iter().any(|wanted| found.fits(wanted)) {
        let wanted = wanted.first().unwrap_or(&Type::Any);
        let fault =
            check.error(codes::WRONG_TYPE, span, format!("`{what}` is {wanted}, and this gives {found}"));
        check.push(fault);
        return None;
    }
    check.value_of(text)
}

/// A duration in milliseconds; none where it is wrong (a fault says so) or not known.
pub(super) fn duration(check: &mut Checker<'_>, what: &str, text: &Spanned<String>) -> Option<u64> {
    let value = fixed(check, what, &text.value, text.span, &Type::Unit(Unit::Duration))?;
    let found = value.as_str().and_then(milliseconds_of);
    match found {
        Some(0) => {
            let fault = check.error(codes::UNIT, text.span, format!("`{what}` is longer than nothing"));
            check.push(fault);
            None
        }
        Some(ms) => Some(ms),
        None => {
            let fault = check.error(codes::UNIT, text.span, format!("`{}` is no duration", text.value));
            check.push(fault.help("write it like `500ms`, `60s`, `30m` or `2h`"));
            None
        }
    }
}

/// The names that `lock` adds.
pub(super) fn locks(check: &mut Checker<'_>) -> BTreeSet<String> {
    let doc = check.doc;
    let mut names = BTreeSet::new();
    for lock in &doc.lock {
        let value = fixed(check, "lock", &lock.value, lock.span, &Type::Text);
        names.extend(value.as_ref().and_then(Value::as_str).map(str::to_owned));
    }
    names
}

/// The window, where there is one.
pub(super) fn window(check: &mut Checker<'_>) -> Option<Window> {
    let doc = check.doc;
    let node = doc.window.as_ref()?;
    match &node.what {
        What::Text(text) => short(check, text, node),
        What::Map(entries) => {
            for entry in entries {
                if !["opens", "closes", "timezone"].contains(&entry.key.value.as_str()) {
                    let key = &entry.key;
                    let fault =
                        check.error(codes::UNKNOWN_KEY, key.span, format!("a window has no `{}`", key.value));
                    check.push(fault.help_names(&key.value, ["opens", "closes", "timezone"]));
                }
            }
            let opens = part(check, node, "opens");
            let closes = part(check, node, "closes");
            let timezone = part(check, node, "timezone");
            let (opens, closes, timezone) = (opens?, closes?, timezone?);
            times(check, &opens.0, opens.1);
            times(check, &closes.0, closes.1);
            zone(check, &timezone.0, timezone.1);
            Some(Window { opens: opens.0, closes: closes.0, timezone: timezone.0 })
        }
        What::Null => None,
        _ => {
            let message =
                format!("`window` is a mapping with `opens`, `closes` and `timezone`, not {}", node.kind());
            let fault = check.error(codes::WRONG_KIND, node.span, message);
            check.push(fault);
            None
        }
    }
}

fn part(check: &mut Checker<'_>, window: &Node, key: &str) -> Option<(String, Span)> {
    let Some(node) = window.get(key) else {
        let fault = check.error(codes::MISSING_KEY, window.span, format!("the window has no `{key}`"));
        check.push(fault);
        return None;
    };
    let Some(text) = node.text() else {
        let fault =
            check.error(codes::WRONG_KIND, node.span, format!("`{key}` is a text, not {}", node.kind()));
        check.push(fault.help("put it in quotes: \"02:00\""));
        return None;
    };
    let value = fixed(check, "window", text, node.span, &Type::Text)?;
    Some((value.as_str()?.to_owned(), node.span))
}

/// `02:00-04:00 Europe/Berlin`, or `none`: what one input can hold.
fn short(check: &mut Checker<'_>, text: &str, node: &Node) -> Option<Window> {
    let value = fixed(check, "window", text, node.span, &Type::Text.nullable())?;
    let text = value.as_str().filter(|text| *text != "none")?;
    let parts = text.split_once(' ').and_then(|(times, zone)| Some((times.split_once('-')?, zone.trim())));
    let Some(((opens, closes), timezone)) = parts else {
        let fault = check.error(codes::UNIT, node.span, format!("`{text}` is no window"));
        check.push(fault.help("write it like `02:00-04:00 Europe/Berlin`, or `none`"));
        return None;
    };
    times(check, opens, node.span);
    times(check, closes, node.span);
    zone(check, timezone, node.span);
    Some(Window { opens: opens.to_owned(), closes: closes.to_owned(), timezone: timezone.to_owned() })
}

fn times(check: &mut Checker<'_>, text: &str, span: Span) {
    let number = |part: &str, below: u32| {
        part.len() == 2
            && part.bytes().all(|b| b.is_ascii_digit())
            && part.parse::<u32>().is_ok_and(|n| n < below)
    };
    if !text.split_once(':').is_some_and(|(hours, minutes)| number(hours, 24) && number(minutes, 60)) {
        let fault = check.error(codes::UNIT, span, format!("`{text}` is no time of day"));
        check.push(fault.help("write it like `02:00`"));
    }
}

/// Only its form: which zones there are is the machine's business.
fn zone(check: &mut Checker<'_>, text: &str, span: Span) {
    let legal = !text.is_empty()
        && text.len() <= 64
        && text.split('/').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-'))
        });
    if !legal {
        let fault = check.error(codes::UNIT, span, format!("`{text}` is no time zone"));
        check.push(fault.help("write it like `Europe/Berlin` or `UTC`"));
    }
}
