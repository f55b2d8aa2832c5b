//! The way in: all checks one after the other, and what comes of them. It must not know any rule by itself.

use super::checked::{Checked, CheckedStep, ForEach};
use super::checker::Checker;
use super::given::{self, Given};
use super::limits::{self, Times};
use super::order::{self, Order};
use super::{copies, grants, inside, mark, reach, reads, repeat, top, uses, watch};
use crate::describe::{Catalog, Kind, Undo};
use crate::document::{Document, Does, parse_leniently};
use crate::effect::Shown;
use crate::fault::{Fault, Faults, Severity, codes};
use crate::names::StepName;
use crate::plan::{Body, PlanStep};
use crate::policy::Policy;
use serde_json::{Map, Value};

/// Reads and checks a workflow file: what is wrong with its form and what is wrong with its sense come in one go.
///
/// # Errors
/// Everything that is wrong, in the order of the text, warnings included.
pub fn check_text(
    text: &str,
    file: &str,
    catalog: &Catalog,
    given: &Given,
    policy: Option<&Policy>,
) -> Result<Checked, Faults> {
    let parsed = parse_leniently(text, file);
    match &parsed.document {
        Some(document) => checked(document, catalog, given, policy, parsed.faults),
        None => Err(parsed.faults.sorted()),
    }
}

/// Checks a document that was read. Without a policy nothing is proved about this machine.
///
/// # Errors
/// Everything that is wrong, in the order of the text, warnings included.
pub fn check(
    document: &Document,
    catalog: &Catalog,
    given: &Given,
    policy: Option<&Policy>,
) -> Result<Checked, Faults> {
    checked(document, catalog, given, policy, Faults::default())
}

fn checked(
    doc: &Document,
    catalog: &Catalog,
    given: &Given,
    policy: Option<&Policy>,
    faults: Faults,
) -> Result<Checked, Faults> {
    let mut check = Checker::new(doc, catalog, policy);
    check.faults = faults;
    given::inputs(&mut check, given);
    uses::resolve(&mut check);
    let mut waits = reads::steps(&mut check);
    reads::outputs(&mut check);
    repeat::fixed(&mut check, &waits);
    inside::places(&mut check);
    watch::places(&mut check, &waits);
    copies::consistent(&mut check);
    let times = limits::times(&mut check);
    mark::place(&mut check);
    let known = grants::read(&mut check);
    reach::covered(&mut check, &known);
    let locks = top::locks(&mut check);
    let window = top::window(&mut check);
    let order = order::order(&mut check, &mut waits);
    if let Some(order) = &order {
        mark::ways_back(&mut check, order);
    }
    if !check.faults.has_errors() {
        unused_inputs(&mut check);
    }
    let steps = order.as_ref().map(|order| steps(&check, order, &times)).unwrap_or_default();
    let Checker { faults, inputs, .. } = check;
    let faults = faults.sorted();
    if faults.has_errors() || faults.more > 0 {
        return Err(faults);
    }
    Ok(Checked {
        name: doc.name.value.clone(),
        summary: doc.summary.clone(),
        document: doc.source.text.clone(),
        inputs,
        on_failure: doc.on_failure,
        window,
        locks,
        steps,
        grants: known.into_iter().map(|(plugin, known)| (plugin, known.grants)).collect(),
        outputs: doc.outputs.iter().map(|entry| (entry.key.value.clone(), entry.value.to_json())).collect(),
        warnings: faults,
    })
}

fn unused_inputs(check: &mut Checker<'_>) {
    let doc = check.doc;
    for input in doc.inputs.iter().filter(|input| !check.read.contains(&input.name.value)) {
        let message = format!("nothing reads input `{}`", input.name.value);
        let fault = Fault::warning(codes::UNUSED_INPUT, &doc.source.file, message);
        check.faults.push(fault.at(doc.source.place(input.name.span)).help("remove it"));
    }
    debug_assert!(check.faults.faults.iter().all(|fault| fault.severity == Severity::Warning));
}

fn steps(check: &Checker<'_>, order: &Order, times: &[Times]) -> Vec<CheckedStep> {
    order.line.iter().map(|&index| step(check, order, index, times[index])).collect()
}

fn step(check: &Checker<'_>, order: &Order, index: usize, times: Times) -> CheckedStep {
    let doc = check.doc;
    let step = &doc.steps[index];
    let name = |at: usize| StepName::new(check.name(at));
    let limit_ms = times.limit.unwrap_or(0);
    let body = match &step.does {
        Does::Uses(uses) => {
            let (plugin, action) = (uses.plugin.clone(), uses.action.clone());
            match check.signatures[index].as_ref().map(|signature| &signature.step) {
                Some(known) if known.kind == Kind::Check => Body::Check { plugin, action },
                known => Body::Action {
                    plugin,
                    action,
                    undo: known.map_or(Undo::None, |known| known.undo),
                    watch: known.is_some_and(|known| known.watch),
                },
            }
        }
        Does::Hold { uses, .. } => {
            let carries = check.signatures[index].as_ref().is_some_and(|signature| signature.step.carries);
            Body::Hold { plugin: uses.plugin.clone(), action: uses.action.clone(), limit_ms, carries }
        }
        Does::Outage { .. } | Does::Broken => Body::Outage { limit_ms },
        Does::Approve { message, by, .. } => Body::Approve {
            message: message.value.clone(),
            by: by.iter().map(|role| role.value.clone()).collect(),
            expires_ms: times.expires,
        },
    };
    let step = PlanStep {
        name: name(index),
        within: step.within.map(name),
        body,
        needs: order.needs[index].iter().map(|&on| name(on)).collect(),
        condition: step.condition.as_ref().map(|text| text.value.clone()),
        each: None,
        with: match step.with.as_ref().map(|with| with.to_json()) {
            Some(Value::Object(with)) => Value::Object(with),
            _ => Value::Object(Map::new()),
        },
        retry: step.retry,
        timeout_ms: times.timeout,
        mark: step.mark.is_some(),
        finally: step.finally,
        shown: Shown::default(),
        undo_shown: Shown::default(),
        line: doc.source.line(step.name.span),
    };
    let for_each = doc.steps[index].for_each.as_ref();
    CheckedStep {
        step,
        for_each: for_each.map(|repeat| ForEach { over: repeat.over.to_json(), at_most: repeat.at_most }),
    }
}
