//! The loop of one run: it alone owns the state, and every change of it passes through the journal first. It must not
//! know what a step does.

use crate::cross::Crossing;
use crate::ports::{CallId, Clock, Guard, GuardError, Input, Journal, JournalError, StepRunner, Watcher};
use crate::window;
use cutwater_core::event::{EVENT_FORMAT, Event, Need, Outcome, Record};
use cutwater_core::figures::time;
use cutwater_core::names::{Epoch, RunId, Seq, StepName};
use cutwater_core::plan::{Body, OnFailure, Plan, PlanStep};
use cutwater_core::state::{Blocked, Illegal, Phase, RunState, StepState, Todo, needs};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// How often the guard is told that this loop is at work.
const SIGN_OF_LIFE_MS: u64 = 1_000;

/// What the loop stands on.
#[derive(Clone)]
pub struct Ports {
    /// The history.
    pub journal: Arc<dyn Journal>,
    /// The plugins.
    pub runner: Arc<dyn StepRunner>,
    /// The guard.
    pub guard: Arc<dyn Guard>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Who runs it, and how.
#[derive(Debug, Clone)]
pub struct Owner {
    /// A name for the journal: user and program.
    pub by: String,
    /// Process id.
    pub pid: u32,
    /// The kernel's boot id.
    pub boot: String,
    /// Return instead of waiting for a person.
    pub no_wait: bool,
    /// Whether fault hooks are allowed here.
    pub faults: bool,
}

/// Why the loop ended without a defect.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// The run is over.
    Over(Outcome, String),
    /// It needs a person; the run is not over, `resume` goes on with it.
    Stopped(String),
    /// The new side serves, what was left to tidy up needs a person; the run is not over, `resume` goes on with it.
    CutOver(String),
    /// It waits for a person, and was told not to.
    Waiting(String),
    /// It was told to leave at once; the run is not over.
    Left,
}

/// Why the loop could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal did not take it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The history contradicts itself.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// The run is over.
    #[error("run {0} is over: there is nothing to go on with")]
    Over(RunId),
    /// A defect of Cutwater.
    #[error("defect: {0}")]
    Defect(String),
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Apply,
    Probe(cutwater_core::event::Way),
    Undo,
    /// Taken and alive: asked whether it is intact, and given back, under the same id.
    Hold,
    Orphan,
}

/// A call under way, or a live hold.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub step: StepName,
    pub purpose: Purpose,
}

/// One run under one owner.
pub struct Engine {
    pub(crate) ports: Ports,
    pub(crate) owner: Owner,
    pub(crate) state: RunState,
    pub(crate) calls: HashMap<CallId, Flight>,
    /// Steps for which something is being prepared or asked.
    pub(crate) busy: BTreeSet<StepName>,
    /// Steps that were told to stop.
    pub(crate) told: BTreeSet<StepName>,
    pub(crate) inbox: Receiver<Input>,
    pub(crate) sender: Sender<Input>,
    pub(crate) next_call: u64,
    pub(crate) last_progress: HashMap<StepName, u64>,
    pub(crate) armed: bool,
    /// Outages that the guard watches, and holds that are given back behind what was made inside.
    pub(crate) watched: BTreeSet<StepName>,
    /// When it was told last that this engine is at work, in monotonic milliseconds.
    kept_waiting: u64,
    pub(crate) left: bool,
    /// The mark, looked at, while live holds are asked whether they are unbroken.
    pub(crate) crossing: Option<Crossing>,
    /// A program that outlived its call is waited for.
    pub(crate) orphans: bool,
    /// What was told of programs that are waited for.
    pub(crate) told_orphans: BTreeSet<String>,
    /// What outages and the mark are expected to take.
    needs: Option<BTreeMap<StepName, Need>>,
    /// Why the journal took nothing more.
    failed: Option<String>,
    watchers: Vec<Box<dyn Watcher>>,
    /// Wall clock at the start of this owner, and the monotonic clock then: time within an owner never jumps.
    epoch_at: (i64, u64),
}

impl Engine {
    /// Creates a run from a plan and owns it: takes its locks, then writes `Created` and `Owned`, durably, in one append.
    pub fn create(ports: Ports, owner: Owner, run: RunId, plan: Plan) -> Result<Self, EngineError> {
        Self::set_up(ports, owner, run, plan, None)
    }

    /// The same for a rehearsal: a run that takes back all that it does, and never crosses the point of no return. Outages
    /// are left out, and with them what a person would have to agree to; `with_outage`: nothing but the mark and what
    /// comes after it.
    pub fn rehearse(
        ports: Ports,
        owner: Owner,
        run: RunId,
        plan: Plan,
        with_outage: bool,
    ) -> Result<Self, EngineError> {
        Self::set_up(ports, owner, run, plan, Some(Event::Rehearsal { with_outage }))
    }

