//! What a person is told who has to go on where Cutwater does not: what is in which state, and what to type. It must not
//! decide anything.

use super::fold::{Phase, RunState};
use super::status::Status;
use crate::effect::Effect;
use crate::event::{Outcome, Way};
use crate::plan::Body;
use crate::show_plan::line;
use serde::Serialize;

/// A run behind its point of no return: what stands on either side, and how to fail back by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sides {
    /// The new side, in words.
    pub new: String,
    /// The old side, in words.
    pub old: String,
    /// What takes the new side back, step by step, the last first: what each one's undo would have done.
    pub fail_back: Vec<ByHand>,
}

/// What one step's way back does, for somebody who does it by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ByHand {
    /// The step.
    pub step: String,
    /// Commands, statements and writes, in order.
    pub lines: Vec<String>,
}

impl RunState {
    /// What stands on either side, once the mark is crossed.
    pub fn sides(&self) -> Option<Sides> {
        let mark = self.crossed.as_ref()?;
        let crossing = self.index(mark)?;
        let new = match &self.steps[crossing].status {
            status if status.ended_well() => {
                format!("`{mark}` is done: the new side serves, and what is written since is there alone")
            }
            Status::Doubtful { .. } | Status::Applying | Status::Stuck { .. } => {
                format!(
                    "whether `{mark}` happened is not known: the new side may serve, so the old one must not"
                )
            }
            _ => {
                format!("`{mark}` is not done: the new side is up but serves nobody, and the service is down")
            }
        };
        let around = self.around(crossing);
        let mut left: Vec<usize> = (0..self.steps.len())
            .filter(|&step| {
                let inside = self.around(step).iter().any(|group| around.contains(group));
                inside
                    && step != crossing
                    && matches!(self.steps[step].status, Status::Applied { changed: true })
            })
            .collect();
        left.sort_by_key(|&step| {
            std::cmp::Reverse(self.order.last_first.iter().rev().position(|&s| s == step))
        });
        let names: Vec<String> =
            left.iter().rev().map(|&step| format!("`{}`", self.plan.steps[step].name)).collect();
        let old = match names.as_slice() {
            [] => "nothing inside the outage changed it".to_owned(),
            names => {
                format!("as {} left it; nothing of that is undone by Cutwater any more", names.join(", "))
            }
        };
        let fail_back = left.iter().map(|&step| self.by_hand(step, &self.steps[step].undo));
        Some(Sides { new, old, fail_back: fail_back.filter(|step| !step.lines.is_empty()).collect() })
    }

    /// Each step that needs a person: why, what to do by hand, and what to type then.
    pub fn advice(&self) -> Vec<String> {
        let mut told = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let name = &self.plan.steps[index].name;
            let settle = |how: &str| format!("cutwater settle {} {name} {how} --because \"…\"", self.run);
            let Status::Stuck { way, why } = &step.status else { continue };
            let (what, effects, then) = match way {
                Way::Undo => (
                    "is still there: taking it back did not succeed",
                    &step.undo,
                    format!("then: {}", settle("--not-applied")),
                ),
                Way::Release => (
                    "may still be held: giving it back did not succeed",
                    &step.undo,
                    format!("then: {}", settle("--not-applied")),
                ),
                Way::Apply => (
                    "may or may not have happened; look whether it did",
                    &step.intent,
                    format!("then: {}, or {}", settle("--applied"), settle("--not-applied")),
                ),
            };
            told.push(format!("`{name}` {what}: {why}"));
            let hand = match way {
                Way::Apply => "it was to do",
                Way::Undo | Way::Release => "by hand",
            };
            told.extend(
                self.by_hand(index, effects).lines.into_iter().map(|line| format!("  {hand}: {line}")),
            );
            told.push(format!("  {then}"));
            if *way != Way::Apply {
                told.push(format!(
                    "  or mend the cause, and let it be tried again (as the plan has it: a policy that was mended since \
                     changes nothing): cutwater resume {}",
                    self.run
                ));
            }
        }
        told.extend(self.waiting_behind());
        if self.waits_after_a_failure() {
            let run = &self.run;
            told.push(format!(
                "what was open is given back; once the cause is mended: cutwater resume {run}"
            ));
            told.push(format!("  or take back the rest: cutwater abort {run}"));
        }
        told
    }

    /// What stays done for now, since a person must first look at what came after it; and what `on-failure: keep` left.
    fn waiting_behind(&self) -> Vec<String> {
        let kept = self.outcome == Some(Outcome::Stopped);
        let stuck = self.steps.iter().any(|step| matches!(step.status, Status::Stuck { .. }));
        let Phase::Back { only } = &self.phase else { return Vec::new() };
        if !stuck && !kept {
            return Vec::new();
        }
        let concerned = |step: &usize| kept || only.as_ref().is_none_or(|only| only.contains(step));
        let stays = |&step: &usize| {
            self.plan.steps[step].body.undoes() && self.steps[step].status.is_there() && concerned(&step)
        };
        let mut told = Vec::new();
        for step in self.order.last_first.iter().copied().filter(stays) {
            let name = &self.plan.steps[step].name;
            told.push(match kept {
                true => format!("`{name}` stays done, as `on-failure` says; to take it back by hand:"),
                false => format!("`{name}` stays done until then: it is undone after what came later"),
            });
            let effects = if kept { &self.steps[step].undo } else { &self.steps[step].intent };
            let what = if kept { "by hand" } else { "it did" };
            told.extend(
                self.by_hand(step, effects).lines.into_iter().map(|line| format!("  {what}: {line}")),
            );
        }
        told
    }

    fn by_hand(&self, step: usize, effects: &[Effect]) -> ByHand {
        let changes = !matches!(self.plan.steps[step].body, Body::Check { .. });
        let lines = effects.iter().filter(|_| changes).map(line).collect();
        ByHand { step: self.plan.steps[step].name.to_string(), lines }
    }
}
