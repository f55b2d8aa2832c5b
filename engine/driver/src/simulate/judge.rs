//! What is wrong with how a run ended, or with what it did on the way. It must not know how it came about.

use super::shape::Shape;
use super::world::World;
use cutwater_core::answer::Answer;
use cutwater_core::describe::Undo;
use cutwater_core::event::{Event, Outcome, Record, Way};
use cutwater_core::names::{RunId, StepName};
use cutwater_core::plan::Body;
use cutwater_core::state::{Phase, RunState, Status};
use std::collections::{BTreeMap, BTreeSet};

/// How long after its limit a hold's release may begin, by the simulated clock, in milliseconds.
const LATE_MS: i64 = 1_000;

/// What a wrong is. All but the last are the workflow's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blame {
    /// Something stays held.
    Frozen,
    /// A service stays down, and nobody was told what to decide.
    Down,
    /// The old and the new side may both write.
    TwoWriters,
    /// The run is over, and something stays that is neither whole nor taken back.
    HalfDone,
    /// The run comes to no end.
    NoEnd,
    /// The engine did what it promises never to do: a defect of Cutwater.
    Defect,
}

impl Blame {
    /// In words, for tables and programs.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Down => "down",
            Self::TwoWriters => "two writers",
            Self::HalfDone => "half-done",
            Self::NoEnd => "no end",
            Self::Defect => "defect",
        }
    }
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wrong {
    /// Of which kind.
    pub blame: Blame,
    /// The step at fault.
    pub step: Option<StepName>,
    /// What is so.
    pub words: String,
}

impl Wrong {
    pub(super) fn of(blame: Blame, step: &StepName, words: String) -> Self {
        Self { blame, step: Some(step.clone()), words }
    }
}

/// Looks at a world in which nothing goes on any more: the run is over, or waits for a person.
pub(super) fn at_rest(shape: &Shape, world: &World, state: &RunState) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    for hold in &world.held {
        wrongs.push(Wrong::of(Blame::Frozen, hold, format!("`{hold}` stays held")));
    }
    wrongs.extend(down(shape, world, state));
    if let Some(outcome) = state.outcome {
        wrongs.extend(half_done(shape, world, state, outcome));
    }
    wrongs
}

/// A service is down while some of its outage is in effect, and neither is the outage over nor does the new side serve.
/// Where a person must decide what nobody else can, or the mark is crossed, they are told so: that is no fault.
fn down(shape: &Shape, world: &World, state: &RunState) -> Vec<Wrong> {
    let decided_by_a_person = state.outcome.is_none()
        && (state.crossed.is_some() || state.steps.iter().any(|s| matches!(s.status, Status::Stuck { .. })));
    let mut wrongs = Vec::new();
    for outage in shape.plan.steps.iter().filter(|step| matches!(step.body, Body::Outage { .. })) {
        let inside = |step: &&StepName| shape.around(step).contains(&outage.name);
        let serves = shape.mark.as_ref().is_some_and(|m| inside(&m) && world.applied.contains(m));
        let over = state.phase == Phase::Forward
            && state.step(&outage.name).is_some_and(|s| s.status == Status::Ended);
        if serves || over || decided_by_a_person {
            continue;
        }
        if let Some(step) = world.applied.iter().find(inside) {
            let words =
                format!("`{}` is down: `{step}` is in effect, and nothing goes on with it", outage.name);
            wrongs.push(Wrong::of(Blame::Down, step, words));
        }
    }
    wrongs
}

