//! What can go wrong at a point, and the column of the table under which people look for it. It must not play anything.

use super::shape::Shape;
use crate::faults::{Fault, Point, Strike, What};
use cutwater_core::names::StepName;
use cutwater_core::plan::Body;
use std::fmt;

/// How often an undo is refused that is refused for good: more often than the engine tries.
const FOR_GOOD: u32 = 8;

/// The kinds of trouble, as the columns of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Refused, declined, or nobody answers.
    Refused,
    /// Failed part-way.
    PartWay,
    /// The answer is lost.
    Unknown,
    /// The engine dies before the intent.
    BeforeIntent,
    /// Between intent and effect.
    AfterIntent,
    /// Between effect and outcome.
    AfterEffect,
    /// After the outcome.
    AfterOutcome,
    /// Something goes wrong, or the engine dies, while it is taken or given back.
    Back,
    /// A hold turns out to be broken.
    HoldLost,
    /// The guard dies, or it acts and another engine takes over.
    Guard,
    /// The step does not end until the limit around it passes.
    Limit,
    /// It shows something else than the plan did.
    Drift,
}

impl Column {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 12] = [
        Self::Refused,
        Self::PartWay,
        Self::Unknown,
        Self::BeforeIntent,
        Self::AfterIntent,
        Self::AfterEffect,
        Self::AfterOutcome,
        Self::Back,
        Self::HoldLost,
        Self::Guard,
        Self::Limit,
        Self::Drift,
    ];

    /// Its name, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::PartWay => "failed-part-way",
            Self::Unknown => "unknown",
            Self::BeforeIntent => "killed-before-intent",
            Self::AfterIntent => "killed-after-intent",
            Self::AfterEffect => "killed-after-effect",
            Self::AfterOutcome => "killed-after-outcome",
            Self::Back => "during-undo",
            Self::HoldLost => "hold-lost",
            Self::Guard => "guard-acted",
            Self::Limit => "limit-passed",
            Self::Drift => "drift",
        }
    }
}

/// One thing that goes wrong: nearly always one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Its column.
    pub column: Column,
    /// Its step; none: it strikes the run between steps.
    pub step: Option<StepName>,
    /// What strikes.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        f.write_str(&faults.join(", then "))
    }
}

/// Everything that can go wrong at a point.
pub(super) fn at(point: &Point, shape: &Shape) -> Vec<Trouble> {
    let planned = point.step.as_ref().and_then(|step| shape.plan.step(step));
    let changes = point.step.as_ref().is_some_and(|step| shape.changes(step));
    let hold = point.step.as_ref().is_some_and(|step| shape.is_hold(step));
    let inside = point.step.as_ref().is_some_and(|step| !shape.around(step).is_empty());
    let again = planned.is_some_and(|planned| planned.retry.times > 0);
    let mut strikes: Vec<(Column, Strike)> = Vec::new();
    match point.what {
        What::Apply => {
            strikes.push((Column::Refused, Strike::Refused { again: false }));
            strikes.push((Column::Unknown, Strike::LostBefore));
            strikes.push((Column::Unknown, Strike::LostAfter));
            if again {
                strikes.push((Column::Refused, Strike::Refused { again: true }));
            }
            if changes {
                strikes.push((Column::PartWay, Strike::PartWay { again: false }));
                strikes.push((Column::Unknown, Strike::LostPartWay));
                if again {
                    strikes.push((Column::PartWay, Strike::PartWay { again: true }));
                }
            }
            if inside || hold {
                strikes.push((Column::Guard, Strike::GuardActs));
                strikes.push((Column::Guard, Strike::GuardDies));
            }
            if inside && !behind_the_mark(point, shape) {
                strikes.push((Column::Limit, Strike::Hangs));
                strikes.push((Column::Limit, Strike::Endless));
            }
        }
        What::Probe => {
            strikes.push((Column::Unknown, Strike::CannotTell));
            strikes.push((Column::Unknown, Strike::StillRunning));
        }
        What::Undo => {
            strikes.push((Column::Back, Strike::Refused { again: true }));
            strikes.push((Column::Back, Strike::PartWay { again: true }));
            strikes.push((Column::Back, Strike::LostBefore));
            strikes.push((Column::Back, Strike::LostPartWay));
            strikes.push((Column::Back, Strike::LostAfter));
        }
        What::Release => {
            strikes.push((Column::Back, Strike::LostBefore));
            strikes.push((Column::Back, Strike::LostAfter));
        }
        What::Intact => strikes.push((Column::HoldLost, Strike::Broken)),
        What::Preview => strikes.push((Column::Drift, Strike::Drifted)),
        What::Ask => {
            // A question that never expires waits for a person for ever; that is no fault, and no end either.
            let expires = |body: &Body| matches!(body, Body::Approve { expires_ms: Some(_), .. });
            if planned.is_some_and(|planned| expires(&planned.body)) {
                strikes.push((Column::Refused, Strike::Silence));
            }
        }
        What::Append(name) => {
            let (before, after) = around_an_append(name);
            strikes.push((before, Strike::KilledBefore));
            strikes.push((after, Strike::KilledAfter));
        }
        What::Arm => strikes.push((Column::Guard, Strike::Refused { again: false })),
        // Only a sabotage strikes here.
        What::Cover | What::Lock | What::Change => {}
    }
    let once = |(column, strike)| Trouble {
        column,
        step: point.step.clone(),
        faults: vec![Fault::once(point.clone(), strike)],
    };
    let mut troubles: Vec<Trouble> = strikes.into_iter().map(once).collect();
    troubles.extend(that_need_a_person(point, changes));
    troubles
}

/// What nobody but a person can decide: a lost answer of which the probe cannot tell, and an undo that never succeeds.
fn that_need_a_person(point: &Point, changes: bool) -> Vec<Trouble> {
    let lost_for_good = || {
        let probe = Point { what: What::Probe, step: point.step.clone(), nth: 1 };
        vec![Fault::once(point.clone(), Strike::LostAfter), Fault::once(probe, Strike::CannotTell)]
    };
    let trouble = |column, faults| Trouble { column, step: point.step.clone(), faults };
    match point.what {
        What::Apply if changes && point.nth == 1 => vec![trouble(Column::Unknown, lost_for_good())],
        What::Undo if point.nth == 1 => {
            let refused =
                Fault { at: point.clone(), strike: Strike::Refused { again: true }, times: FOR_GOOD };
            vec![trouble(Column::Back, vec![refused]), trouble(Column::Back, lost_for_good())]
        }
        _ => Vec::new(),
    }
}

/// Behind the mark no limit turns anything back: a step that hangs there has its own timeout, or none.
fn behind_the_mark(point: &Point, shape: &Shape) -> bool {
    let Some((mark, step)) = shape.mark.as_ref().zip(point.step.as_ref()) else { return false };
    mark == step || shape.after(mark).contains(step)
}

fn around_an_append(name: &str) -> (Column, Column) {
    match name {
        "answered" | "outage-ended" | "hold-confirmed" | "skipped" | "approved" | "declined" | "probed" => {
            (Column::AfterEffect, Column::AfterOutcome)
        }
        "intended-undo" | "answered-undo" | "probed-undo" | "releasing" | "answered-release" | "stuck" => {
            (Column::Back, Column::Back)
        }
        _ => (Column::BeforeIntent, Column::AfterIntent),
    }
}
