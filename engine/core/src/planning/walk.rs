//! The walk over the steps in an order in which they could run, over what is known so far. It must not know hashes.

use super::{Facts, Previewer, RUN, expand, failure::PlanningFault, granted, locks, typed};
use crate::answer::{Answer, Refusal};
use crate::check::{Checked, CheckedStep};
use crate::effect::Shown;
use crate::expr::{ExprFault, Scope, condition, render, run_value};
use crate::grant::Grants;
use crate::names::StepName;
use crate::partial::Partial;
use crate::plan::{Body, PlanStep};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the walk came to.
#[derive(Default)]
pub(super) struct Walked {
    pub steps: Vec<PlanStep>,
    pub locks: BTreeSet<String>,
    pub faults: Vec<PlanningFault>,
}

pub(super) fn walk(checked: &Checked, facts: &Facts, previewer: &mut dyn Previewer) -> Walked {
    let scope = Scope {
        inputs: Value::Object(checked.inputs.clone()),
        run: run_value(RUN, &checked.name),
        hosts: facts.hosts.clone(),
        ..Scope::default()
    };
    let after_mark = after_mark(&checked.steps.iter().map(|checked| &checked.step).collect::<Vec<_>>());
    let mut walk = Walk {
        facts,
        previewer,
        scope,
        after_mark,
        taken: BTreeMap::new(),
        boxes: BTreeMap::new(),
        late: BTreeSet::new(),
        lost: BTreeSet::new(),
        walked: Walked::default(),
    };
    for step in &checked.steps {
        walk.step(step);
    }
    walk.walked
}

struct Walk<'a> {
    facts: &'a Facts,
    previewer: &'a mut dyn Previewer,
    scope: Scope,
    /// The mark and what comes after it: nothing of it is undone.
    after_mark: BTreeSet<StepName>,
    /// What inner steps see of a hold.
    taken: BTreeMap<StepName, Partial>,
    /// Holds and outages, each with the one around it.
    boxes: BTreeMap<StepName, Option<StepName>>,
    /// Steps that change something, or wait for one that does: a check among them looks at a world that is not there yet.
    late: BTreeSet<StepName>,
    /// Steps that could not be planned: what waits for them is not looked at.
    lost: BTreeSet<StepName>,
    walked: Walked,
}

