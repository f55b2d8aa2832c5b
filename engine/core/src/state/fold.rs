//! The state of a run, folded from its events; an event that cannot follow the ones before it is refused. It must not
//! know what is to be done next.

use super::order::Order;
use super::rehearsal::Rehearsal;
use super::status::Status;
use super::step::{StepState, note_program};
use super::window::Schedule;
use crate::event::{Event, Outcome, Record, Way};
use crate::names::{Epoch, RunId, Seq, StepName};
use crate::plan::{Body, Plan};
use serde_json::Value;
use std::collections::BTreeSet;

/// A history that no engine writes: the journal is damaged, or a defect wrote it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("event {seq} (`{event}`) cannot follow: {why}")]
pub struct Illegal {
    /// Where.
    pub seq: u64,
    /// The event's name.
    pub event: String,
    /// What it contradicts.
    pub why: String,
}

/// Which way the run goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Towards its end.
    Forward,
    /// Taking back; `only` are the steps concerned (`on-failure: pause` and `keep`), none: all.
    Back {
        /// The steps inside the holds and outages that were open.
        only: Option<BTreeSet<usize>>,
    },
}

/// How the run stands, for whoever stops looking at it now.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Over.
    Over(Outcome),
    /// Not over; somebody works on it or could.
    UnderWay,
}

/// The state of a run.
#[derive(Debug, Clone)]
pub struct RunState {
    /// The run.
    pub run: RunId,
    /// The plan it was created with.
    pub plan: Plan,
    /// The last event's place.
    pub seq: Seq,
    /// How often it changed hands.
    pub epoch: Epoch,
    /// The owner's process and boot, while not over.
    pub owner: Option<(u32, String)>,
    /// Which way it goes.
    pub phase: Phase,
    /// Why it turned back.
    pub because: Option<String>,
    /// The step with which the point of no return was crossed.
    pub crossed: Option<StepName>,
    /// Nothing new is started.
    pub paused: bool,
    /// A person asked for the end of it.
    pub abort: Option<String>,
    /// The end.
    pub outcome: Option<Outcome>,
    /// How far it goes, where it is a rehearsal.
    pub rehearsal: Option<Rehearsal>,
    /// It was a rehearsal, and went as far as one goes.
    pub rehearsed: bool,
    /// The opening of the window that its owner keeps to, where the plan has a window.
    pub schedule: Option<Schedule>,
    /// When its owner took it, milliseconds since 1970.
    pub owned_at: i64,
    /// Steps whose limit passed.
    pub limits_passed: BTreeSet<StepName>,
    /// The steps, as in `plan.steps`.
    pub steps: Vec<StepState>,
    pub(super) order: Order,
}

impl RunState {
    /// Folds a whole history. The first event must be `Created`.
    pub fn fold(records: &[Record]) -> Result<Self, Illegal> {
        let (first, rest) =
            records.split_first().ok_or_else(|| illegal(Seq(0), "nothing", "the history is empty"))?;
        let Event::Created { run, plan, .. } = &first.event else {
            return Err(illegal(first.seq, &name_of(&first.event), "a history begins with `created`"));
        };
        if first.seq != Seq(1) {
            return Err(illegal(first.seq, "created", "it is not the first event"));
        }
        let order = Order::of(plan);
        let mut state = Self {
            run: run.clone(),
            plan: (**plan).clone(),
            seq: first.seq,
            epoch: Epoch(0),
            owner: None,
            phase: Phase::Forward,
            because: None,
            crossed: None,
            paused: false,
            abort: None,
            outcome: None,
            rehearsal: None,
            rehearsed: false,
            schedule: None,
            owned_at: first.at,
            limits_passed: BTreeSet::new(),
            steps: vec![StepState::new(); plan.steps.len()],
            order,
        };
        for record in rest {
            state.apply(record)?;
        }
        Ok(state)
    }