    fn set_up(
        ports: Ports,
        owner: Owner,
        run: RunId,
        plan: Plan,
        rehearsal: Option<Event>,
    ) -> Result<Self, EngineError> {
        let locks: Vec<String> = plan.locks.iter().cloned().collect();
        let created = Event::Created {
            format: EVENT_FORMAT,
            run: run.clone(),
            plan: Box::new(plan),
            by: owner.by.clone(),
            faults: owner.faults,
        };
        let at = ports.clock.now();
        let mut events = vec![created];
        events.extend(rehearsal);
        events.push(owned(Epoch(1), &owner));
        ports.journal.begin(&run, &locks, at, &events)?;
        let records: Vec<Record> =
            (1..).zip(events).map(|(seq, event)| Record { seq: Seq(seq), at, event }).collect();
        let state = RunState::fold(&records)?;
        Ok(Self::over(ports, owner, state))
    }

    /// Takes up an unfinished run whose owner is gone: folds its history and appends a new `Owned`. Whoever owned it
    /// before loses it with its next append.
    pub fn resume(ports: Ports, owner: Owner, run: &RunId) -> Result<Self, EngineError> {
        let records = ports.journal.read(run, Seq(0))?;
        if records.is_empty() {
            return Err(JournalError::NoRun(run.clone()).into());
        }
        let state = RunState::fold(&records)?;
        if state.outcome.is_some() {
            ports.journal.unlock(run)?;
            return Err(EngineError::Over(run.clone()));
        }
        let epoch = Epoch(state.epoch.0 + 1);
        let mut engine = Self::over(ports, owner, state);
        let event = owned(epoch, &engine.owner);
        engine.append(vec![event], true)?;
        engine.cover_what_is_open()?;
        Ok(engine)
    }

    fn over(ports: Ports, owner: Owner, state: RunState) -> Self {
        let (sender, inbox) = channel();
        let epoch_at = (ports.clock.now(), ports.clock.monotonic());
        Self {
            ports,
            owner,
            state,
            calls: HashMap::new(),
            busy: BTreeSet::new(),
            told: BTreeSet::new(),
            inbox,
            sender,
            next_call: 1,
            last_progress: HashMap::new(),
            armed: false,
            watched: BTreeSet::new(),
            kept_waiting: 0,
            left: false,
            crossing: None,
            orphans: false,
            told_orphans: BTreeSet::new(),
            needs: None,
            failed: None,
            watchers: Vec::new(),
            epoch_at,
        }
    }

    /// Shows each event once it is in the journal, the ones before this owner's first.
    pub fn watch(&mut self, mut watcher: Box<dyn Watcher>) -> Result<(), EngineError> {
        for record in self.ports.journal.read(&self.state.run, Seq(0))? {
            watcher.see(&record);
        }
        self.watchers.push(watcher);
        Ok(())
    }

    /// Where commands of people go.
    pub fn inbox(&self) -> Sender<Input> {
        self.sender.clone()
    }

    /// The state as it is now.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// What outages and the mark are expected to take, by what is known of earlier runs; else the plan's estimates count.
    pub fn expect(&mut self, needs: BTreeMap<StepName, Need>) {
        self.needs = Some(needs);
    }

