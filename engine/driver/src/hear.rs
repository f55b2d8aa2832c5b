//! What comes back from calls becomes events. It must not decide what follows from them.

use crate::engine::{Engine, EngineError, Purpose};
use crate::ports::{CallId, Outcome, Report};
use cutwater_core::answer::Answer;
use cutwater_core::event::{Event, Way};
use cutwater_core::names::StepName;
use cutwater_core::plan::Body;
use cutwater_core::state::Status;

/// Progress of one step is written down at most this often, in milliseconds.
const PROGRESS_EVERY_MS: u64 = 250;

impl Engine {
    /// Takes one report. Reports of calls that are no longer known are late and change nothing.
    pub(crate) fn hear(&mut self, report: Report) -> Result<(), EngineError> {
        match report {
            Report::Prepared(prepared) => self.prepared(*prepared),
            Report::Command(command, reply) => {
                let answer = self.obey(command)?;
                // Whoever asked may have gone.
                let _ = reply.send(answer);
                Ok(())
            }
            Report::Used { call, what, reply } => {
                let Some(step) = self.step_of(call) else { return Ok(()) };
                let result = self.append(vec![Event::Used { step, what }], reply.is_some());
                if let Some(reply) = reply {
                    let _ = reply.send(result.is_ok());
                }
                result
            }
            Report::Checkpoint { call, state, reply } => {
                let Some(flight) = self.calls.get(&call).cloned() else { return Ok(()) };
                let way = match flight.purpose {
                    Purpose::Undo => Way::Undo,
                    Purpose::Orphan => Way::Release,
                    Purpose::Apply | Purpose::Probe(_) | Purpose::Hold => Way::Apply,
                };
                let result = self.append(vec![Event::Checkpointed { step: flight.step, way, state }], true);
                let _ = reply.send(result.is_ok());
                result
            }
            Report::Progress { call, done, total, unit } => self.progress(call, done, total, unit),
            Report::Gauge { call, name, value } => {
                let Some(step) = self.step_of(call) else { return Ok(()) };
                self.append(vec![Event::Gauged { step, name, value }], false)
            }
            Report::Said { call, level, text } => {
                let Some(step) = self.step_of(call) else { return Ok(()) };
                self.append(vec![Event::Said { step, level, text }], false)
            }
            Report::Stirred { call } => {
                let Some(step) = self.step_of(call) else { return Ok(()) };
                let held = self.state.step(&step).is_some_and(|s| matches!(s.status, Status::Taken));
                if held && !self.busy.contains(&step) {
                    self.ports.runner.intact(call);
                }
                Ok(())
            }
            Report::Done { call, outcome } => self.done(call, outcome),
        }
    }

    fn step_of(&self, call: CallId) -> Option<StepName> {
        self.calls.get(&call).map(|flight| flight.step.clone())
    }

    fn progress(&mut self, call: CallId, done: u64, total: u64, unit: String) -> Result<(), EngineError> {
        let Some(step) = self.step_of(call) else { return Ok(()) };
        let now = self.ports.clock.monotonic();
        let last = self.last_progress.get(&step).copied();
        if done < total && last.is_some_and(|at| now.saturating_sub(at) < PROGRESS_EVERY_MS) {
            return Ok(());
        }
        self.last_progress.insert(step.clone(), now);
        self.append(vec![Event::Progressed { step, done, total, unit }], false)
    }