    /// Takes one more event, or refuses it and stays as it is.
    pub fn apply(&mut self, record: &Record) -> Result<(), Illegal> {
        let refuse = |why: &str| illegal(record.seq, &name_of(&record.event), why);
        if record.seq != self.seq.plus(1) {
            return Err(refuse(&format!("its number should be {}", self.seq.0 + 1)));
        }
        let adds_nothing = matches!(
            record.event,
            Event::Said { .. }
                | Event::Progressed { .. }
                | Event::Gauged { .. }
                | Event::Used { .. }
                | Event::GuardActed { .. }
        );
        if self.outcome.is_some() && !adds_nothing {
            return Err(refuse("the run is over"));
        }
        match &record.event {
            Event::Created { .. } => return Err(refuse("the run exists")),
            Event::Rehearsal { with_outage } => {
                if self.epoch != Epoch(0) {
                    return Err(refuse("a run that has begun does not become a rehearsal"));
                }
                self.rehearsal = Some(Rehearsal::of(&self.plan, &self.order, *with_outage));
            }
            Event::Rehearsed { because } => {
                if self.rehearsal.is_none() || self.phase != Phase::Forward {
                    return Err(refuse("only a rehearsal that goes forward has an end of its own"));
                }
                self.turn_back(because, false).map_err(&refuse)?;
                self.rehearsed = true;
            }
            Event::Owned { epoch, pid, boot, .. } => {
                self.owned(*epoch, *pid, boot).map_err(&refuse)?;
                self.owned_at = record.at;
            }
            Event::Scheduled { opens, closes, needs } => {
                if self.plan.window.is_none() {
                    return Err(refuse("the plan has no window"));
                }
                self.schedule = Some(Schedule { opens: *opens, closes: *closes, needs: needs.clone() });
            }
            Event::TurnedBack { because, open_only } => {
                self.turn_back(because, *open_only).map_err(&refuse)?;
            }
            Event::Commanded { what, by } => self.command(what, by, record.at).map_err(&refuse)?,
            Event::Crossed { .. } if self.rehearsal.is_some() => {
                return Err(refuse("a rehearsal never crosses the mark"));
            }
            Event::Crossed { step } => {
                if self.crossed.is_some() || self.phase != Phase::Forward {
                    return Err(refuse("the mark is crossed once, and only going forward"));
                }
                self.crossed = Some(step.clone());
            }
            Event::LimitPassed { step } => {
                self.limits_passed.insert(step.clone());
            }
            Event::Armed { .. } | Event::GuardActed { .. } => {}
            Event::Ended { outcome, because } => {
                if self.steps.iter().any(|s| s.status.in_flight()) {
                    return Err(refuse("a step is under way"));
                }
                self.outcome = Some(*outcome);
                if !because.is_empty() {
                    self.because = Some(because.clone());
                }
                self.owner = None;
            }
            Event::Intended { step, .. }
            | Event::Checkpointed { step, .. }
            | Event::Progressed { step, .. }
            | Event::Gauged { step, .. }
            | Event::Used { step, .. }
            | Event::Said { step, .. }
            | Event::Answered { step, .. }
            | Event::Probed { step, .. }
            | Event::Settled { step, .. }
            | Event::Skipped { step, .. }
            | Event::OutageBegan { step }
            | Event::OutageEnded { step, .. }
            | Event::HoldConfirmed { step }
            | Event::HoldBroken { step, .. }
            | Event::Releasing { step, .. }
            | Event::Asked { step, .. }
            | Event::Approved { step, .. }
            | Event::Declined { step, .. }
            | Event::Stuck { step, .. } => {
                let index = self.order.index(step).ok_or_else(|| refuse("the plan has no such step"))?;
                self.step_event(index, record).map_err(|why| refuse(&why))?;
            }
        }
        self.seq = record.seq;
        Ok(())
    }

    fn step_event(&mut self, index: usize, record: &Record) -> Result<(), String> {
        let planned = &self.plan.steps[index];
        let step = &mut self.steps[index];
        let begins = matches!(
            record.event,
            Event::Intended { way: Way::Apply, .. } | Event::OutageBegan { .. } | Event::Asked { .. }
        );
        if begins && self.rehearsal.as_ref().is_some_and(|rehearsal| rehearsal.leaves_out(index)) {
            return Err("the rehearsal leaves this step out".into());
        }
        match &record.event {
            Event::Progressed { .. } | Event::Gauged { .. } | Event::Said { .. } => return Ok(()),
            Event::Used { what, .. } => {
                note_program(&mut step.programs, what);
                return Ok(());
            }
            Event::Checkpointed { state, .. } => {
                if !step.status.in_flight() && !matches!(step.status, Status::Taken | Status::Confirmed) {
                    return Err("no attempt is under way".into());
                }
                step.checkpoint = Some(state.clone());
                return Ok(());
            }
            Event::Intended { way: Way::Apply, .. } => {
                if matches!(self.phase, Phase::Back { .. }) && !planned.finally {
                    return Err("the run has turned back".into());
                }
                if planned.mark && self.crossed.as_ref() != Some(&planned.name) {
                    return Err("the mark was not crossed durably before it".into());
                }
                if let Some(group) = self.order.within[index]
                    && !matches!(self.steps[group].status, Status::Open | Status::Taken)
                {
                    return Err(format!("`{}` is not open", self.plan.steps[group].name));
                }
                for &needed in &self.order.needs[index] {
                    if !planned.finally && !self.steps[needed].status.ended_well() {
                        return Err(format!("`{}` has not ended", self.plan.steps[needed].name));
                    }
                }
            }
            Event::Intended { way: Way::Undo, .. } if self.crossed.is_some() => {
                return Err("the point of no return is behind".into());
            }
            _ => {}
        }
        let step = &mut self.steps[index];
        let next = step
            .status
            .after(&planned.body, &record.event)
            .ok_or_else(|| format!("`{}` is {}", planned.name, status_name(&step.status)))?;
        step.remember(&planned.body, &record.event, record.at);
        step.status = step.with_what_is_left(next);
        step.since = record.at;
        if matches!(record.event, Event::OutageBegan { .. }) {
            step.opened_in = self.epoch;
        }
        Ok(())
    }