    /// Goes on until the run is over, needs a person, or belongs to somebody else.
    pub fn run(&mut self) -> Result<Finish, EngineError> {
        self.keep_the_window()?;
        loop {
            if let Some(outcome) = self.state.outcome {
                self.ports.guard.disarm();
                self.ports.journal.unlock(&self.state.run)?;
                return Ok(Finish::Over(outcome, self.state.because.clone().unwrap_or_default()));
            }
            if self.left {
                return Ok(Finish::Left);
            }
            self.watch_the_guard();
            if self.one_way() {
                self.name_slow_programs()?;
            }
            let now = self.now();
            let decision = self.state.decide(now, &self.busy);
            let ending = decision.todo.iter().any(|todo| matches!(todo, Todo::End { .. }));
            if !ending && self.is_to_leave_a_full_disk() {
                let because =
                    "the journal's file system is full: what was kept free is for the way back".into();
                self.append(vec![Event::TurnedBack { because, open_only: false }], true)?;
                continue;
            }
            let mut moved = false;
            self.orphans = false;
            for todo in decision.todo {
                moved |= self.carry(todo)?;
            }
            if moved {
                continue;
            }
            let (under_way, watching) = self.under_way();
            if !under_way && self.busy.is_empty() {
                match decision.blocked {
                    Some(Blocked::Stuck(why) | Blocked::Failed(why)) => {
                        self.ports.guard.disarm();
                        return Ok(if self.has_crossed() {
                            Finish::CutOver(why)
                        } else {
                            Finish::Stopped(why)
                        });
                    }
                    Some(Blocked::Asked) if self.owner.no_wait => {
                        return Ok(Finish::Waiting("an approval is waited for".into()));
                    }
                    Some(Blocked::Paused) if self.owner.no_wait => {
                        return Ok(Finish::Waiting("the run is paused".into()));
                    }
                    Some(Blocked::Window(opens)) if self.owner.no_wait => {
                        let wait = u64::try_from(opens - now).unwrap_or(0);
                        return Ok(Finish::Waiting(format!("the window opens in {}", time(wait))));
                    }
                    None if decision.wake_at.is_none() && !watching => {
                        return Err(EngineError::Defect(format!(
                            "run {} has nothing to wait for",
                            self.state.run
                        )));
                    }
                    _ => {}
                }
            }
            let pause = decision.wake_at.map(|at| (at - self.now()).max(0) as u64);
            match self.ports.clock.wait(&self.inbox, self.pause(pause)) {
                Some(input) => {
                    self.hear(input)?;
                    while let Ok(input) = self.inbox.try_recv() {
                        self.hear(input)?;
                    }
                }
                None => self.still_mine()?,
            }
        }
    }

    /// Whether something is being done, and whether something is watched beside it.
    fn under_way(&self) -> (bool, bool) {
        let watches = |step: &StepName| self.state.plan.step(step).is_some_and(|planned| planned.watches());
        let calls = self.calls.values().filter(|flight| flight.purpose != Purpose::Hold);
        let (watching, working): (Vec<_>, Vec<_>) = calls.partition(|flight| watches(&flight.step));
        let in_flight =
            |(step, planned): (&StepState, &PlanStep)| step.status.in_flight() && !planned.watches();
        let working = !working.is_empty()
            || self.orphans
            || self.state.steps.iter().zip(&self.state.plan.steps).any(in_flight);
        (working, !watching.is_empty())
    }

    /// The owner's own opening of the window is the first that has not closed when it takes the run.
    fn keep_the_window(&mut self) -> Result<(), EngineError> {
        let Some(window) = &self.state.plan.window else { return Ok(()) };
        if self.state.rehearsal.as_ref().is_some_and(|rehearsal| !rehearsal.with_outage) {
            return Ok(());
        }
        let ahead = self.state.outcome.is_none() && self.state.crossed.is_none();
        // A zone that this machine does not know leaves the window shut: the gate says why.
        let Ok((opens, closes)) = window::opening(window, self.state.owned_at) else { return Ok(()) };
        if !ahead || self.state.phase != Phase::Forward || self.state.schedule.is_some() {
            return Ok(());
        }
        let needs = self.needs.take().unwrap_or_else(|| needs(&self.state.plan, &[]));
        self.append(vec![Event::Scheduled { opens, closes, needs }], true)
    }

    /// While the guard is needed its life is looked at each second; who merely waits looks whether the run is still theirs.
    fn pause(&self, ms: Option<u64>) -> Option<u64> {
        let at_most = match (self.orphans, self.armed) {
            (true, _) => 500,
            (false, true) => 1_000,
            (false, false) => 5_000,
        };
        Some(ms.unwrap_or(at_most).min(at_most))
    }

    /// Whoever waits appends nothing, and would not notice by itself that somebody else has taken the run.
    fn still_mine(&self) -> Result<(), EngineError> {
        let newer = self.ports.journal.read(&self.state.run, self.state.seq)?;
        match newer.last() {
            None => Ok(()),
            Some(record) => {
                Err(JournalError::Lost { expected: self.state.seq.0, found: record.seq.0 }.into())
            }
        }
    }

    /// Whether the step that crosses the point of no return is done.
    fn has_crossed(&self) -> bool {
        let crossed = self.state.crossed.as_ref().and_then(|step| self.state.step(step));
        crossed.is_some_and(|step| step.status.ended_well())
    }

    /// Milliseconds since 1970 by a clock that does not jump within this owner.
    pub(crate) fn now(&self) -> i64 {
        let (wall, monotonic) = self.epoch_at;
        wall + self.ports.clock.monotonic().saturating_sub(monotonic) as i64
    }