impl Walk<'_> {
    fn step(&mut self, checked: &CheckedStep) {
        let step = &checked.step;
        let around = step.within.as_ref();
        if step.needs.iter().chain(around).any(|name| self.lost.contains(name)) {
            self.lost.insert(step.name.clone());
            return;
        }
        if !matches!(step.body, Body::Check { .. })
            || step.needs.iter().chain(around).any(|name| self.late.contains(name))
        {
            self.late.insert(step.name.clone());
        }
        if matches!(step.body, Body::Hold { .. } | Body::Outage { .. }) {
            self.boxes.insert(step.name.clone(), step.within.clone());
        }
        let outer = self.enter(step);
        if self.planned(checked).is_none() {
            self.lost.insert(step.name.clone());
        }
        self.leave(outer);
    }

    /// Plans one step and its instances; none where something is wrong.
    fn planned(&mut self, checked: &CheckedStep) -> Option<()> {
        let Some(each) = &checked.for_each else { return self.one(checked.step.clone()) };
        let step = &checked.step;
        if !matches!(step.body, Body::Check { .. } | Body::Action { .. }) {
            return self.unfit(
                step,
                "",
                "only a step of a plugin that is no hold can be repeated".to_owned(),
            );
        }
        let over = match render(&each.over, &self.scope) {
            Ok(over) => over,
            Err(fault) => return self.expression(step, "for-each", fault),
        };
        let steps = match expand::expand(checked, &over) {
            Ok(steps) => steps,
            Err(message) => return self.unfit(step, "", message),
        };
        let late = self.late.contains(&step.name);
        let mut whole = Some(());
        for instance in steps {
            if late {
                self.late.insert(instance.name.clone());
            }
            if self.after_mark.contains(&step.name) {
                self.after_mark.insert(instance.name.clone());
            }
            // Every instance is looked at, so that all of them that are wrong are told.
            whole = self.one(instance).and(whole);
        }
        whole
    }

    fn one(&mut self, mut step: PlanStep) -> Option<()> {
        self.scope.each =
            step.each.as_ref().map_or(Value::Null, |each| json!({ "key": each.key, "value": each.value }));
        let runs = match step.condition.as_deref().map(|text| condition(text, &self.scope)) {
            None => Some(true),
            Some(Ok(runs)) => runs,
            Some(Err(fault)) => return self.expression(&step, "if", fault),
        };
        if runs == Some(false) {
            self.walked.steps.push(step);
            return Some(());
        }
        match &step.body {
            Body::Outage { .. } | Body::Approve { .. } => {}
            Body::Gather { of, .. } => step.shown.output = self.gathered(of),
            Body::Check { .. } | Body::Action { .. } | Body::Hold { .. } => self.look(&mut step)?,
        }
        let output = match (&step.body, runs) {
            (_, None) => Partial::after(step.name.as_str()),
            (Body::Outage { .. } | Body::Approve { .. }, _) => Partial::known(json!({})),
            (Body::Hold { .. }, _) => {
                self.taken.insert(step.name.clone(), below(&step.shown.output, "taken", step.name.as_str()));
                below(&step.shown.output, "released", step.name.as_str())
            }
            _ => step.shown.output.clone(),
        };
        self.scope.steps.insert(step.name.as_str().to_owned(), output);
        self.walked.steps.push(step);
        Some(())
    }

    /// Previews a plugin's step and its undo, and holds what they show against the grants.
    fn look(&mut self, step: &mut PlanStep) -> Option<()> {
        let uses = step.body.uses()?;
        let (plugin, described) = (uses.0.to_owned(), typed::describe(&self.facts.catalog, uses));
        let Some(described) = described else {
            let message = format!("there is no `{}.{}`", uses.0, uses.1);
            return self.unfit(step, "", message);
        };
        let input = match render(&step.with, &self.scope) {
            Ok(input) => with_object(input),
            Err(fault) => return self.expression(step, "with", fault),
        };
        let misfits = typed::misfits(described, &input);
        if !misfits.is_empty() {
            for (pointer, message) in misfits {
                self.unfit(step, &pointer, message);
            }
            return None;
        }
        let grants = self.facts.grants.get(&plugin).cloned().unwrap_or_default();
        self.ask(step, &input, &grants)?;
        let missing = granted::missing(described, step, &input, &grants);
        if !missing.is_empty() {
            let (name, line) = (step.name.clone(), step.line);
            self.walked.faults.extend(missing.into_iter().map(|what| PlanningFault::NotGranted {
                step: name.clone(),
                line,
                plugin: plugin.clone(),
                what,
            }));
            return None;
        }
        self.walked.locks.extend(locks::of(described, step, &input));
        Some(())
    }

    fn ask(&mut self, step: &mut PlanStep, input: &Partial, grants: &Grants) -> Option<()> {
        if matches!(step.body, Body::Check { .. })
            && !self.late.contains(&step.name)
            && !step.finally
            && input.is_known()
        {
            let answer = self.previewer.check(step, input.value.clone(), grants);
            step.shown = match answer {
                Answer::Changed { output } | Answer::Unchanged { output } => {
                    Shown { output: Partial::known(output), ..Shown::default() }
                }
                Answer::Refused(refusal) => return self.refused(step, false, refusal),
                Answer::Failed(failure) => {
                    let refusal = Refusal {
                        code: failure.code,
                        message: failure.message,
                        again: failure.again,
                        details: Value::Null,
                    };
                    return self.refused(step, false, refusal);
                }
                Answer::Unknown { why } => {
                    let refusal = Refusal {
                        code: "unknown".to_owned(),
                        message: why,
                        again: true,
                        details: Value::Null,
                    };
                    return self.refused(step, false, refusal);
                }
            };
            return Some(());
        }
        match self.previewer.preview(step, input.clone(), grants, false) {
            Ok(shown) => step.shown = sound(shown, step.name.as_str()),
            Err(refusal) => return self.refused(step, false, refusal),
        }
        if matches!(step.body, Body::Hold { .. }) || step.body.undoes() {
            match self.previewer.preview(step, input.clone(), grants, true) {
                Ok(shown) => step.undo_shown = sound(shown, step.name.as_str()),
                // From the mark on nothing relies on it.
                Err(_) if self.after_mark.contains(&step.name) => {}
                Err(refusal) => return self.refused(step, true, refusal),
            }
        }
        Some(())
    }

    /// The outputs of the instances by key, with their holes; none where an instance will be skipped.
    fn gathered(&self, of: &[(String, StepName)]) -> Partial {
        let mut value = Map::new();
        let mut unknown = BTreeMap::new();
        for (key, instance) in of {
            let Some(output) = self.scope.steps.get(instance.as_str()) else {
                value.insert(key.clone(), Value::Null);
                continue;
            };
            value.insert(key.clone(), output.value.clone());
            let at = crate::schema::escape(key);
            unknown.extend(
                output.unknown.iter().map(|(pointer, step)| (format!("/{at}{pointer}"), step.clone())),
            );
        }
        Partial { value: Value::Object(value), unknown }
    }

    /// Puts the `taken` outputs of the holds around a step in the place of their `released` ones.
    fn enter(&mut self, step: &PlanStep) -> Vec<(String, Option<Partial>)> {
        let mut outer = Vec::new();
        let mut around = step.within.clone();
        while let Some(name) = around {
            if let Some(taken) = self.taken.get(&name) {
                let before = self.scope.steps.insert(name.as_str().to_owned(), taken.clone());
                outer.push((name.as_str().to_owned(), before));
            }
            around =
                self.walked.steps.iter().find(|step| step.name == name).and_then(|step| step.within.clone());
        }
        outer
    }

    fn leave(&mut self, outer: Vec<(String, Option<Partial>)>) {
        for (name, before) in outer {
            match before {
                Some(before) => self.scope.steps.insert(name, before),
                None => self.scope.steps.remove(&name),
            };
        }
    }

    fn refused(&mut self, step: &PlanStep, undo: bool, refusal: Refusal) -> Option<()> {
        self.walked.faults.push(PlanningFault::Refused {
            step: step.name.clone(),
            line: step.line,
            undo,
            refusal,
        });
        None
    }

    fn unfit(&mut self, step: &PlanStep, pointer: &str, message: String) -> Option<()> {
        let (step, line, pointer) = (step.name.clone(), step.line, pointer.to_owned());
        self.walked.faults.push(PlanningFault::Unfit { step, line, pointer, message });
        None
    }

    fn expression(&mut self, step: &PlanStep, key: &str, fault: ExprFault) -> Option<()> {
        match key {
            "with" => self.unfit(step, &fault.pointer, fault.message),
            _ => self.unfit(step, "", format!("`{key}`: {}", fault.message)),
        }
    }
}

