//! Copies of what somebody may be writing: how still it is said to be, against the step's place, the workflow's purpose, and
//! whether anybody answers for it. It must not know plugins, nor how anything is copied.

use super::checker::Checker;
use crate::describe::Consistency;
use crate::document::node::{Node, What};
use crate::document::{Span, Step};
use crate::fault::codes;
use crate::plan::Purpose;
use serde_json::Value;

/// Reports every copy that its place, its purpose or the want of a waiver forbids.
pub(super) fn consistent(check: &mut Checker<'_>) {
    let doc = check.doc;
    for (index, step) in doc.steps.iter().enumerate() {
        let described =
            check.signatures[index].as_ref().and_then(|signature| signature.step.consistency.clone());
        let Some(at) = described else { continue };
        let Some((Value::String(level), span)) = fixed(check, step, &at.level) else { continue };
        if level == "snapshot" {
            continue;
        }
        let name = check.name(index);
        for_a_migration(check, name, &level, span);
        if level == "quiesced" && step.within.is_none() {
            let message =
                format!("step `{name}` says that nobody writes, and nothing is held or down around it");
            let fault = check.error(codes::NOT_STILL, span, message);
            check.push(fault.help(
                "put it inside the hold or outage that keeps everybody from writing; else it is `live`",
            ));
        }
        if matches!(fixed(check, step, &at.last), Some((Value::Bool(true), _))) {
            last(check, step, &at, (&level, span));
        }
    }
}

fn for_a_migration(check: &mut Checker<'_>, name: &str, level: &str, span: Span) {
    let (message, help) = match check.doc.purpose.as_ref().map(|purpose| purpose.value) {
        Some(Purpose::Migration) => return,
        Some(Purpose::DisasterRecovery) => (
            format!(
                "step `{name}` copies what lies there ({level}), and the workflow is for disaster recovery"
            ),
            "copy from a snapshot: files of different moments are no copy to recover from",
        ),
        None => (
            format!("step `{name}` copies what lies there ({level}), which only a migration may"),
            "copy from a snapshot, or say `purpose: migration` if it is one",
        ),
    };
    let fault = check.error(codes::DIRECT_COPY, span, message).help(help);
    let place = check.doc.purpose.as_ref().map(|purpose| check.source().place(purpose.span));
    check.push(match place {
        Some(place) => fault.related(place, "said here"),
        None => fault,
    });
}

fn last(check: &mut Checker<'_>, step: &Step, at: &Consistency, (level, span): (&str, Span)) {
    let name = &step.name.value;
    if level == "live" {
        let message = format!("step `{name}` is the last pass, and copies while others write");
        let fault = check.error(codes::LAST_PASS, span, message);
        let help = "make it `quiesced`, inside a hold or outage, with a `waiver`; or copy from a snapshot";
        check.push(fault.help(help));
        return;
    }
    let waiver = step.with.as_ref().and_then(|with| with.at(&at.waiver));
    let said = |key: &str| match waiver.and_then(|waiver| waiver.get(key)).map(|node| &node.what) {
        Some(What::Text(text)) => !text.trim().is_empty(),
        _ => false,
    };
    if !(said("by") && said("because")) {
        let message = format!(
            "step `{name}` is the last pass and is not read from a snapshot, and nobody answers for it"
        );
        let fault =
            check.error(codes::LAST_PASS, waiver.map_or(step.name.span, |waiver| waiver.span), message);
        check.push(fault.help("add `waiver: { by: WHO, because: WHY }`, or copy from a snapshot"));
    }
}

/// What stands at a place of a step's input, where it is known before anything runs. What it depends on beyond the inputs
/// is a fault: the checker could not answer for it.
fn fixed(check: &mut Checker<'_>, step: &Step, pointer: &str) -> Option<(Value, Span)> {
    let node: &Node = step.with.as_ref()?.at(pointer)?;
    let What::Text(text) = &node.what else { return Some((node.to_json(), node.span)) };
    let others = check.references(text, false).into_iter().find(|reference| reference.root != "inputs");
    if let Some(other) = others {
        let at = check.source().within(node.span, text, other.at.clone());
        let what = pointer.trim_start_matches('/');
        let fault = check.error(
            codes::INPUTS_ONLY,
            at,
            format!("`{what}` reads `{}`, and may read `inputs` only", other.root),
        );
        check.push(fault.help("whether the step may copy like that is decided before anything runs"));
        return None;
    }
    Some((check.value_of(text)?, node.span))
}