    /// Appends, and tells whoever watches once the journal has it.
    pub(crate) fn append(&mut self, events: Vec<Event>, durable: bool) -> Result<(), EngineError> {
        let at = self.now();
        let before = self.state.seq;
        let mut next = before;
        let records: Vec<Record> = events
            .iter()
            .map(|event| {
                next = next.plus(1);
                Record { seq: next, at, event: event.clone() }
            })
            .collect();
        // An illegal history is a defect of ours and must not reach the disk, so the fold comes first; whatever fails
        // here ends the loop, and with it this state.
        for record in &records {
            self.state.apply(record)?;
        }
        if let Some(failed) = &self.failed {
            return Err(JournalError::Storage(failed.clone().into()).into());
        }
        if let Err(error) = self.ports.journal.append(&self.state.run, before, at, &events, durable) {
            // The state is ahead of the journal now: nothing more may follow, whoever swallows this error. Who lost the
            // run is told so by the journal each time.
            if !matches!(error, JournalError::Lost { .. }) {
                self.failed = Some(error.to_string());
            }
            return Err(error.into());
        }
        for record in &records {
            for watcher in &mut self.watchers {
                watcher.see(record);
            }
        }
        Ok(())
    }

    /// The guard's death is an end of trust: nothing may stay held without it.
    fn watch_the_guard(&mut self) {
        if self.armed && !self.ports.guard.alive() {
            self.armed = false;
            let open = (0..self.state.steps.len()).any(|step| self.state.is_open(step));
            if open && self.state.crossed.is_none() && self.state.phase == Phase::Forward {
                self.state_abort("the guard died");
            }
        }
        if self.armed && self.one_way() && self.ports.clock.monotonic() >= self.kept_waiting + SIGN_OF_LIFE_MS
        {
            self.keep_the_guard_waiting();
        }
    }

    /// Whether the run can only go back, or only forward.
    fn one_way(&self) -> bool {
        self.state.crossed.is_some() || self.state.phase != Phase::Forward
    }

    /// Nothing new is begun on room that was kept for the undo. A run that would not be undone uses it as far as it goes.
    fn is_to_leave_a_full_disk(&self) -> bool {
        self.state.phase == Phase::Forward
            && self.state.crossed.is_none()
            && (self.state.plan.on_failure == OnFailure::Undo || self.state.rehearsal.is_some())
            && self.ports.journal.is_full(&self.state.run)
    }

    fn state_abort(&mut self, why: &str) {
        let event = Event::TurnedBack { because: why.into(), open_only: false };
        // A journal that fails here fails at the next append too, where it ends the loop.
        let _ = self.append(vec![event], true);
    }

    /// Stands the guard before the first hold or outage.
    pub(crate) fn arm(&mut self) -> Result<(), GuardError> {
        if self.armed && self.ports.guard.alive() {
            return Ok(());
        }
        let pid = self.ports.guard.arm(&self.state.run)?;
        self.armed = true;
        self.append(vec![Event::Armed { pid }], true).map_err(|error| GuardError(error.to_string()))
    }

    /// A new owner of a run with something open has a guard too, before it does anything.
    fn cover_what_is_open(&mut self) -> Result<(), EngineError> {
        let open: Vec<usize> = (0..self.state.steps.len()).filter(|&s| self.state.is_open(s)).collect();
        if open.is_empty() {
            return Ok(());
        }
        // Without a guard the way back is still the right way.
        if self.arm().is_ok() {
            for step in open {
                let planned = &self.state.plan.steps[step];
                let _ = self.ports.guard.cover(&planned.name, None, limit_of(&planned.body), &[]);
                if matches!(planned.body, Body::Outage { .. }) || planned.body.carries() {
                    self.watched.insert(planned.name.clone());
                }
            }
        }
        Ok(())
    }

    /// Where the run has only one way to go, back or behind the mark, an outage lasts as long as that takes, and whoever
    /// took the run over could do nothing else: the guard counts from the last sign of life of this loop. So does a hold that
    /// is given back behind its inner steps. Any other keeps its deadline, for giving it back is all that is left to do, and the
    /// guard can do it alone.
    pub(crate) fn keep_the_guard_waiting(&mut self) {
        self.kept_waiting = self.ports.clock.monotonic();
        for name in &self.watched {
            if let Some(planned) = self.state.plan.step(name) {
                self.ports.guard.renew(name, limit_of(&planned.body));
            }
        }
    }
}

pub(crate) fn limit_of(body: &Body) -> u64 {
    match body {
        Body::Hold { limit_ms, .. } | Body::Outage { limit_ms } => *limit_ms,
        _ => 0,
    }
}

fn owned(epoch: Epoch, owner: &Owner) -> Event {
    Event::Owned { epoch, pid: owner.pid, boot: owner.boot.clone(), by: owner.by.clone() }
}
