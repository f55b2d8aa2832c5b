//! Which plugin's step each step is: that it is installed, has such a step, and is used as what it is. It must not
//! know inputs or order.

use super::checker::{Checker, Signature};
use crate::describe::{Kind, StepType};
use crate::document::{Does, Uses};
use crate::fault::codes;
use crate::schema::Type;
use serde_json::Value;
use std::collections::HashMap;
use std::rc::Rc;

/// Finds the signature of every step that uses a plugin.
pub(super) fn resolve(check: &mut Checker<'_>) {
    let doc = check.doc;
    let mut seen: HashMap<(&str, &str), Option<Rc<Signature>>> = HashMap::new();
    for step in &doc.steps {
        let Some(uses) = step.uses() else {
            check.signatures.push(None);
            continue;
        };
        let found = match seen.get(&(uses.plugin.as_str(), uses.action.as_str())) {
            Some(Some(known)) => Some(Rc::clone(known)),
            _ => find(check, uses),
        };
        if let Some(signature) = &found {
            used_as_it_is(check, &step.does, uses, signature.step.kind);
        }
        seen.insert((&uses.plugin, &uses.action), found.clone());
        check.signatures.push(found);
    }
}

fn find(check: &mut Checker<'_>, uses: &Uses) -> Option<Rc<Signature>> {
    let Uses { plugin, action, span } = uses;
    let catalog = check.catalog;
    let Some(known) = catalog.get(plugin) else {
        if !check.faults.is_full() {
            let at = check.source().within(*span, &format!("{plugin}.{action}"), 0..plugin.len());
            let fault = check.error(codes::UNKNOWN_PLUGIN, at, format!("there is no plugin `{plugin}`"));
            check.push(fault.help_names(plugin, catalog.keys().map(String::as_str)));
        } else {
            check.faults.more += 1;
        }
        return None;
    };
    let Some(step) = known.steps.get(action) else {
        let whole = format!("{plugin}.{action}");
        let at = check.source().within(*span, &whole, plugin.len() + 1..whole.len());
        let fault =
            check.error(codes::UNKNOWN_ACTION, at, format!("plugin `{plugin}` has no step `{action}`"));
        check.push(fault.help_names(action, known.steps.keys().map(String::as_str)));
        return None;
    };
    match signature(step) {
        Ok(signature) => Some(Rc::new(signature)),
        Err(why) => {
            let message = format!("`{plugin}.{action}` cannot be checked: {why}");
            let fault = check.error(codes::BAD_SCHEMA, *span, message);
            let (plugin, version) = (&known.name, &known.version);
            check.push(fault.help(format!("this is for the author of `{plugin}` {version}")));
            None
        }
    }
}

fn signature(step: &StepType) -> Result<Signature, String> {
    let read = |what: &str, schema: &Value| {
        let outside = |at: &str, why: &str| {
            format!("its {what} schema{at} holds {why}, which is outside the subset that is read")
        };
        Type::from_schema(schema).map_err(|fault| match fault.pointer.as_str() {
            "" => outside("", &fault.what),
            pointer => outside(&format!(" at `{pointer}`"), &fault.what),
        })
    };
    Ok(Signature {
        input: read("input", &step.input)?,
        output: read("output", &step.output)?,
        taken: step.taken.as_ref().map_or(Ok(Type::Any), |schema| read("taken", schema))?,
        step: step.clone(),
    })
}

fn used_as_it_is(check: &mut Checker<'_>, does: &Does, uses: &Uses, kind: Kind) {
    let name = format!("{}.{}", uses.plugin, uses.action);
    let (message, help) = match (does, kind) {
        (Does::Uses(_), Kind::Hold) => (
            format!("`{name}` holds something, and is used like a step that ends"),
            format!("write `hold: {name}`, a `limit` and the inner `steps`"),
        ),
        (Does::Hold { .. }, Kind::Check | Kind::Action) => {
            (format!("`{name}` holds nothing"), format!("write `uses: {name}`"))
        }
        _ => return,
    };
    let fault = check.error(codes::WRONG_USE, uses.span, message);
    check.push(fault.help(help));
}
