//! What outages and the mark are expected to take: from earlier runs of the same workflow with the same inputs, else from
//! what previews estimated, else no less than the outage's limit. It must not know the clock or the window.

use super::order::Order;
use crate::event::{Need, Record};
use crate::history::{End, History, What, history};
use crate::names::StepName;
use crate::plan::{Body, Plan, PlanStep};
use crate::planning::after_mark;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What each outage of the plan, and the step that crosses the point of no return, are expected to take. `earlier` are
/// whole histories; those of other workflows, or with other inputs, tell nothing.
///
/// Inside an outage the steps' times are added up though some may run side by side: what is too long is refused while
/// nothing is down yet. Of a step of which nothing is known the outage's limit is the bound, for behind it the way back
/// begins.
pub fn needs(plan: &Plan, earlier: &[Vec<Record>]) -> BTreeMap<StepName, Need> {
    let measured: Vec<History<'_>> = earlier.iter().map(|records| history(records)).collect();
    let alike =
        |past: &&History<'_>| past.plan.is_some_and(|old| old.name == plan.name && old.inputs == plan.inputs);
    let times = Times { measured: measured.iter().filter(alike).collect() };
    let order = Order::of(plan);
    let begins = begins(plan, &order, &times);
    let all: Vec<&PlanStep> = plan.steps.iter().collect();
    let behind = after_mark(&all);
    let mut found = BTreeMap::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let outage = match step.body {
            Body::Outage { .. } => Some(index),
            _ if step.mark => {
                order.around(index).into_iter().find(|&g| matches!(plan.steps[g].body, Body::Outage { .. }))
            }
            _ => continue,
        };
        let inner = |s: &usize| outage.is_some_and(|outage| order.around(*s).contains(&outage));
        let inside: Vec<usize> = (0..plan.steps.len()).filter(inner).collect();
        let limit = outage.map_or(0, |outage| match plan.steps[outage].body {
            Body::Outage { limit_ms } => limit_ms,
            _ => 0,
        });
        let before = if step.mark { before(&order, index) } else { BTreeSet::new() };
        let forward = inside.iter().filter(|s| !before.contains(s)).map(|&s| times.forward(&plan.steps[s]));
        let undone = |s: &&usize| {
            let step = &plan.steps[**s];
            !behind.contains(&step.name) && step.body.undoes()
        };
        let back = inside.iter().filter(undone).map(|&s| times.back(&plan.steps[s]));
        let need =
            Need { lead_ms: begins[index], forward_ms: sum(forward, limit), back_ms: sum(back, limit) };
        found.insert(step.name.clone(), need);
    }
    found
}

/// What is known added up; where something is not, no less than the limit.
fn sum(times: impl Iterator<Item = Option<u64>>, limit: u64) -> u64 {
    let (mut known, mut whole) = (0_u64, true);
    for time in times {
        known = known.saturating_add(time.unwrap_or(0));
        whole &= time.is_some();
    }
    if whole { known } else { known.max(limit) }
}

/// All that a step waits for, directly or not.
fn before(order: &Order, step: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![step];
    while let Some(at) = open.pop() {
        open.extend(order.needs[at].iter().copied().filter(|&needed| found.insert(needed)));
    }
    found
}

/// When each step begins, in milliseconds from the run's start, as far as times are known; nobody waits for a person.
fn begins(plan: &Plan, order: &Order, times: &Times<'_>) -> Vec<u64> {
    let mut begins = vec![0_u64; plan.steps.len()];
    let mut ends = vec![0_u64; plan.steps.len()];
    for &step in order.last_first.iter().rev() {
        let after = order.needs[step].iter().chain(&order.needs_of_inner[step]).map(|&needed| ends[needed]);
        let around = order.within[step].map(|group| begins[group]);
        begins[step] = after.chain(around).max().unwrap_or(0);
        let takes = match plan.steps[step].body {
            Body::Outage { .. } | Body::Gather { .. } | Body::Approve { .. } => 0,
            _ => times.forward(&plan.steps[step]).unwrap_or(0),
        };
        ends[step] = begins[step].saturating_add(takes).max(ends[step]);
        for group in order.around(step) {
            ends[group] = ends[group].max(ends[step]);
        }
    }
    begins
}

struct Times<'a> {
    measured: Vec<&'a History<'a>>,
}

impl Times<'_> {
    /// Doing it: the longest that it took, else what its preview said. Groups take what their steps take.
    fn forward(&self, step: &PlanStep) -> Option<u64> {
        match step.body {
            Body::Outage { .. } | Body::Gather { .. } => Some(0),
            _ => self.longest(step, What::Apply).or_else(|| said(&step.shown.estimate)),
        }
    }

    /// Taking it back: the longest that it took, else what the preview of its undo said, else as long as doing it.
    fn back(&self, step: &PlanStep) -> Option<u64> {
        self.longest(step, What::Undo)
            .or_else(|| said(&step.undo_shown.estimate))
            .or_else(|| self.forward(step))
    }

    fn longest(&self, step: &PlanStep, what: What) -> Option<u64> {
        let same = |past: &&&History<'_>| {
            past.step(&step.name).is_some_and(|old| old.body == step.body && old.with == step.with)
        };
        let spans = self.measured.iter().filter(same).flat_map(|past| past.of(&step.name));
        let whole =
            spans.filter(|span| span.what == what && matches!(span.end, End::Changed(_) | End::Unchanged(_)));
        whole.map(|span| span.ms()).max()
    }
}

/// `{seconds}` of a preview's estimate, in milliseconds.
fn said(estimate: &Value) -> Option<u64> {
    let seconds =
        estimate.get("seconds")?.as_f64().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)?;
    Some((seconds * 1_000.0).ceil() as u64)
}