/// An absent `with` is an empty one.
fn with_object(input: Partial) -> Partial {
    if input.value.is_null() && input.is_known() { Partial::known(json!({})) } else { input }
}

/// What a plugin showed, with the step's own name where it named none, and null at every hole.
fn sound(mut shown: Shown, step: &str) -> Shown {
    for (pointer, after) in &mut shown.output.unknown {
        if after.is_empty() {
            step.clone_into(after);
        }
        if let Some(place) = shown.output.value.pointer_mut(pointer) {
            *place = Value::Null;
        }
    }
    shown
}

/// A place of a partial as one that stands alone; what is not there is known after the step.
fn below(output: &Partial, name: &str, step: &str) -> Partial {
    if let Some(after) = output.unknown.get("") {
        return Partial::after(after);
    }
    let at = format!("/{name}");
    let unknown: BTreeMap<String, String> = output
        .unknown
        .iter()
        .filter_map(|(pointer, step)| {
            let rest = pointer.strip_prefix(&at)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (rest.to_owned(), step.clone()))
        })
        .collect();
    match output.value.get(name) {
        Some(value) => Partial { value: value.clone(), unknown },
        None if !unknown.is_empty() => Partial { value: Value::Null, unknown },
        None => Partial::after(step),
    }
}

/// The mark and every step that waits for it, directly or not: nothing of them is ever undone.
pub(crate) fn after_mark(steps: &[&PlanStep]) -> BTreeSet<StepName> {
    let marks = || steps.iter().filter(|step| step.mark);
    // What waits for an outage waits for the mark inside it; what is inside it does not.
    let mut ends: BTreeSet<&StepName> = marks().map(|step| &step.name).collect();
    ends.extend(marks().filter_map(|step| step.within.as_ref()));
    let mut found: BTreeSet<StepName> = marks().map(|step| step.name.clone()).collect();
    for step in steps {
        let waits = step.needs.iter().any(|name| ends.contains(name) || found.contains(name));
        if waits || step.within.as_ref().is_some_and(|around| found.contains(around)) {
            found.insert(step.name.clone());
        }
    }
    found
}
