//! What is to be done next, from the state alone. Deciding changes nothing: whoever carries it out appends the event
//! first. It must not know how anything is done.

use super::fold::{Phase, RunState};
use super::status::Status;
use super::step::StepState;
use super::window::Gate;
use crate::answer::Ending;
use crate::event::{Outcome, Way};
use crate::names::StepName;
use crate::plan::{Body, OnFailure, PlanStep};
use std::collections::BTreeSet;

/// How many steps may be under way at once.
const PARALLEL: usize = 16;
/// How long after the first probe that found an attempt still happening the next one is made; doubles, to 16 s.
const PROBE_AGAIN_MS: i64 = 500;
/// How often an attempt that was found not to have happened is made again, beyond its retries.
const LOST_AGAIN: u32 = 2;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Todo {
    /// Begin or go on with a step: look at its condition, show, intend, apply (take, for a hold).
    Start(StepName),
    /// Collect what the instances of a `for-each` gave.
    Gather(StepName),
    /// Find out what became of an attempt.
    Probe(StepName, Way),
    /// Ask a person.
    Ask(StepName),
    /// Nobody said anything in time.
    Expire(StepName),
    /// Open an outage.
    Open(StepName),
    /// The window lets this outage begin no more.
    Shut { step: StepName, why: String },
    /// Close an outage: all inside it is done, or taken back.
    Close(StepName),
    /// All inside a hold is done: see whether it is unbroken, then say so.
    Confirm(StepName),
    /// Give a hold back; `orphan`: on a fresh instance.
    Release { step: StepName, how: Ending, orphan: bool },
    /// The limit of a hold or outage has passed.
    LimitPassed(StepName),
    /// Tell what is under way to stop.
    Stop(StepName),
    /// Turn the run back.
    TurnBack { because: String, open_only: bool },
    /// A rehearsal has gone as far as it goes: turn it back.
    Rehearsed { because: String },
    /// Take a step back.
    Undo(StepName),
    /// Leave a step to a person.
    GiveUp { step: StepName, why: String },
    /// The run is over.
    End { outcome: Outcome, because: String },
}

/// What to do, and until when to wait if there is nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// To be done now, in this order.
    pub todo: Vec<Todo>,
    /// The next moment at which time alone changes the answer, milliseconds since 1970.
    pub wake_at: Option<i64>,
    /// Nothing goes on until a person acts (or, with `wake_at`, until then).
    pub blocked: Option<Blocked>,
}

/// What a person is waited for.
#[derive(Debug, Clone, PartialEq)]
pub enum Blocked {
    /// An approval.
    Asked,
    /// The end of a pause.
    Paused,
    /// The opening of the window, milliseconds since 1970.
    Window(i64),
    /// A look at what is in which state, and a decision.
    Stuck(String),
    /// A failure, after which what was open is given back: to go on, or to undo the rest.
    Failed(String),
}

impl RunState {
    /// Decides. `busy` are steps for which something is being prepared or asked already; `now` is in milliseconds
    /// since 1970.
    pub fn decide(&self, now: i64, busy: &BTreeSet<StepName>) -> Decision {
        let mut d = Decision::default();
        if self.outcome.is_some() {
            return d;
        }
        let mut view = View { state: self, now, busy, out: &mut d };
        view.doubts();
        view.limits();
        match &self.phase {
            Phase::Forward => view.forward(),
            Phase::Back { only } => view.back(only.as_ref()),
        }
        d
    }
}

pub(super) struct View<'a> {
    pub(super) state: &'a RunState,
    pub(super) now: i64,
    pub(super) busy: &'a BTreeSet<StepName>,
    pub(super) out: &'a mut Decision,
}

