//! Going on after a failure, where `on-failure: pause` left the run to a person: what was open is begun anew, all of it.
//! It must not know who asks for it.

use super::decide::Blocked;
use super::fold::{Phase, RunState};
use super::status::Status;
use super::step::StepState;
use crate::describe::Undo;
use crate::event::Way;
use crate::plan::{Body, OnFailure};
use std::collections::BTreeSet;

impl RunState {
    /// Whether what was open when a step failed is given back and undone, and a person decides what is next.
    pub fn waits_after_a_failure(&self) -> bool {
        matches!(self.phase, Phase::Back { only: Some(_) })
            && self.plan.on_failure == OnFailure::Pause
            && matches!(self.decide(i64::MAX, &BTreeSet::new()).blocked, Some(Blocked::Failed(_)))
    }

    /// What is concerned when only what is open is given back: all inside it; before it what would be lost with that, for
    /// the way back of a copy's later pass takes the whole copy with it; and what came after any of these.
    pub(super) fn open_and_after(&self) -> BTreeSet<usize> {
        let inside = |&step: &usize| {
            self.is_open(step) || self.order.around(step).iter().any(|&group| self.is_open(group))
        };
        let mut concerned: BTreeSet<usize> = (0..self.steps.len()).filter(inside).collect();
        let discards =
            |&step: &usize| matches!(self.plan.steps[step].body, Body::Action { undo: Undo::Discards, .. });
        let begun = |&step: &usize| self.steps[step].attempts > 0;
        let last: Vec<usize> = concerned.iter().copied().filter(discards).filter(begun).collect();
        concerned.extend(self.all_needs(last).into_iter().filter(discards));
        // Each step after all that is undone before it: one pass finds what follows from what follows.
        for &step in self.order.last_first.iter().rev() {
            if concerned.contains(&step) {
                concerned.extend(self.order.undone_before[step].iter().copied());
            }
        }
        concerned
    }

    /// What these steps need, directly or not, for themselves or for what is around them.
    fn all_needs(&self, of: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open: Vec<usize> = of.into_iter().collect();
        while let Some(step) = open.pop() {
            let around = self.order.around(step);
            let needs = around.iter().chain([&step]).flat_map(|&step| &self.order.needs[step]);
            open.extend(needs.filter(|&&needed| found.insert(needed)));
        }
        found
    }

    /// Forward again. A second outage takes nothing from the first: a comparison, a pass, a person's yes is of then.
    pub(super) fn go_on(&mut self, at: i64) {
        let Phase::Back { only: Some(only) } = std::mem::replace(&mut self.phase, Phase::Forward) else {
            return;
        };
        self.because = None;
        self.limits_passed.clear();
        // Whoever agreed to the first outage was not asked about a second one.
        let asked = self.all_needs(only.iter().copied());
        let asked = |step: &usize| {
            asked.contains(step) && matches!(self.plan.steps[*step].body, Body::Approve { .. })
        };
        let anew: BTreeSet<usize> = (0..self.steps.len()).filter(asked).chain(only.iter().copied()).collect();
        for (index, step) in self.steps.iter_mut().enumerate() {
            if self.plan.steps[index].watches() {
                step.watch_again(true);
            }
            let action = matches!(self.plan.steps[index].body, Body::Action { .. });
            match &step.status {
                // It has no way back, or it was in nothing that was open: it goes on from what it left.
                Status::Failed { .. } | Status::PartWay if action => {
                    step.status = Status::PartWay;
                    step.attempts = 0;
                }
                Status::Waiting
                | Status::Refused { .. }
                | Status::Failed { .. }
                | Status::Released { well: false } => *step = StepState { since: at, ..StepState::new() },
                _ if anew.contains(&index) => *step = StepState { since: at, ..StepState::new() },
                _ => {}
            }
        }
    }

    /// A step inside something open of which nobody can tell whether it happened: nobody stays frozen or down for that.
    pub(super) fn unclear_inside(&self, step: usize) -> Option<&str> {
        let open = || self.order.around(step).iter().any(|&group| self.is_open(group));
        match &self.steps[step].status {
            Status::Stuck { way: Way::Apply, why } if open() => Some(why),
            _ => None,
        }
    }
}
