//! What is really so, whatever the engine believes: what is in effect, what is held, who may write; and the promises
//! found broken while it happened. It must not know the engine's state.

use super::judge::{Blame, Wrong};
use super::shape::Shape;
use cutwater_core::answer::Probed;
use cutwater_core::names::StepName;
use cutwater_core::plan::{Body, PlanStep};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A small world.
#[derive(Debug)]
pub struct World {
    shape: Arc<Shape>,
    /// Changing steps that are in effect, in part or whole.
    pub applied: BTreeSet<StepName>,
    /// Of those, the ones that are in part.
    pub part_way: BTreeSet<StepName>,
    /// Holds that are held.
    pub held: BTreeSet<StepName>,
    /// Steps that ended well, ever (checks, too).
    pub done: BTreeSet<StepName>,
    /// How often each step was applied.
    pub applies: BTreeMap<StepName, u32>,
    /// Promises found broken while it happened.
    pub wrongs: Vec<Wrong>,
}

impl World {
    /// Nothing has happened.
    pub fn new(shape: Arc<Shape>) -> Self {
        Self {
            shape,
            applied: BTreeSet::new(),
            part_way: BTreeSet::new(),
            held: BTreeSet::new(),
            done: BTreeSet::new(),
            applies: BTreeMap::new(),
            wrongs: Vec::new(),
        }
    }

    /// A step is done, whole or in part.
    pub fn apply(&mut self, step: &StepName, whole: bool) {
        self.began(step);
        // A watch is begun again by whoever goes on with the run.
        let watches = self.shape.plan.step(step).is_some_and(PlanStep::watches);
        let whole_before = self.applied.contains(step) && !self.part_way.contains(step);
        if self.shape.changes(step) && whole_before && !watches {
            self.defect(step, format!("`{step}` was done again while it was in effect"));
        }
        *self.applies.entry(step.clone()).or_default() += 1;
        if self.shape.changes(step) {
            self.applied.insert(step.clone());
            match whole {
                true => self.part_way.remove(step),
                false => self.part_way.insert(step.clone()),
            };
        }
        if whole {
            self.done.insert(step.clone());
        }
        self.look_who_writes();
    }

    /// A probe looks: what is in effect is found, and gives what it gave.
    pub fn probe(&mut self, step: &StepName, output: Value) -> Probed {
        if self.part_way.contains(step) {
            return Probed::PartWay { checkpoint: None };
        }
        match self.applied.contains(step) || self.held.contains(step) {
            true => Probed::Applied { output },
            false => {
                self.done.remove(step);
                Probed::NotApplied
            }
        }
    }

    /// A step is taken back, whole or in part.
    pub fn undo(&mut self, step: &StepName, whole: bool) {
        let shape = Arc::clone(&self.shape);
        if let Some(later) = shape.after(step).iter().find(|&later| self.takes_back(later)) {
            self.defect(step, format!("`{step}` was taken back before `{later}`"));
        }
        // One that could not be given back does not keep up what has nothing to do with it.
        let concerns = |hold: &&StepName| {
            shape.around(step).contains(hold) && !shape.carries(hold) || shape.after(step).contains(*hold)
        };
        if let Some(hold) = self.held.iter().find(concerns) {
            let words = format!("`{step}` was taken back while `{hold}` was held");
            self.defect(step, words);
        }
        if let Some(mark) = shape.mark.as_ref().filter(|&mark| mark != step && self.applied.contains(mark)) {
            self.defect(step, format!("`{step}` was taken back behind the mark `{mark}`"));
        }
        match whole {
            true => {
                self.applied.remove(step);
                self.part_way.remove(step);
                self.done.remove(step);
            }
            false if self.applied.contains(step) => {
                self.part_way.insert(step.clone());
            }
            false => {}
        }
        self.look_who_writes();
    }

