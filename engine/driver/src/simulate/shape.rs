//! What follows from a plan for the world: who comes after whom, and what stops the old side from writing. It is worked
//! out from needs and kinds, apart from the core's own order, so that one can be held against the other. It must not
//! know where a run stands.

use cutwater_core::names::StepName;
use cutwater_core::plan::{Body, Plan, PlanStep};
use std::collections::{BTreeSet, HashMap};

/// A plan, and what follows from it.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The plan.
    pub plan: Plan,
    /// The step with which the new side begins to write.
    pub mark: Option<StepName>,
    /// The changing steps of the mark's outage that do not wait for the mark: until all of them are in effect the old
    /// side may write. Those with a condition may be meant to be skipped and do not count; in the plan's order.
    pub stops_the_old: Vec<StepName>,
    /// The outage around the mark has no changing step but the mark.
    pub nothing_stops: bool,
    after: HashMap<StepName, BTreeSet<StepName>>,
}

impl Shape {
    /// Works it out.
    pub fn of(plan: Plan) -> Self {
        let after = plan.steps.iter().map(|step| (step.name.clone(), after(&plan, &step.name))).collect();
        let mut shape = Self {
            mark: plan.steps.iter().find(|step| step.mark).map(|step| step.name.clone()),
            plan,
            stops_the_old: Vec::new(),
            nothing_stops: false,
            after,
        };
        let Some(mark) = shape.mark.clone() else { return shape };
        let Some(outage) = shape.plan.step(&mark).and_then(|step| step.within.clone()) else { return shape };
        let late = shape.after(&mark).clone();
        let beside = |step: &&PlanStep| {
            changes(step)
                && step.name != mark
                && !late.contains(&step.name)
                && shape.around(&step.name).contains(&outage)
        };
        let stops: Vec<&PlanStep> = shape.plan.steps.iter().filter(beside).collect();
        shape.nothing_stops = stops.is_empty();
        shape.stops_the_old =
            stops.iter().filter(|s| s.condition.is_none()).map(|s| s.name.clone()).collect();
        shape
    }

    /// All steps that come after one, however far: through needs, and through the end of a hold or outage.
    pub fn after(&self, step: &StepName) -> &BTreeSet<StepName> {
        static NONE: BTreeSet<StepName> = BTreeSet::new();
        self.after.get(step).unwrap_or(&NONE)
    }

    /// The holds and outages around a step, inside out.
    pub fn around(&self, step: &StepName) -> Vec<StepName> {
        let mut found = Vec::new();
        let mut at = self.plan.step(step).and_then(|step| step.within.clone());
        while let Some(group) = at.filter(|group| !found.contains(group)) {
            at = self.plan.step(&group).and_then(|step| step.within.clone());
            found.push(group);
        }
        found
    }

    /// Whether the step changes something, other than by holding it.
    pub fn changes(&self, step: &StepName) -> bool {
        self.plan.step(step).is_some_and(changes)
    }

    /// Whether the step is a hold that its inner steps build on.
    pub fn carries(&self, step: &StepName) -> bool {
        self.plan.step(step).is_some_and(|step| step.body.carries())
    }

    /// Of the step's `for-each`: how many instances may be at work at once, and the other ones.
    pub fn beside<'a>(
        &'a self,
        step: &'a StepName,
    ) -> Option<(u32, impl Iterator<Item = &'a StepName> + use<'a>)> {
        let gather = self.plan.step(&self.plan.step(step)?.each.as_ref()?.of)?;
        let Body::Gather { of, at_most: Some(most) } = &gather.body else { return None };
        Some((*most, of.iter().map(|(_, name)| name).filter(move |&name| name != step)))
    }

    /// Whether the step is a hold.
    pub fn is_hold(&self, step: &StepName) -> bool {
        self.plan.step(step).is_some_and(|step| matches!(step.body, Body::Hold { .. }))
    }
}

fn changes(step: &PlanStep) -> bool {
    matches!(step.body, Body::Action { .. })
}

fn after(plan: &Plan, step: &StepName) -> BTreeSet<StepName> {
    let mut found = BTreeSet::new();
    let mut open = vec![step.clone()];
    while let Some(name) = open.pop() {
        let ends = plan.step(&name).and_then(|step| step.within.clone());
        for later in &plan.steps {
            let after = later.needs.contains(&name)
                || later.within.as_ref() == Some(&name)
                || ends.as_ref().is_some_and(|end| later.needs.contains(end));
            if after && &later.name != step && found.insert(later.name.clone()) {
                open.push(later.name.clone());
            }
        }
    }
    found
}