impl View<'_> {
    pub(super) fn planned(&self, step: usize) -> &PlanStep {
        &self.state.plan.steps[step]
    }

    pub(super) fn status(&self, step: usize) -> &Status {
        &self.state.steps[step].status
    }

    pub(super) fn name(&self, step: usize) -> StepName {
        self.planned(step).name.clone()
    }

    pub(super) fn idle(&self, step: usize) -> bool {
        !self.busy.contains(&self.planned(step).name)
    }

    pub(super) fn todo(&mut self, todo: Todo) {
        self.out.todo.push(todo);
    }

    pub(super) fn wake(&mut self, at: i64) {
        self.out.wake_at = Some(self.out.wake_at.map_or(at, |w| w.min(at)));
    }

    /// Probes whatever is in doubt, whichever way the run goes. A hold in doubt is given back instead: its holder is gone.
    fn doubts(&mut self) {
        for step in 0..self.state.steps.len() {
            if !self.idle(step) {
                continue;
            }
            let way = match self.status(step) {
                Status::Doubtful { .. } if !self.is_hold(step) => Way::Apply,
                Status::UndoDoubtful { .. } => Way::Undo,
                _ => continue,
            };
            let s = &self.state.steps[step];
            let due = if s.attempts == 0 || s.since == 0 { 0 } else { self.probe_due(s) };
            if self.now >= due {
                self.todo(Todo::Probe(self.name(step), way));
            } else {
                self.wake(due);
            }
        }
    }

    fn probe_due(&self, s: &StepState) -> i64 {
        s.still_running.checked_sub(1).map_or(0, |before| s.since + (PROBE_AGAIN_MS << before.min(5)))
    }

    pub(super) fn is_hold(&self, step: usize) -> bool {
        matches!(self.planned(step).body, Body::Hold { .. })
    }

    fn limit_ms(&self, step: usize) -> Option<u64> {
        match self.planned(step).body {
            Body::Hold { limit_ms, .. } | Body::Outage { limit_ms } => Some(limit_ms),
            _ => None,
        }
    }

    fn limits(&mut self) {
        for step in 0..self.state.steps.len() {
            let Some(limit) = self.limit_ms(step) else { continue };
            let counts = matches!(self.status(step), Status::Open | Status::Taken | Status::Confirmed)
                || (self.is_hold(step) && *self.status(step) == Status::Applying);
            let name = self.name(step);
            // Where a run has only one way to go, an outage's limit changes nothing; a hold is given back all the same.
            let one_way = self.state.crossed.is_some() || self.state.phase != Phase::Forward;
            if !counts || self.state.limits_passed.contains(&name) || one_way && !self.is_hold(step) {
                continue;
            }
            let due = self.state.steps[step].began.unwrap_or(self.now) + limit as i64;
            if self.now >= due {
                self.todo(Todo::LimitPassed(name));
            } else {
                self.wake(due);
            }
        }
    }

    fn forward(&mut self) {
        if self.state.crossed.is_none()
            && let Some(because) = self.failure()
        {
            let open_only = self.state.abort.is_none()
                && self.state.rehearsal.is_none()
                && self.state.plan.on_failure != OnFailure::Undo;
            self.todo(Todo::TurnBack { because, open_only });
            return;
        }
        self.groups_forward();
        if !self.state.paused {
            self.begin();
        }
        if self.state.crossed.is_some() {
            // What it would turn back for can only go forward now.
            self.stop_watching();
        }
        self.finish_forward();
    }

    /// Whether it is a watch under way: it goes on until it is told to stop.
    fn watching(&self, step: usize) -> bool {
        self.planned(step).watches() && *self.status(step) == Status::Applying
    }

    /// Tells every watch to stop; true where there is one.
    fn stop_watching(&mut self) -> bool {
        let watching: Vec<StepName> =
            (0..self.state.steps.len()).filter(|&s| self.watching(s)).map(|s| self.name(s)).collect();
        let any = !watching.is_empty();
        self.out.todo.extend(watching.into_iter().map(Todo::Stop));
        any
    }

    /// The first reason not to go on, before the mark.
    fn failure(&self) -> Option<String> {
        if let Some(abort) = &self.state.abort {
            return Some(abort.clone());
        }
        let resumed = self.state.epoch.0 > 1;
        (0..self.state.steps.len()).filter(|&step| !self.planned(step).finally).find_map(|step| {
            let name = &self.planned(step).name;
            let s = &self.state.steps[step];
            match &s.status {
                Status::Refused { refusal } if !self.retries(step, refusal.again) => {
                    Some(format!("`{name}` was refused: {}", refusal.message))
                }
                Status::Failed { failure } if !self.retries(step, failure.again) => {
                    Some(format!("`{name}` failed: {}", failure.message))
                }
                Status::Waiting | Status::PartWay if self.lost_too_often(step) => {
                    Some(format!("`{name}` got lost {} times", s.attempts))
                }
                Status::Orphaned { why } => Some(format!("hold `{name}` is broken: {why}")),
                Status::ReleaseDoubtful { .. } | Status::Stuck { way: Way::Release, .. } => {
                    Some(format!("hold `{name}` was not given back cleanly"))
                }
                Status::Doubtful { why } if self.is_hold(step) => {
                    Some(format!("hold `{name}` is in doubt: {why}"))
                }
                Status::Released { well: false } => Some(format!("hold `{name}` was given back early")),
                Status::Stuck { .. } if let Some(why) = self.state.unclear_inside(step) => {
                    Some(format!("whether `{name}` happened is not known: {why}"))
                }
                _ if self.state.limits_passed.contains(name) => Some(format!("the limit of `{name}` passed")),
                Status::Open if resumed && self.opened_by_another(step) => {
                    Some(format!("the engine died in outage `{name}`"))
                }
                _ => None,
            }
        })
    }

    /// An outage that an earlier owner opened is not gone on with before the mark.
    fn opened_by_another(&self, step: usize) -> bool {
        self.state.steps[step].opened_in != self.state.epoch
    }

    fn lost_too_often(&self, step: usize) -> bool {
        self.state.steps[step].attempts > self.planned(step).retry.times + LOST_AGAIN
    }

    fn retries(&self, step: usize, again: bool) -> bool {
        again && self.state.steps[step].attempts <= self.planned(step).retry.times
    }

    fn groups_forward(&mut self) {
        for step in 0..self.state.steps.len() {
            if !self.idle(step) {
                continue;
            }
            let passed = self.state.limits_passed.contains(&self.planned(step).name);
            let inner_done = || self.state.inner(step).iter().all(|&i| self.status(i).ended_well());
            match self.status(step) {
                Status::Open if inner_done() => self.todo(Todo::Close(self.name(step))),
                Status::Taken if !passed && inner_done() => self.todo(Todo::Confirm(self.name(step))),
                Status::Confirmed => {
                    self.todo(Todo::Release { step: self.name(step), how: Ending::Done, orphan: false });
                }
                // After the mark a hold whose limit passed, or that lost its holder, is still given back.
                Status::Taken if passed && (inner_done() || !self.planned(step).body.carries()) => {
                    self.release(step, Ending::Limit);
                }
                Status::Applying if passed => self.todo(Todo::Stop(self.name(step))),
                Status::Orphaned { .. } | Status::ReleaseDoubtful { .. } => {
                    self.release(step, Ending::Failed)
                }
                Status::Doubtful { .. } if self.is_hold(step) => self.release(step, Ending::Failed),
                _ => {}
            }
        }
    }

    fn begin(&mut self) {
        let mut under_way =
            self.state.steps.iter().filter(|s| s.status.in_flight()).count() + self.busy.len();
        for step in 0..self.state.steps.len() {
            if under_way >= PARALLEL {
                return;
            }
            if self.planned(step).finally || !self.idle(step) || !self.may_begin(step) {
                continue;
            }
            let s = &self.state.steps[step];
            let again = match &s.status {
                Status::Waiting | Status::PartWay => !self.lost_too_often(step),
                Status::Refused { refusal } => self.retries(step, refusal.again),
                Status::Failed { failure } => self.retries(step, failure.again),
                _ => false,
            };
            if !again {
                if let Status::Asked { expires: Some(at) } = s.status {
                    if self.now >= at {
                        self.todo(Todo::Expire(self.name(step)));
                    } else {
                        self.wake(at);
                    }
                }
                continue;
            }
            let waits = self.planned(step).retry.wait_ms << (s.attempts.saturating_sub(1)).min(10);
            let due = s.since + waits as i64;
            if s.attempts > 0 && !matches!(s.status, Status::Waiting) && self.now < due {
                self.wake(due);
                continue;
            }
            let name = self.name(step);
            if matches!(self.planned(step).body, Body::Outage { .. }) {
                match self.state.gate(&name, self.now) {
                    Gate::Open => {}
                    Gate::Early(opens) => {
                        self.wake(opens);
                        continue;
                    }
                    Gate::Late(why) => {
                        self.todo(Todo::Shut { step: name, why });
                        continue;
                    }
                }
            }
            under_way += 1;
            self.todo(match self.planned(step).body {
                Body::Approve { .. } => Todo::Ask(name),
                Body::Outage { .. } => Todo::Open(name),
                Body::Gather { .. } => Todo::Gather(name),
                Body::Check { .. } | Body::Action { .. } | Body::Hold { .. } => Todo::Start(name),
            });
        }
    }

    fn may_begin(&self, step: usize) -> bool {
        let order = &self.state.order;
        let ended = |&s: &usize| self.status(s).ended_well();
        let left_out = self.state.rehearsal.as_ref().is_some_and(|rehearsal| rehearsal.leaves_out(step));
        let group_open =
            order.within[step].is_none_or(|g| matches!(self.status(g), Status::Open | Status::Taken));
        !left_out
            && group_open
            && order.needs[step].iter().all(ended)
            && order.needs_of_inner[step].iter().all(ended)
            && self.has_room(step)
    }

    /// Whether its `for-each` lets one more instance run.
    fn has_room(&self, step: usize) -> bool {
        let Some(each) = &self.planned(step).each else { return true };
        let Some(gather) = self.state.index(&each.of) else { return true };
        let Body::Gather { of, at_most: Some(most) } = &self.planned(gather).body else { return true };
        // One that has begun keeps its place until it is done, also while nobody works on it: in doubt, or part-way.
        let others = || of.iter().filter_map(|(_, name)| self.state.index(name)).filter(|&i| i != step);
        let begun = |i: usize| {
            matches!(
                self.status(i),
                Status::Doubtful { .. }
                    | Status::PartWay
                    | Status::Failed { .. }
                    | Status::Stuck { way: Way::Apply, .. }
            )
        };
        let works = |i: usize| self.status(i).in_flight() || !self.idle(i);
        let running = others().filter(|&i| works(i) || (begun(i) && !begun(step))).count();
        let promised =
            self.out.todo.iter().filter(|t| matches!(t, Todo::Start(n) if of.iter().any(|(_, o)| o == n)));
        running + promised.count() < *most as usize
    }

    fn finish_forward(&mut self) {
        let in_flight = |s: usize| self.status(s).in_flight() && !self.watching(s);
        if !self.out.todo.is_empty() || !self.busy.is_empty() || (0..self.state.steps.len()).any(in_flight) {
            return;
        }
        let steps = || (0..self.state.steps.len()).filter(|&s| !self.planned(s).finally);
        let ended = |s: usize| self.status(s).ended_well() || self.watching(s);
        if let Some(rehearsal) = &self.state.rehearsal {
            let over = |s: usize| {
                rehearsal.leaves_out(s)
                    || ended(s)
                    || (rehearsal.stays_open(s) && *self.status(s) == Status::Open)
            };
            if steps().all(over) {
                if self.stop_watching() {
                    return;
                }
                let because = rehearsal.words(&self.state.plan, &self.state.order);
                return self.todo(Todo::Rehearsed { because });
            }
        } else if steps().all(ended) {
            if self.stop_watching() {
                return;
            }
            if self.finally() {
                let clean = self.finally_failed().is_none();
                let (outcome, because) = match (clean, self.finally_failed()) {
                    (_, Some(why)) => (Outcome::CutOver, why),
                    _ => (Outcome::Done, String::new()),
                };
                self.todo(Todo::End { outcome, because });
            }
            return;
        }
        self.out.blocked = if self.state.paused {
            Some(Blocked::Paused)
        } else if steps().any(|s| matches!(self.status(s), Status::Asked { .. })) {
            Some(Blocked::Asked)
        } else if let Some(opens) = self.waits_for_the_window() {
            Some(Blocked::Window(opens))
        } else if self.out.wake_at.is_none() {
            if self.stop_watching() {
                return;
            }
            Some(Blocked::Stuck(self.why_stopped()))
        } else {
            None
        };
    }

    /// When the window opens, where an outage could begin but for it.
    fn waits_for_the_window(&self) -> Option<i64> {
        (0..self.state.steps.len()).find_map(|step| {
            let waits = matches!(self.planned(step).body, Body::Outage { .. })
                && *self.status(step) == Status::Waiting
                && self.may_begin(step);
            match self.state.gate(&self.planned(step).name, self.now) {
                Gate::Early(opens) if waits => Some(opens),
                _ => None,
            }
        })
    }

    fn why_stopped(&self) -> String {
        let told = (0..self.state.steps.len()).find_map(|step| {
            let why = match self.status(step) {
                Status::Stuck { why, .. } => format!("needs a person: {why}"),
                Status::Refused { refusal } => format!("was refused: {}", refusal.message),
                Status::Failed { failure } => format!("failed: {}; left: {}", failure.message, failure.left),
                Status::Released { well: false } => {
                    "was given back before its inner steps had ended".to_owned()
                }
                Status::Waiting | Status::PartWay if self.lost_too_often(step) => {
                    "got lost again and again".to_owned()
                }
                _ => return None,
            };
            Some(format!("`{}` {why}", self.planned(step).name))
        });
        told.unwrap_or_else(|| "nothing can go on".to_owned())
    }

    pub(super) fn anything_in_flight(&self) -> bool {
        self.state.steps.iter().any(|s| s.status.in_flight())
    }

    /// Starts what runs at the end whatever the outcome; true when all of it has ended.
    pub(super) fn finally(&mut self) -> bool {
        let mut over = true;
        for step in 0..self.state.steps.len() {
            if !self.planned(step).finally {
                continue;
            }
            match self.status(step).clone() {
                Status::Waiting | Status::PartWay if self.idle(step) && self.last_may_begin(step) => {
                    self.todo(Todo::Start(self.name(step)));
                    over = false;
                }
                Status::Refused { .. } | Status::Failed { .. } | Status::Stuck { .. } => {}
                status if status.ended_well() => {}
                _ => over = false,
            }
        }
        over
    }

    /// Whether what it needs among the last steps has ended, however it ended.
    fn last_may_begin(&self, step: usize) -> bool {
        let ended = |&needed: &usize| {
            let status = self.status(needed);
            !self.planned(needed).finally
                || status.ended_well()
                || matches!(status, Status::Refused { .. } | Status::Failed { .. } | Status::Stuck { .. })
        };
        self.state.order.needs[step].iter().all(ended)
    }

    pub(super) fn finally_failed(&self) -> Option<String> {
        (0..self.state.steps.len()).filter(|&s| self.planned(s).finally).find_map(|s| {
            (!self.status(s).ended_well()).then(|| format!("`{}` did not succeed", self.planned(s).name))
        })
    }
}