    /// A hold is taken.
    pub fn take(&mut self, step: &StepName, guarded: bool) {
        self.began(step);
        if !guarded {
            self.defect(step, format!("`{step}` was taken without the guard"));
        }
        self.held.insert(step.clone());
    }

    /// A hold is given back; not one on which something still lies, unless that was `meant` to stay or to go with it.
    pub fn release(&mut self, step: &StepName, meant: bool) -> Result<(), String> {
        let shape = Arc::clone(&self.shape);
        let on_it = |other: &&StepName| shape.around(other).contains(step) && self.takes_back(other);
        let carries = shape.carries(step) && self.held.contains(step);
        if let Some(other) = self.applied.iter().find(on_it).filter(|_| carries && !meant) {
            return Err(format!("`{other}` lies on `{step}`"));
        }
        self.held.remove(step);
        Ok(())
    }

    /// What the guard does alone: it lets go of everything that is held, and that nothing lies on.
    pub fn let_go(&mut self) {
        let shape = Arc::clone(&self.shape);
        self.held.retain(|hold| shape.carries(hold));
    }

    /// Whether the step is in effect and will be taken back.
    fn takes_back(&self, step: &StepName) -> bool {
        self.applied.contains(step) && self.shape.plan.step(step).is_some_and(|planned| planned.body.undoes())
    }

    /// A step may begin only after what it needs, and inside a hold only while it is held.
    fn began(&mut self, step: &StepName) {
        let shape = Arc::clone(&self.shape);
        let Some(planned) = shape.plan.step(step) else { return };
        for needed in planned.needs.iter().filter_map(|name| shape.plan.step(name)) {
            let asked = matches!(needed.body, Body::Check { .. } | Body::Action { .. })
                && needed.condition.is_none()
                && !planned.finally;
            if asked && !self.done.contains(&needed.name) {
                self.defect(step, format!("`{step}` began before `{}` was done", needed.name));
            }
        }
        if let Some((most, others)) = shape.beside(step) {
            let begun: Vec<&StepName> = others.filter(|other| self.part_way.contains(*other)).collect();
            if !self.part_way.contains(step) && begun.len() >= most as usize {
                self.defect(
                    step,
                    format!("`{step}` began while `{}` of the same `for-each` was part-way", begun[0]),
                );
            }
        }
        let needs = |hold: &&StepName| planned.needs.contains(hold);
        if let Some(hold) = self.held.iter().find(needs).filter(|_| !planned.finally) {
            let words = format!("`{step}` began before `{hold}`, which comes before it, was given back");
            self.defect(step, words);
        }
        if let Some(hold) = planned.within.as_ref().filter(|group| shape.is_hold(group))
            && !self.held.contains(hold)
        {
            self.defect(step, format!("`{step}` began while `{hold}` was not held"));
        }
    }

    /// The new side writes as soon as any of the mark's step is in effect; the old side does until all that stops it is.
    fn look_who_writes(&mut self) {
        let shape = Arc::clone(&self.shape);
        let Some(mark) = shape.mark.as_ref().filter(|mark| self.applied.contains(*mark)) else { return };
        let stopped = |stop: &StepName| self.applied.contains(stop) && !self.part_way.contains(stop);
        let words = if shape.nothing_stops {
            format!("`{mark}` lets the new side write, and no step of its outage stops the old side")
        } else if let Some(stop) = shape.stops_the_old.iter().find(|stop| !stopped(stop)) {
            format!(
                "the new side writes since `{mark}`, and the old side may, too: `{stop}` is not in effect"
            )
        } else {
            return;
        };
        let at = shape.stops_the_old.iter().find(|stop| !stopped(stop)).unwrap_or(mark);
        self.wrongs.push(Wrong { blame: Blame::TwoWriters, step: Some(at.clone()), words });
    }

    fn defect(&mut self, step: &StepName, words: String) {
        self.wrongs.push(Wrong { blame: Blame::Defect, step: Some(step.clone()), words });
    }
}
