//! A run's events as spans of time: what was done from when to when, for every picture and figure of a run. It must not
//! judge whether the events are legal, nor how they are shown.

use crate::answer::{Answer, Probed};
use crate::event::{Event, Outcome, Record, Way};
use crate::names::{RunId, StepName};
use crate::plan::{Body, Plan, PlanStep};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a run did, by the clock of its owners, in milliseconds since 1970.
#[derive(Debug, Clone, Default)]
pub(crate) struct History<'a> {
    pub run: Option<&'a RunId>,
    pub plan: Option<&'a Plan>,
    steps: BTreeMap<&'a StepName, &'a PlanStep>,
    by_step: BTreeMap<&'a StepName, Vec<usize>>,
    pub started: i64,
    /// The last event.
    pub ended: i64,
    pub outcome: Option<(Outcome, &'a str)>,
    pub spans: Vec<Span<'a>>,
    pub bands: Vec<Band<'a>>,
    pub crossed: Option<(&'a StepName, i64)>,
    pub rehearsal: bool,
    pub turned_back: Option<(&'a str, i64)>,
    pub skipped: BTreeMap<&'a StepName, &'a str>,
    pub stuck: BTreeMap<&'a StepName, &'a str>,
    /// By whom a person's yes was said.
    pub approved: BTreeMap<&'a StepName, &'a str>,
    /// When each owner took the run.
    pub owned: Vec<i64>,
}

/// One attempt, or one wait for a person.
#[derive(Debug, Clone)]
pub(crate) struct Span<'a> {
    pub step: &'a StepName,
    pub what: What,
    pub from: i64,
    pub to: i64,
    pub end: End<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Apply,
    Undo,
    Release,
    Probe,
    Wait,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End<'a> {
    /// No end was seen.
    Open,
    Changed(&'a Value),
    Unchanged(&'a Value),
    Refused(&'a str),
    Failed {
        message: &'a str,
        left: &'a str,
    },
    Unknown(&'a str),
    /// A person or a probe found that it had not happened.
    NotDone,
}

/// The time that a hold or an outage lasted.
#[derive(Debug, Clone)]
pub(crate) struct Band<'a> {
    pub step: &'a StepName,
    pub hold: bool,
    pub from: i64,
    pub to: Option<i64>,
    pub limit_ms: u64,
    pub limit_passed: bool,
    pub broken: Option<&'a str>,
}

/// Folds the events, in order.
pub(crate) fn history(records: &[Record]) -> History<'_> {
    let mut found = History { started: records.first().map_or(0, |record| record.at), ..History::default() };
    for record in records {
        found.ended = found.ended.max(record.at);
        found.see(record);
    }
    found.close_outages();
    for (index, span) in found.spans.iter().enumerate() {
        found.by_step.entry(span.step).or_default().push(index);
    }
    found
}

impl<'a> History<'a> {
    fn see(&mut self, record: &'a Record) {
        let at = record.at;
        if self.begins(&record.event) {
            self.turned_back = None;
        }
        match &record.event {
            Event::Created { run, plan, .. } => {
                self.run = Some(run);
                self.plan = Some(plan);
                self.steps = plan.steps.iter().map(|step| (&step.name, step)).collect();
            }
            Event::Owned { .. } => self.owned.push(at),
            Event::Intended { step, way, .. } => {
                self.open(step, (*way).into(), at);
                if *way == Way::Apply && matches!(self.body(step), Some(Body::Hold { .. })) {
                    self.band(step, true, at);
                }
            }
            Event::Answered { step, way, answer, .. } => {
                self.close(step, (*way).into(), at, answer.into());
                let given_back = *way == Way::Release
                    && matches!(answer, Answer::Changed { .. } | Answer::Unchanged { .. });
                let never_taken = *way == Way::Apply && matches!(answer, Answer::Refused(_));
                if given_back || never_taken {
                    self.end_band(step, at);
                }
            }
            Event::Probed { step, way, found } => {
                self.spans.push(Span { step, what: What::Probe, from: at, to: at, end: End::Open });
                match found {
                    Probed::Applied { output } => self.close(step, (*way).into(), at, End::Changed(output)),
                    Probed::NotApplied => self.close(step, (*way).into(), at, End::NotDone),
                    Probed::CannotTell { why } => self.close(step, (*way).into(), at, End::Unknown(why)),
                    Probed::PartWay { .. } | Probed::StillRunning => {}
                }
                if *way == Way::Release && matches!(found, Probed::Applied { .. }) {
                    self.end_band(step, at);
                }
            }
            Event::Settled { step, applied, .. } => {
                self.stuck.remove(step);
                let mut spans = self.spans.iter().rev().filter(|span| span.step == step);
                let what = spans.find(|span| span.what != What::Probe).map_or(What::Apply, |span| span.what);
                let back = matches!(what, What::Undo | What::Release);
                // Of a way back: that it is still to be gone, or was.
                let end = if *applied != back { End::Changed(&Value::Null) } else { End::NotDone };
                self.close(step, what, at, end);
                if what == What::Release && !applied {
                    self.end_band(step, at);
                }
            }
            Event::Asked { step, .. } => self.open(step, What::Wait, at),
            Event::Approved { step, by, .. } => {
                self.approved.insert(step, by);
                self.close(step, What::Wait, at, End::Changed(&Value::Null));
            }
            Event::Declined { step, by } => self.close(step, What::Wait, at, End::Refused(by)),
            Event::Skipped { step, because } => {
                self.skipped.insert(step, because);
            }
            Event::OutageBegan { step } => self.band(step, false, at),
            Event::OutageEnded { step, downtime_ms } => {
                let began =
                    self.bands.iter().rev().find(|band| band.step == step).map_or(at, |band| band.from);
                let end = i64::try_from(*downtime_ms).map_or(at, |ms| began.saturating_add(ms));
                self.end_band(step, end);
            }
            Event::HoldBroken { step, why } => {
                if let Some(band) = self.bands.iter_mut().rev().find(|band| band.step == step) {
                    band.broken = Some(why);
                }
            }
            Event::LimitPassed { step } => {
                if let Some(band) = self.bands.iter_mut().rev().find(|band| band.step == step) {
                    band.limit_passed = true;
                }
            }
            Event::Crossed { step } => self.crossed = Some((step, at)),
            Event::Rehearsal { .. } => self.rehearsal = true,
            Event::TurnedBack { because, .. } | Event::Rehearsed { because } => {
                self.turned_back = self.turned_back.or(Some((because, at)))
            }
            Event::Stuck { step, why } => {
                self.stuck.insert(step, why);
            }
            Event::Ended { outcome, because } => self.outcome = Some((*outcome, because)),
            _ => {}
        }
    }

    /// Whether a step begins that a run which has turned back does not begin: it goes forward again.
    fn begins(&self, event: &Event) -> bool {
        match event {
            Event::Intended { step, way: Way::Apply, .. }
            | Event::OutageBegan { step }
            | Event::Asked { step, .. } => self.step(step).is_some_and(|step| !step.finally),
            _ => false,
        }
    }

    /// The step of that name in the plan.
    pub fn step(&self, name: &StepName) -> Option<&'a PlanStep> {
        self.steps.get(name).copied()
    }

    /// The spans of a step, in order of their beginning.
    pub fn of(&self, step: &StepName) -> impl DoubleEndedIterator<Item = &Span<'a>> {
        self.by_step.get(step).into_iter().flatten().map(|index| &self.spans[*index])
    }

    fn body(&self, step: &StepName) -> Option<&'a Body> {
        self.step(step).map(|step| &step.body)
    }

    fn open(&mut self, step: &'a StepName, what: What, at: i64) {
        self.spans.push(Span { step, what, from: at, to: at, end: End::Open });
    }

    fn close(&mut self, step: &'a StepName, what: What, at: i64, end: End<'a>) {
        if let Some(span) = self.spans.iter_mut().rev().find(|span| span.step == step && span.what == what) {
            span.to = at;
            span.end = end;
        }
    }

    fn band(&mut self, step: &'a StepName, hold: bool, at: i64) {
        if self.bands.iter().any(|band| band.step == step && band.to.is_none()) {
            return;
        }
        let limit_ms = match self.body(step) {
            Some(Body::Hold { limit_ms, .. } | Body::Outage { limit_ms }) => *limit_ms,
            _ => 0,
        };
        self.bands.push(Band { step, hold, from: at, to: None, limit_ms, limit_passed: false, broken: None });
    }

    fn end_band(&mut self, step: &StepName, at: i64) {
        if let Some(band) = self.bands.iter_mut().rev().find(|band| band.step == step && band.to.is_none()) {
            band.to = Some(at);
        }
    }

    /// An outage that was turned back ends with the last of its steps that was undone.
    fn close_outages(&mut self) {
        for index in 0..self.bands.len() {
            let band = &self.bands[index];
            if band.hold || band.to.is_some() || self.outcome.is_none() {
                continue;
            }
            let inside =
                |step: &StepName| self.step(step).is_some_and(|step| step.within.as_ref() == Some(band.step));
            let undone = self
                .spans
                .iter()
                .filter(|span| span.what == What::Undo && inside(span.step))
                .map(|span| span.to);
            let end = undone.max().or(self.turned_back.map(|(_, at)| at)).unwrap_or(self.ended);
            self.bands[index].to = Some(end.max(self.bands[index].from));
        }
    }
}

impl From<Way> for What {
    fn from(way: Way) -> Self {
        match way {
            Way::Apply => Self::Apply,
            Way::Undo => Self::Undo,
            Way::Release => Self::Release,
        }
    }
}

impl<'a> From<&'a Answer> for End<'a> {
    fn from(answer: &'a Answer) -> Self {
        match answer {
            Answer::Changed { output } => Self::Changed(output),
            Answer::Unchanged { output } => Self::Unchanged(output),
            Answer::Refused(refusal) => Self::Refused(&refusal.message),
            Answer::Failed(failure) => Self::Failed { message: &failure.message, left: &failure.left },
            Answer::Unknown { why } => Self::Unknown(why),
        }
    }
}

impl Span<'_> {
    /// How long it lasted, in milliseconds; a clock that was set back counts nothing.
    pub fn ms(&self) -> u64 {
        u64::try_from(self.to.saturating_sub(self.from)).unwrap_or(0)
    }
}

impl Band<'_> {
    /// How long it lasted, in milliseconds, or has lasted by `now`.
    pub fn ms(&self, now: i64) -> u64 {
        u64::try_from(self.to.unwrap_or(now).saturating_sub(self.from)).unwrap_or(0)
    }
}