    fn owned(&mut self, epoch: Epoch, pid: u32, boot: &str) -> Result<(), &'static str> {
        if epoch.0 != self.epoch.0 + 1 {
            return Err("epochs go up by one");
        }
        self.epoch = epoch;
        self.owner = Some((pid, boot.to_owned()));
        self.schedule = None;
        let crossed = self.crossed.is_some();
        for (step, planned) in self.steps.iter_mut().zip(&self.plan.steps) {
            if planned.watches() {
                step.watch_again(self.phase == Phase::Forward && !crossed);
            }
            step.status = match (&step.status, crossed) {
                // After the mark what failed is tried again by whoever takes the run up.
                (Status::Refused { .. } | Status::Failed { .. }, true) => {
                    step.attempts = 0;
                    match step.status {
                        Status::Failed { .. } => Status::PartWay,
                        _ => Status::Waiting,
                    }
                }
                (status @ (Status::Waiting | Status::PartWay | Status::Applying), true) => {
                    step.attempts = 0;
                    status.under_new_owner()
                }
                (status, _) => status.under_new_owner(),
            };
            step.back_attempts = 0;
        }
        Ok(())
    }

    fn turn_back(&mut self, because: &str, open_only: bool) -> Result<(), &'static str> {
        if self.crossed.is_some() {
            return Err("the point of no return is behind");
        }
        if matches!(self.phase, Phase::Back { only: None }) {
            return Err("the run has turned back already");
        }
        let only = open_only.then(|| self.open_and_after());
        self.because = Some(because.to_owned());
        self.phase = Phase::Back { only };
        Ok(())
    }

    fn command(&mut self, what: &str, by: &str, at: i64) -> Result<(), &'static str> {
        match what {
            "pause" => self.paused = true,
            "resume" => {
                self.paused = false;
                // A way back that is under way is not broken off.
                if self.waits_after_a_failure() {
                    self.go_on(at);
                }
            }
            "abort" | "undo" if self.crossed.is_some() => return Err("the point of no return is behind"),
            "abort" | "undo" => self.abort = Some(format!("{what} by {by}")),
            _ => return Err("no such command"),
        }
        Ok(())
    }

    /// Whether a hold is held or an outage open, at least perhaps.
    pub fn is_open(&self, step: usize) -> bool {
        let hold = matches!(self.plan.steps[step].body, Body::Hold { .. });
        match &self.steps[step].status {
            Status::Open | Status::Taken | Status::Confirmed | Status::Orphaned { .. } => true,
            Status::Releasing { .. } | Status::ReleaseDoubtful { .. } => true,
            Status::Applying | Status::Doubtful { .. } | Status::Stuck { .. } => hold,
            _ => false,
        }
    }

    /// The place of a step in `plan.steps` and in `steps`.
    pub fn index(&self, name: &StepName) -> Option<usize> {
        self.order.index(name)
    }

    /// The step's state.
    pub fn step(&self, name: &StepName) -> Option<&StepState> {
        self.index(name).map(|index| &self.steps[index])
    }

    /// The holds and outages around a step, inside out.
    pub fn around(&self, step: usize) -> Vec<usize> {
        self.order.around(step)
    }

    /// The steps directly inside a hold or outage.
    pub fn inner(&self, step: usize) -> &[usize] {
        &self.order.inner[step]
    }

    /// The steps that `step` needs.
    pub fn needs(&self, step: usize) -> &[usize] {
        &self.order.needs[step]
    }

    /// What a step sees of another: its output; of a hold, what was taken while inside it, what was released after.
    pub fn output(&self, of: usize) -> Option<Value> {
        let step = &self.steps[of];
        step.released.clone().or_else(|| step.output.clone())
    }

    /// How the run stands.
    pub fn standing(&self) -> Standing {
        self.outcome.map_or(Standing::UnderWay, Standing::Over)
    }
}

fn illegal(seq: Seq, event: &str, why: &str) -> Illegal {
    Illegal { seq: seq.0, event: event.to_owned(), why: why.to_owned() }
}

fn tag(value: serde_json::Result<Value>, key: &str) -> String {
    value.ok().and_then(|v| v[key].as_str().map(str::to_owned)).unwrap_or_default()
}

fn name_of(event: &Event) -> String {
    match event {
        Event::Created { .. } => "created".into(),
        other => tag(serde_json::to_value(other), "event"),
    }
}

fn status_name(status: &Status) -> String {
    tag(serde_json::to_value(status), "is")
}
