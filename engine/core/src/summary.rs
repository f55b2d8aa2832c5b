//! The figures of a run: outcome, freeze, downtime, bytes moved, time for each step, what was undone and what is left.
//! It must not know where the events come from.

mod text;

pub use text::text;

use crate::event::{Outcome, Record};
use crate::history::{Band, End, History, Span, What, history};
use crate::plan::{Body, PlanStep};
use crate::schema::bytes_of;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The figures of a run. Times are by the engine's clock; `started` and `ended` in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The run.
    pub run: String,
    /// The workflow.
    pub workflow: String,
    /// Whether it was a rehearsal.
    #[serde(default)]
    pub rehearsal: bool,
    /// How it ended; none: it has not.
    pub outcome: Option<Outcome>,
    /// Why, in words.
    pub because: String,
    /// The first event.
    pub started: i64,
    /// The last event.
    pub ended: i64,
    /// How long all holds held, together: from the intent to take to the answer that they were given back.
    pub freeze_ms: u64,
    /// Each hold.
    pub holds: Vec<Pause>,
    /// How long all outages lasted, together: from the first step inside to the end, or until everything was put back.
    pub downtime_ms: u64,
    /// The limit of the outage, the smallest where there are several.
    pub downtime_limit_ms: Option<u64>,
    /// Each outage.
    pub outages: Vec<Pause>,
    /// Where the point of no return was crossed.
    pub crossed: Option<Crossing>,
    /// What was copied.
    pub bytes: Vec<Moved>,
    /// Every step, in plan order.
    pub steps: Vec<StepFigures>,
    /// What was taken back, in the order in which it was.
    pub undone: Vec<String>,
    /// What is left behind, and why.
    pub left: Vec<Left>,
    /// How often the run changed hands.
    pub owners: usize,
}

/// A hold or an outage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// The step.
    pub step: String,
    /// How long it lasted.
    pub ms: u64,
    /// How long it might.
    pub limit_ms: u64,
    /// Whether it was given back, or is over.
    pub over: bool,
    /// Whether its limit passed first.
    pub limit_passed: bool,
}

/// The crossing of the point of no return.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// The step.
    pub step: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
}

/// What one step copied or compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// The step.
    pub step: String,
    /// Its action.
    pub action: String,
    /// Bytes written (compared, for a comparison).
    pub bytes: u64,
    /// Bytes read, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
    /// By its own clock, else by the engine's.
    pub ms: u64,
}

/// What came of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepFigures {
    /// The step.
    pub name: String,
    /// What came of it.
    pub state: State,
    /// How long all its attempts took, or how long it waited for a person.
    pub ms: u64,
    /// How many attempts.
    pub attempts: usize,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was never begun.
    NotStarted,
    /// Its condition was false, or what it depends on was skipped.
    Skipped,
    /// It is under way, or its end was not seen.
    Open,
    /// Done.
    Done,
    /// It was already so.
    Unchanged,
    /// Not done, and nothing left behind.
    Refused,
    /// Stopped part-way.
    Failed,
    /// What happened is not known.
    Unknown,
    /// Taken back.
    Undone,
}

/// Something that is left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// The step.
    pub step: String,
    /// What, in words.
    pub what: String,
}