fn half_done(shape: &Shape, world: &World, state: &RunState, outcome: Outcome) -> Vec<Wrong> {
    let kept = matches!(state.phase, Phase::Back { only: Some(_) });
    let forward = state.phase == Phase::Forward;
    let mut wrongs = Vec::new();
    for planned in &shape.plan.steps {
        let Body::Action { undo, .. } = &planned.body else { continue };
        let step = &planned.name;
        let (there, whole) = (world.applied.contains(step), !world.part_way.contains(step));
        let status = state.step(step).map(|s| &s.status);
        let skipped = matches!(status, Some(Status::Skipped));
        let words = if planned.finally {
            // That a last step did not succeed is told to a person, by its name.
            let told = state.because.iter().chain(&last_words(state)).any(|why| why.contains(step.as_str()));
            if (there && whole) || skipped || told || outcome != Outcome::Done {
                continue;
            }
            format!("the run is over, and `{step}` was not done")
        } else if forward && !skipped && !(there && whole) {
            format!("the run is done, and `{step}` is not in effect")
        } else if !forward && there && kept {
            format!("the run is over and was not undone (`on-failure: keep`), and `{step}` stays in effect")
        } else if !forward && there && *undo == Undo::None {
            format!("the run is undone, and `{step}` cannot be undone and stays in effect")
        } else if !forward && there {
            format!("the run is undone, and `{step}` stays in effect")
        } else {
            continue;
        };
        wrongs.push(Wrong::of(Blame::HalfDone, step, words));
    }
    wrongs
}

/// Why steps that did not succeed did not.
fn last_words(state: &RunState) -> Vec<String> {
    let pairs = state.plan.steps.iter().zip(&state.steps);
    pairs.filter(|(p, s)| p.finally && !s.status.ended_well()).map(|(p, _)| p.name.to_string()).collect()
}

/// Looks at a history: nothing in doubt was tried again before a probe, and no release began late.
pub(super) fn on_the_way(shape: &Shape, records: &[Record]) -> Vec<Wrong> {
    let mut wrongs = blind_repeats(shape, records);
    wrongs.extend(late_releases(shape, records));
    wrongs
}

/// Steps that were tried again while nobody knew what had become of the last attempt.
pub fn blind_repeats(shape: &Shape, records: &[Record]) -> Vec<Wrong> {
    let mut under_way: BTreeSet<&StepName> = BTreeSet::new();
    let mut in_doubt: BTreeSet<&StepName> = BTreeSet::new();
    let mut wrongs = Vec::new();
    for record in records {
        match &record.event {
            Event::Owned { .. } => in_doubt.append(&mut under_way),
            Event::Intended { step, .. } if shape.changes(step) => {
                if in_doubt.contains(step) {
                    let words =
                        format!("`{step}` was tried again though nobody knew whether it had happened");
                    wrongs.push(Wrong::of(Blame::Defect, step, words));
                }
                under_way.insert(step);
            }
            Event::Answered { step, answer, .. } => {
                let lost = under_way.remove(step) && matches!(answer, Answer::Unknown { .. });
                if lost {
                    in_doubt.insert(step);
                }
            }
            Event::Probed { step, .. } | Event::Settled { step, .. } => {
                in_doubt.remove(step);
            }
            _ => {}
        }
    }
    wrongs
}

fn late_releases(shape: &Shape, records: &[Record]) -> Vec<Wrong> {
    let mut until: BTreeMap<&StepName, i64> = BTreeMap::new();
    let mut wrongs = Vec::new();
    for record in records {
        match &record.event {
            Event::Intended { step, way: Way::Apply, .. } => {
                // One that carries is given back behind its inner steps, and those take their time.
                let body = shape.plan.step(step).map(|s| &s.body);
                if let Some(Body::Hold { limit_ms, carries: false, .. }) = body {
                    until.insert(step, record.at + i64::try_from(*limit_ms).unwrap_or(i64::MAX / 2));
                }
            }
            Event::Releasing { step, .. }
                if until.remove(step).is_some_and(|until| record.at > until + LATE_MS) =>
            {
                let words = format!("`{step}` was given back after its limit");
                wrongs.push(Wrong::of(Blame::Defect, step, words));
            }
            _ => {}
        }
    }
    wrongs
}

/// The state that a history folds to; a history that no engine writes is a defect.
pub(super) fn folded(records: &[Record]) -> Result<RunState, Wrong> {
    let first = records.first().map(|record| &record.event);
    let run = match first {
        Some(Event::Created { run, .. }) => run.clone(),
        _ => RunId::new("none"),
    };
    RunState::fold(records).map_err(|illegal| Wrong {
        blame: Blame::Defect,
        step: None,
        words: format!("run {run}: {illegal}"),
    })
}
