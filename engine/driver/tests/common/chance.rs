//! Faults by chance: a script that rolls dice at each point, and kills the engine at one append.

use crate::dice::Dice;
use cutwater_core::names::StepName;
use cutwater_core::plan::{Body, Plan, PlanStep};
use cutwater_driver::faults::{Script, Strike, What};
use std::sync::Mutex;

/// How often things go wrong, one in so many; 0: never.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    pub step: u64,
    pub undo: u64,
}

/// Something that always goes wrong where it is said to, and nobody is told.
pub type Sabotage = (fn(What, Option<&PlanStep>) -> bool, Strike);

pub struct Chance {
    pub plan: Plan,
    pub faults: Faults,
    pub dice: Mutex<Dice>,
    /// The append of this life at which the engine dies, and whether after it.
    pub dies: Option<(u64, bool)>,
    pub appends: Mutex<u64>,
    pub sabotage: Option<Sabotage>,
}

impl Chance {
    fn roll(&self, one_in: u64) -> Option<u64> {
        let mut dice = self.dice.lock().unwrap();
        (one_in > 0 && dice.one_in(one_in)).then(|| dice.below(5))
    }

    fn done(&self, body: &Body) -> Option<Strike> {
        match (body, self.roll(self.faults.step)?) {
            (Body::Hold { .. }, 0..=2) | (_, 0) => Some(Strike::Refused { again: false }),
            (Body::Hold { .. }, _) => Some(Strike::LostAfter),
            (_, 1) => Some(Strike::Refused { again: true }),
            (Body::Action { .. }, 2) => Some(Strike::PartWay { again: self.dice.lock().unwrap().one_in(2) }),
            (_, 3) => Some(Strike::LostBefore),
            (_, 4) => Some(Strike::LostAfter),
            _ => None,
        }
    }
}

impl Script for Chance {
    fn strikes(&self, what: What, step: Option<&StepName>) -> Option<Strike> {
        let planned = step.and_then(|step| self.plan.step(step));
        if let Some((hits, strike)) = self.sabotage
            && hits(what, planned)
        {
            return Some(strike);
        }
        match what {
            What::Apply => self.done(&self.plan.step(step?)?.body),
            What::Undo => match self.roll(self.faults.undo)? {
                0 | 1 => Some(Strike::Refused { again: true }),
                2 => Some(Strike::LostBefore),
                _ => None,
            },
            What::Release => self.roll(self.faults.undo).map(|_| Strike::LostBefore),
            What::Intact => self.roll(self.faults.step * 2).map(|_| Strike::Broken),
            What::Append(_) => {
                let mut appends = self.appends.lock().unwrap();
                *appends += 1;
                let (_, after) = self.dies.filter(|(n, _)| *n == *appends)?;
                Some(if after { Strike::KilledAfter } else { Strike::KilledBefore })
            }
            What::Probe | What::Preview | What::Ask => None,
            What::Arm | What::Cover | What::Lock | What::Change => None,
        }
    }
}