/// The figures of a run, from its events in order. A run that goes on has those up to its last event.
pub fn summary(records: &[Record]) -> Summary {
    let history = history(records);
    let plan_steps: &[PlanStep] = history.plan.map_or(&[], |plan| &plan.steps);
    let steps: Vec<StepFigures> = plan_steps.iter().map(|step| figures(step, &history)).collect();
    // What is lent to inner steps makes nobody wait.
    let waits =
        |band: &&Band<'_>| plan_steps.iter().all(|step| &step.name != band.step || !step.body.carries());
    let (holds, outages): (Vec<&Band<'_>>, Vec<&Band<'_>>) =
        history.bands.iter().filter(waits).partition(|band| band.hold);
    let pauses = |bands: &[&Band<'_>]| bands.iter().map(|band| pause(band, &history)).collect::<Vec<Pause>>();
    let (holds, outages) = (pauses(&holds), pauses(&outages));
    Summary {
        run: history.run.map(ToString::to_string).unwrap_or_default(),
        workflow: history.plan.map(|plan| plan.name.clone()).unwrap_or_default(),
        rehearsal: history.rehearsal,
        outcome: history.outcome.map(|(outcome, _)| outcome),
        because: history.outcome.map(|(_, because)| because.to_owned()).unwrap_or_default(),
        started: history.started,
        ended: history.ended,
        freeze_ms: holds.iter().map(|hold| hold.ms).sum(),
        holds,
        downtime_ms: outages.iter().map(|outage| outage.ms).sum(),
        downtime_limit_ms: limits(plan_steps).min(),
        outages,
        crossed: history.crossed.map(|(step, at)| Crossing { step: step.to_string(), at }),
        bytes: moved(&history),
        undone: undone(&history),
        left: left(plan_steps, &steps, &history),
        steps,
        owners: history.owned.len(),
    }
}

fn limits(steps: &[PlanStep]) -> impl Iterator<Item = u64> {
    steps.iter().filter_map(|step| match step.body {
        Body::Outage { limit_ms } => Some(limit_ms),
        _ => None,
    })
}

fn pause(band: &Band<'_>, history: &History<'_>) -> Pause {
    Pause {
        step: band.step.to_string(),
        ms: band.ms(history.ended),
        limit_ms: band.limit_ms,
        over: band.to.is_some(),
        limit_passed: band.limit_passed,
    }
}

fn figures(step: &PlanStep, history: &History<'_>) -> StepFigures {
    let mine: Vec<&Span<'_>> = history.of(&step.name).collect();
    let applied: Vec<&&Span<'_>> =
        mine.iter().filter(|span| matches!(span.what, What::Apply | What::Wait)).collect();
    let undone = mine.iter().rev().find(|span| span.what != What::Probe).is_some_and(|span| is_undone(span));
    let band = history.bands.iter().rev().find(|band| band.step == &step.name);
    let state = match (applied.last().map(|span| span.end), band) {
        _ if undone => State::Undone,
        (Some(End::Changed(_)), _) => State::Done,
        // A check has nothing to change.
        (Some(End::Unchanged(_)), _) if matches!(step.body, Body::Check { .. }) => State::Done,
        (Some(End::Unchanged(_)), _) => State::Unchanged,
        (Some(End::Refused(_) | End::NotDone), _) => State::Refused,
        (Some(End::Failed { .. }), _) => State::Failed,
        (Some(End::Unknown(_)), _) => State::Unknown,
        (Some(End::Open), _) => State::Open,
        (None, Some(band)) if band.to.is_none() => State::Open,
        (None, Some(_)) if history.turned_back.is_some() && history.crossed.is_none() => State::Undone,
        (None, Some(_)) => State::Done,
        (None, None) if history.skipped.contains_key(&step.name) => State::Skipped,
        (None, None) => State::NotStarted,
    };
    let ms = match band {
        Some(band) => band.ms(history.ended),
        None => applied.iter().map(|span| span.ms()).sum(),
    };
    StepFigures { name: step.name.to_string(), state, ms, attempts: applied.len() }
}

const fn is_done(end: &End<'_>) -> bool {
    matches!(end, End::Changed(_) | End::Unchanged(_))
}

fn is_undone(span: &Span<'_>) -> bool {
    span.what == What::Undo && is_done(&span.end)
}

/// Outputs of `block.*` hold `bytes`, and may hold `read` and `milliseconds`.
fn moved(history: &History<'_>) -> Vec<Moved> {
    let mut found = Vec::new();
    for span in history.spans.iter().filter(|span| span.what == What::Apply) {
        let Some(step) = history.step(span.step) else { continue };
        let (Some(("block", action)), End::Changed(output)) = (step.body.uses(), span.end) else { continue };
        let figure = |name: &str| match output.get(name)? {
            Value::String(text) => bytes_of(text),
            other => other.as_u64(),
        };
        if let Some(bytes) = figure("bytes") {
            let ms = figure("milliseconds").unwrap_or_else(|| span.ms());
            found.push(Moved {
                step: step.name.to_string(),
                action: action.to_owned(),
                bytes,
                read: figure("read"),
                ms,
            });
        }
    }
    found
}

fn undone(history: &History<'_>) -> Vec<String> {
    let last = |span: &&Span<'_>| {
        history
            .of(span.step)
            .rev()
            .find(|other| other.what != What::Probe)
            .is_some_and(|l| std::ptr::eq(l, *span))
    };
    let spans = history.spans.iter().filter(|span| is_undone(span)).filter(last);
    spans.map(|span| span.step.to_string()).collect()
}

/// What a person must know of: steps that stopped part-way or are not known, what is stuck, and, where the run ended
/// undone or stopped before the mark, what was done and not taken back.
fn left(steps: &[PlanStep], figures: &[StepFigures], history: &History<'_>) -> Vec<Left> {
    let mut found = Vec::new();
    let turned = history.turned_back.is_some() && history.crossed.is_none();
    for (step, figures) in steps.iter().zip(figures) {
        let last = history.of(&step.name).rev().find(|span| span.what != What::Probe);
        let what = match (history.stuck.get(&step.name), figures.state, last.map(|span| span.end)) {
            (Some(why), ..) => Some((*why).to_owned()),
            (None, State::Undone | State::Refused | State::Skipped | State::NotStarted, _) => None,
            (None, _, Some(End::Failed { message, left })) => {
                Some(if left.is_empty() { message.to_owned() } else { left.to_owned() })
            }
            (None, State::Unknown, Some(End::Unknown(why))) => {
                Some(format!("it is not known what happened: {why}"))
            }
            (None, State::Open, _)
                if history.outcome.is_some() && !matches!(step.body, Body::Approve { .. }) =>
            {
                Some("its end was not seen".to_owned())
            }
            (None, State::Done, _) if turned && matches!(step.body, Body::Action { .. }) => {
                Some("it was done and is not taken back".to_owned())
            }
            _ => None,
        };
        found.extend(what.map(|what| Left { step: step.name.to_string(), what }));
    }
    found
}

#[cfg(test)]
mod tests;
