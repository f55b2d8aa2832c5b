//! The way back: what is under way stops, holds are given back, what was done is undone, the last first. It must not
//! know when to turn back.
//!
//! A hold that carries what its inner steps made freezes nobody, and cannot be given back under them: it stands in the line of
//! what is undone, behind its inner steps. One whose holder is gone is asked for once before them, since what carried them may
//! be gone too (a boot), and giving it back begins with putting it together again.

use super::decide::{Blocked, Todo, View};
use super::status::Status;
use super::step::StepState;
use crate::answer::Ending;
use crate::event::Outcome;
use crate::plan::OnFailure;
use std::collections::BTreeSet;

/// How often a release or an undo is tried before a person is asked.
const BACK_ATTEMPTS: u32 = 4;
/// How long after the first failed undo the next is tried, in milliseconds; doubles.
const BACK_WAIT_MS: u64 = 250;

impl View<'_> {
    pub(super) fn release(&mut self, step: usize, how: Ending) {
        let s = &self.state.steps[step];
        let orphan = !matches!(s.status, Status::Taken | Status::Confirmed);
        if s.back_attempts >= BACK_ATTEMPTS {
            let why = format!(
                "giving `{}` back did not succeed {} times{}",
                self.planned(step).name,
                s.back_attempts,
                s.kept.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
            );
            return self.todo(Todo::GiveUp { step: self.name(step), why });
        }
        let due = s.since + self.back_wait(s) as i64;
        if orphan && s.back_attempts > 0 && self.now < due {
            return self.wake(due);
        }
        self.todo(Todo::Release { step: self.name(step), how, orphan });
    }

    fn back_wait(&self, s: &StepState) -> u64 {
        BACK_WAIT_MS << s.back_attempts.min(10)
    }

    pub(super) fn back(&mut self, only: Option<&BTreeSet<usize>>) {
        if only.is_some() && self.state.abort.is_some() {
            let because = self.state.because.clone().unwrap_or_default();
            return self.todo(Todo::TurnBack { because, open_only: false });
        }
        let concerned = |step: usize| only.is_none_or(|set| set.contains(&step));
        // What is under way stops first, then holds are given back, then things are undone.
        for step in 0..self.state.steps.len() {
            if *self.status(step) == Status::Applying && !self.planned(step).finally {
                self.todo(Todo::Stop(self.name(step)));
            }
        }
        let mut holding = false;
        for step in 0..self.state.steps.len() {
            let open = match self.status(step) {
                Status::Taken
                | Status::Confirmed
                | Status::Orphaned { .. }
                | Status::ReleaseDoubtful { .. } => true,
                Status::Doubtful { .. } => self.is_hold(step),
                Status::Releasing { .. } => {
                    holding = true;
                    false
                }
                Status::Applying if self.is_hold(step) => {
                    holding = true;
                    false
                }
                _ => false,
            };
            if open && !self.still_carries(step) {
                holding = true;
                // An inner step that is still under way is not waited for: nobody stays frozen.
                if self.idle(step) {
                    let how = match self.state.limits_passed.contains(&self.planned(step).name) {
                        true => Ending::Limit,
                        false if self.state.abort.is_some() => Ending::Aborted,
                        false => Ending::Failed,
                    };
                    self.release(step, how);
                }
            }
        }
        if holding {
            return;
        }
        let blocked = self.blocked_by_later();
        for step in (0..self.state.steps.len()).rev() {
            if !concerned(step) || !self.idle(step) || blocked[step] || self.may_be_held(step) {
                continue;
            }
            match self.status(step).clone() {
                Status::Open => self.todo(Todo::Close(self.name(step))),
                status if self.must_undo(step, &status) => self.undo(step),
                _ => {}
            }
        }
        self.finish_back(only);
    }

    /// Whether something inside is to be taken back first.
    fn still_carries(&self, step: usize) -> bool {
        let asked_once =
            !matches!(self.status(step), Status::Orphaned { .. } | Status::ReleaseDoubtful { .. })
                || self.state.steps[step].back_attempts > 0;
        let inside = |&other: &usize| self.state.order.around(other).contains(&step);
        self.planned(step).body.carries()
            && asked_once
            && (0..self.state.steps.len()).filter(inside).any(|other| !self.settled(other))
    }

    fn must_undo(&self, step: usize, status: &Status) -> bool {
        self.planned(step).body.undoes() && status.is_there()
    }

    /// Whether a hold around the step could not be given back: what was done inside is taken back after it, never before.
    fn may_be_held(&self, step: usize) -> bool {
        let held = |&group: &usize| {
            self.is_hold(group)
                && !self.planned(group).body.carries()
                && matches!(self.status(group), Status::Stuck { .. })
        };
        self.state.order.around(step).iter().any(held)
    }

    /// The steps that cannot be taken back yet: something that came after them, however far, is still to be.
    fn blocked_by_later(&self) -> Vec<bool> {
        let mut blocked = vec![false; self.state.steps.len()];
        for &step in &self.state.order.last_first {
            let laters = &self.state.order.undone_before[step];
            blocked[step] = laters.iter().any(|&later| blocked[later] || !self.settled(later));
        }
        blocked
    }

    /// Taken back, or never was, or nothing that needs taking back.
    fn settled(&self, step: usize) -> bool {
        let status = self.status(step);
        let unsettled = matches!(
            status,
            Status::Open
                | Status::Doubtful { .. }
                | Status::UndoDoubtful { .. }
                | Status::Stuck { .. }
                | Status::Taken
                | Status::Confirmed
                | Status::Orphaned { .. }
                | Status::ReleaseDoubtful { .. }
        );
        !unsettled && !status.in_flight() && !self.must_undo(step, status) && self.idle(step)
    }

    fn undo(&mut self, step: usize) {
        let s = &self.state.steps[step];
        if s.back_attempts >= BACK_ATTEMPTS {
            let why = match &s.status {
                Status::UndoFailed { why } => why.clone(),
                _ => "it could not be taken back".into(),
            };
            return self.todo(Todo::GiveUp { step: self.name(step), why });
        }
        let due = s.since + self.back_wait(s) as i64;
        if s.back_attempts > 0 && self.now < due {
            return self.wake(due);
        }
        self.todo(Todo::Undo(self.name(step)));
    }

    fn finish_back(&mut self, only: Option<&BTreeSet<usize>>) {
        if !self.out.todo.is_empty()
            || !self.busy.is_empty()
            || self.anything_in_flight()
            || self.out.wake_at.is_some()
        {
            return;
        }
        let because = self.state.because.clone().unwrap_or_default();
        let stuck = (0..self.state.steps.len()).find_map(|s| match self.status(s) {
            Status::Stuck { why, .. } => Some(format!("`{}` needs a person: {why}", self.planned(s).name)),
            _ => None,
        });
        if let Some(stuck) = stuck {
            self.out.blocked = Some(Blocked::Stuck(stuck));
            return;
        }
        if only.is_some() && self.state.plan.on_failure == OnFailure::Pause {
            self.out.blocked = Some(Blocked::Failed(format!("paused after a failure: {because}")));
            return;
        }
        if self.finally() {
            let outcome = match only {
                Some(_) => Outcome::Stopped,
                None if self.state.rehearsed => Outcome::Rehearsed,
                None => Outcome::Undone,
            };
            let (outcome, because) = match self.finally_failed() {
                Some(why) if outcome != Outcome::Stopped => (Outcome::Stopped, format!("{because}; {why}")),
                _ => (outcome, because),
            };
            self.todo(Todo::End { outcome, because });
        }
    }
}
