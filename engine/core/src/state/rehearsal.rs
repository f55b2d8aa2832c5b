//! How far a rehearsal goes: what it leaves out. It must not know how steps are done.

use super::order::Order;
use crate::describe::Undo;
use crate::names::StepName;
use crate::plan::{Body, Plan, PlanStep};

/// A run that goes as far as all of it can be taken back, and then takes it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// Outages are rehearsed as well, up to the point of no return, and people are asked as in a real run.
    pub with_outage: bool,
    /// By place in the plan: never begun.
    left_out: Vec<bool>,
    /// By place in the plan: an outage of which something inside is left out, so that it has no end of its own.
    stays_open: Vec<bool>,
}

impl Rehearsal {
    /// Works out what it leaves out: the point of no return and what cannot be undone; without `with_outage` also
    /// outages, and what a person would have to agree to; and all that waits for any of these.
    pub(super) fn of(plan: &Plan, order: &Order, with_outage: bool) -> Self {
        let count = plan.steps.len();
        let ends_here = |step: &PlanStep| match &step.body {
            Body::Outage { .. } | Body::Approve { .. } => !with_outage,
            Body::Action { undo: Undo::None, .. } => true,
            _ => step.mark,
        };
        let mut left_out: Vec<bool> = plan.steps.iter().map(|s| !s.finally && ends_here(s)).collect();
        let mut stays_open = vec![false; count];
        loop {
            let mut grown = false;
            for step in 0..count {
                if left_out[step] {
                    for group in order.around(step) {
                        let outage = matches!(plan.steps[group].body, Body::Outage { .. });
                        let mark = if outage { &mut stays_open[group] } else { &mut left_out[group] };
                        grown |= !std::mem::replace(mark, true);
                    }
                    continue;
                }
                let out = |&needed: &usize| left_out[needed] || stays_open[needed];
                let behind = order.needs[step].iter().any(out)
                    || order.needs_of_inner[step].iter().any(out)
                    || order.around(step).iter().any(|&group| left_out[group]);
                if behind && !plan.steps[step].finally {
                    left_out[step] = true;
                    grown = true;
                }
            }
            if !grown {
                return Self { with_outage, left_out, stays_open };
            }
        }
    }

    /// Whether it never begins this step.
    pub fn leaves_out(&self, step: usize) -> bool {
        self.left_out[step]
    }

    /// Whether this outage has no end of its own.
    pub(super) fn stays_open(&self, step: usize) -> bool {
        self.stays_open[step]
    }

    /// What it leaves out in words; of an outage or hold that it never opens, just that.
    pub(super) fn words(&self, plan: &Plan, order: &Order) -> String {
        let named = |&step: &usize| {
            self.left_out[step] && order.within[step].is_none_or(|group| !self.left_out[group])
        };
        let names: Vec<&StepName> =
            (0..plan.steps.len()).filter(named).map(|step| &plan.steps[step].name).collect();
        match names.as_slice() {
            [] => "every step was rehearsed".to_owned(),
            names => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                format!("left out: {}", names.join(", "))
            }
        }
    }
}