    fn done(&mut self, call: CallId, outcome: Outcome) -> Result<(), EngineError> {
        let Some(flight) = self.calls.get(&call).cloned() else { return Ok(()) };
        let step = flight.step;
        let attempt = self.state.step(&step).map_or(1, |s| s.attempts.max(1));
        match (flight.purpose, outcome) {
            (Purpose::Apply, Outcome::Answer(answer)) => {
                self.calls.remove(&call);
                self.told.remove(&step);
                self.append(
                    vec![Event::Answered { step: step.clone(), way: Way::Apply, attempt, answer }],
                    true,
                )?;
                self.ask_the_holds_around(&step);
                Ok(())
            }
            (Purpose::Probe(way), Outcome::Probed(found)) => {
                self.calls.remove(&call);
                self.busy.remove(&step);
                self.append(vec![Event::Probed { step, way, found }], true)
            }
            (Purpose::Undo, Outcome::Answer(answer)) => {
                self.calls.remove(&call);
                let attempt = self.state.step(&step).map_or(1, |s| s.back_attempts);
                self.append(vec![Event::Answered { step, way: Way::Undo, attempt, answer }], true)
            }
            (Purpose::Hold, Outcome::Taken(Ok(taken))) => {
                self.told.remove(&step);
                let answer = Answer::Changed { output: taken.output };
                self.append(
                    vec![Event::Answered { step: step.clone(), way: Way::Apply, attempt, answer }],
                    true,
                )?;
                let began = self.state.step(&step).and_then(|s| s.began).unwrap_or_else(|| self.now());
                let limit = self.limit(&step).saturating_sub((self.now() - began).max(0) as u64);
                if let Err(error) = self.ports.guard.cover(&step, Some(call), limit, &taken.give_backs) {
                    let why = format!("the guard does not cover it: {error}");
                    self.append(vec![Event::HoldBroken { step, why }], true)?;
                }
                Ok(())
            }
            (Purpose::Hold, Outcome::Taken(Err(refusal))) => {
                self.calls.remove(&call);
                self.told.remove(&step);
                self.watched.remove(&step);
                self.ports.guard.uncover(&step);
                let answer = Answer::Refused(refusal);
                self.append(vec![Event::Answered { step, way: Way::Apply, attempt, answer }], true)
            }
            (Purpose::Hold, Outcome::Intact(intact)) => self.intact(step, intact),
            (Purpose::Hold | Purpose::Orphan, Outcome::Answer(answer)) => {
                self.released(call, step, attempt, answer)
            }
            (purpose, outcome) => {
                Err(EngineError::Defect(format!("`{step}`: a call for {purpose:?} answered {outcome:?}")))
            }
        }
    }

    pub(crate) fn intact(&mut self, step: StepName, intact: Result<(), String>) -> Result<(), EngineError> {
        let confirming = self.busy.remove(&step);
        let taken = self.state.step(&step).is_some_and(|s| matches!(s.status, Status::Taken));
        let unbroken = intact.is_ok();
        match intact {
            Ok(()) if confirming && taken => {
                self.append(vec![Event::HoldConfirmed { step: step.clone() }], true)?;
            }
            Err(why) if taken => {
                self.append(vec![Event::HoldBroken { step: step.clone(), why }], true)?;
            }
            Ok(()) | Err(_) => {}
        }
        self.confirmed_before_crossing(&step, unbroken)
    }

    /// The answer of a release; of a taking too, where the holder died in it.
    fn released(
        &mut self,
        call: CallId,
        step: StepName,
        attempt: u32,
        answer: Answer,
    ) -> Result<(), EngineError> {
        self.calls.remove(&call);
        let releasing = self.state.step(&step).is_some_and(|s| matches!(s.status, Status::Releasing { .. }));
        let way = if releasing { Way::Release } else { Way::Apply };
        let clean = matches!(answer, Answer::Changed { .. } | Answer::Unchanged { .. } | Answer::Refused(_));
        self.append(vec![Event::Answered { step: step.clone(), way, attempt, answer }], true)?;
        if clean {
            self.watched.remove(&step);
            self.ports.guard.uncover(&step);
        }
        self.confirmed_before_crossing(&step, clean)
    }

    /// After each inner step the holds around it are asked whether they are unbroken.
    fn ask_the_holds_around(&mut self, step: &StepName) {
        let Some(index) = self.state.index(step) else { return };
        for group in self.state.around(index) {
            let planned = &self.state.plan.steps[group];
            let taken = matches!(self.state.steps[group].status, Status::Taken);
            let holder =
                self.calls.iter().find(|(_, f)| f.step == planned.name && f.purpose == Purpose::Hold);
            if let (true, Some((call, _))) = (taken, holder) {
                self.ports.runner.intact(*call);
            }
        }
    }

    fn limit(&self, step: &StepName) -> u64 {
        self.state.plan.step(step).map_or(0, |planned| match planned.body {
            Body::Hold { limit_ms, .. } | Body::Outage { limit_ms } => limit_ms,
            _ => 0,
        })
    }
}
