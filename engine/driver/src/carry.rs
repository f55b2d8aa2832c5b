//! Carrying out what was decided: the event first, then the call. It must not decide.

use crate::engine::{Engine, EngineError, Flight, Purpose, limit_of};
use crate::ports::{Call, CallId, Report, Story, Verb};
use crate::prepare::{Look, Prepared, look};
use cutwater_core::answer::{Answer, Ending, Probed, Refusal};
use cutwater_core::effect::{Effect, Shown};
use cutwater_core::event::{Event, Way};
use cutwater_core::expr::{self, Scope, run_value};
use cutwater_core::names::StepName;
use cutwater_core::partial::Partial;
use cutwater_core::plan::{Body, PlanStep};
use cutwater_core::state::{Phase, StepState, Todo};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// Does one thing; false where nothing moved (it was told before).
    pub(crate) fn carry(&mut self, todo: Todo) -> Result<bool, EngineError> {
        match todo {
            Todo::Start(step) => return self.prepare(step),
            Todo::Gather(step) => self.gather(step)?,
            Todo::Probe(step, way) => return self.probe(step, way),
            Todo::Ask(step) => self.ask(step)?,
            Todo::Expire(step) => {
                self.append(vec![Event::Declined { step, by: "nobody answered in time".into() }], true)?;
            }
            Todo::Open(step) => self.open(step)?,
            Todo::Shut { step, why } => self.refuse(step, 1, late(why))?,
            Todo::Close(step) => self.close(step)?,
            Todo::Confirm(step) => self.confirm(step)?,
            Todo::Release { step, how, orphan } => self.release(step, how, orphan)?,
            Todo::LimitPassed(step) => self.append(vec![Event::LimitPassed { step }], true)?,
            Todo::Stop(step) => return Ok(self.stop(step)),
            Todo::TurnBack { because, open_only } => {
                self.append(vec![Event::TurnedBack { because, open_only }], true)?;
                self.do_not_cross();
                self.keep_the_guard_waiting();
            }
            Todo::Rehearsed { because } => {
                self.append(vec![Event::Rehearsed { because }], true)?;
                self.keep_the_guard_waiting();
            }
            Todo::Undo(step) => return self.undo(step),
            Todo::GiveUp { step, why } => self.append(vec![Event::Stuck { step, why }], true)?,
            Todo::End { outcome, because } => self.append(vec![Event::Ended { outcome, because }], true)?,
        }
        Ok(true)
    }

    pub(crate) fn planned(&self, step: &StepName) -> Result<(usize, PlanStep), EngineError> {
        let index = self.state.index(step).ok_or_else(|| EngineError::Defect(format!("no step {step}")))?;
        Ok((index, self.state.plan.steps[index].clone()))
    }

    /// Starts the last look at a step on a thread of its own.
    fn prepare(&mut self, step: StepName) -> Result<bool, EngineError> {
        let (index, mut planned) = self.planned(&step)?;
        if self.orphan_acts(index)? {
            return Ok(false);
        }
        if planned.mark || self.state.crossed.is_some() {
            // Nothing of it is ever undone: its way back need not be what the plan showed.
            planned.undo_shown = Shown::default();
        }
        let scope = self.scope(index, &planned);
        let grants = self.grants_of(&planned);
        let (runner, run, sender) =
            (Arc::clone(&self.ports.runner), self.state.run.clone(), self.sender.clone());
        self.busy.insert(step.clone());
        self.ports.runner.spawn(Box::new(move || {
            let look = look(runner.as_ref(), &run, &planned, &grants, &scope);
            // The loop may have ended meanwhile: then nobody needs it.
            let _ = sender.send(Report::Prepared(Box::new(Prepared { step, look })));
        }));
        Ok(true)
    }

    /// What expressions of a step see: the outputs of what it needs and of the holds around it. At the end, those of
    /// every step, null where there is none.
    fn scope(&self, index: usize, planned: &PlanStep) -> Scope {
        let seen: Vec<usize> = match planned.finally {
            true => (0..self.state.plan.steps.len()).filter(|&s| s != index).collect(),
            false => self.state.needs(index).iter().copied().chain(self.state.around(index)).collect(),
        };
        let steps: BTreeMap<String, Partial> = seen
            .into_iter()
            .filter_map(|s| {
                let output = self.state.output(s).or(planned.finally.then_some(Value::Null))?;
                Some((self.state.plan.steps[s].name.to_string(), Partial::known(output)))
            })
            .collect();
        Scope {
            inputs: Value::Object(self.state.plan.inputs.clone()),
            steps,
            each: planned.each.as_ref().map_or(Value::Null, |e| json!({ "key": e.key, "value": e.value })),
            run: run_value(self.state.run.as_str(), &self.state.plan.name),
            hosts: json!({}),
        }
    }

    fn grants_of(&self, planned: &PlanStep) -> cutwater_core::grant::Grants {
        let plugin = planned.body.uses().map(|(plugin, _)| plugin).unwrap_or_default();
        self.state.plan.grants.get(plugin).cloned().unwrap_or_default()
    }

    /// A step was looked at: skip it, refuse it, or write the intent and begin.
    pub(crate) fn prepared(&mut self, prepared: Prepared) -> Result<(), EngineError> {
        let (_, planned) = self.planned(&prepared.step)?;
        let goes = matches!(prepared.look, Look::Go { .. });
        if goes && planned.mark && self.state.crossed.is_none() && self.asks_the_live_holds() {
            return self.cross_when_confirmed(prepared);
        }
        self.go(prepared)
    }

    /// As [`Engine::prepared`], with every live hold confirmed where the step is the mark.
    pub(crate) fn go(&mut self, prepared: Prepared) -> Result<(), EngineError> {
        let Prepared { step, look } = prepared;
        self.busy.remove(&step);
        let (index, planned) = self.planned(&step)?;
        let late = matches!(self.state.phase, Phase::Back { .. }) || self.state.paused;
        if late && !planned.finally || self.state.outcome.is_some() {
            return Ok(());
        }
        let attempt = self.state.steps[index].attempts + 1;
        match look {
            Look::Skip(because) => self.append(vec![Event::Skipped { step, because }], true),
            Look::Refuse(refusal) => self.refuse(step, attempt, refusal),
            Look::Go { input, effects, undo } => self.begin(index, &planned, attempt, input, effects, undo),
        }
    }

    fn refuse(&mut self, step: StepName, attempt: u32, refusal: Refusal) -> Result<(), EngineError> {
        let answer = Answer::Refused(refusal);
        self.append(vec![Event::Answered { step, way: Way::Apply, attempt, answer }], true)
    }

    fn begin(
        &mut self,
        index: usize,
        planned: &PlanStep,
        attempt: u32,
        input: Value,
        effects: Vec<Effect>,
        undo: Vec<Effect>,
    ) -> Result<(), EngineError> {
        let step = planned.name.clone();
        if let Body::Hold { limit_ms, .. } = planned.body
            && let Err(error) = self.arm().and_then(|()| self.ports.guard.cover(&step, None, limit_ms, &[]))
        {
            return self.refuse(step, attempt, no_guard(&error.to_string()));
        }
        if planned.body.carries() {
            self.watched.insert(step.clone());
        }
        let mut events = Vec::new();
        if planned.mark && self.state.crossed.is_none() {
            if let Some(why) = self.must_not_cross(index) {
                return self.refuse(
                    step,
                    attempt,
                    Refusal { code: "not-crossed".into(), message: why, again: false, details: Value::Null },
                );
            }
            events.push(Event::Crossed { step: step.clone() });
        }
        let crosses = !events.is_empty();
        let hold = matches!(planned.body, Body::Hold { .. });
        // A hold is given back by the very call that took it.
        let admitted = if hold { [effects.as_slice(), undo.as_slice()].concat() } else { effects.clone() };
        events.push(Event::Intended {
            step: step.clone(),
            way: Way::Apply,
            attempt,
            input: input.clone(),
            effects,
            undo,
        });
        self.append(events, true)?;
        if crosses {
            self.keep_the_guard_waiting();
        }
        let checkpoint = self.state.steps[index].checkpoint.clone();
        let (purpose, verb) =
            if hold { (Purpose::Hold, Verb::Take) } else { (Purpose::Apply, Verb::Apply { checkpoint }) };
        self.call(planned, attempt, purpose, verb, input, admitted);
        Ok(())
    }

    fn call(
        &mut self,
        planned: &PlanStep,
        attempt: u32,
        purpose: Purpose,
        verb: Verb,
        input: Value,
        admitted: Vec<Effect>,
    ) {
        let Some((plugin, action)) = planned.body.uses() else { return };
        let id = CallId(self.next_call);
        self.next_call += 1;
        self.calls.insert(id, Flight { step: planned.name.clone(), purpose });
        let call = Call {
            id,
            run: self.state.run.clone(),
            step: planned.name.clone(),
            plugin: plugin.to_owned(),
            component: self.state.plan.components.get(plugin).cloned().unwrap_or_default(),
            action: action.to_owned(),
            attempt,
            input,
            grants: self.grants_of(planned),
            admitted,
            verb,
            timeout_ms: planned.timeout_ms,
            at_change: None,
        };
        self.ports.runner.start(call, self.sender.clone());
    }

    fn gather(&mut self, step: StepName) -> Result<(), EngineError> {
        let (_, planned) = self.planned(&step)?;
        let Body::Gather { of, .. } = &planned.body else { return Ok(()) };
        let output: Map<String, Value> = of
            .iter()
            .filter_map(|(key, name)| Some((key.clone(), self.state.output(self.state.index(name)?)?)))
            .collect();
        let answer = Answer::Changed { output: Value::Object(output) };
        self.append(vec![Event::Answered { step, way: Way::Apply, attempt: 1, answer }], true)
    }

    /// Before a probe, programs that the attempt started have ended: an orphan may still act.
    fn probe(&mut self, step: StepName, way: Way) -> Result<bool, EngineError> {
        let (index, planned) = self.planned(&step)?;
        let probed = |found| Event::Probed { step: step.clone(), way, found };
        if matches!(planned.body, Body::Check { .. }) {
            self.append(vec![probed(Probed::NotApplied)], true)?;
            return Ok(true);
        }
        if self.orphan_acts(index)? {
            return Ok(false);
        }
        let s = &self.state.steps[index];
        let (story, input, attempt) = (story(s), s.input.clone(), s.attempts);
        self.busy.insert(step.clone());
        self.call(&planned, attempt, Purpose::Probe(way), Verb::Probe(story), input, Vec::new());
        Ok(true)
    }

    fn ask(&mut self, step: StepName) -> Result<(), EngineError> {
        let (index, planned) = self.planned(&step)?;
        let Body::Approve { message, expires_ms, .. } = &planned.body else { return Ok(()) };
        let filled = expr::render(&Value::String(message.clone()), &self.scope(index, &planned));
        let message = match filled {
            Ok(Partial { value: Value::String(text), unknown }) if unknown.is_empty() => text,
            Ok(Partial { value, unknown }) if unknown.is_empty() => value.to_string(),
            // The question is asked all the same: whoever answers sees what could not be filled in.
            Ok(_) | Err(_) => message.clone(),
        };
        let message = match self.state.rehearsal {
            Some(_) => format!("A rehearsal, which is undone before the point of no return. {message}"),
            None => message,
        };
        let expires = expires_ms.map(|ms| self.now() + ms as i64);
        self.append(vec![Event::Asked { step, message, expires }], true)
    }

    fn open(&mut self, step: StepName) -> Result<(), EngineError> {
        let (_, planned) = self.planned(&step)?;
        let limit = limit_of(&planned.body);
        match self.arm().and_then(|()| self.ports.guard.cover(&step, None, limit, &[])) {
            Ok(()) => {
                self.watched.insert(step.clone());
                self.append(vec![Event::OutageBegan { step }], true)
            }
            Err(error) => self.refuse(step, 1, no_guard(&error.to_string())),
        }
    }

    fn close(&mut self, step: StepName) -> Result<(), EngineError> {
        let (index, _) = self.planned(&step)?;
        let began = self.state.steps[index].began.unwrap_or_else(|| self.now());
        let downtime_ms = (self.now() - began).max(0) as u64;
        self.append(vec![Event::OutageEnded { step: step.clone(), downtime_ms }], true)?;
        // Behind the mark the guard stands until the run is over: what is left to tidy up goes on without a person.
        if self.state.crossed.is_none() {
            self.watched.remove(&step);
            self.ports.guard.uncover(&step);
        }
        Ok(())
    }

    pub(crate) fn live_hold(&self, step: &StepName) -> Option<CallId> {
        let mut calls = self.calls.iter();
        calls.find(|(_, f)| &f.step == step && f.purpose == Purpose::Hold).map(|(id, _)| *id)
    }

    fn confirm(&mut self, step: StepName) -> Result<(), EngineError> {
        match self.live_hold(&step) {
            Some(call) => {
                self.busy.insert(step);
                self.ports.runner.intact(call);
                Ok(())
            }
            None => self.append(vec![Event::HoldBroken { step, why: "its holder is gone".into() }], true),
        }
    }

    /// The release begins durably, then the holder is told; where there is none, a fresh instance gives it back.
    fn release(&mut self, step: StepName, how: Ending, orphan: bool) -> Result<(), EngineError> {
        let (index, planned) = self.planned(&step)?;
        self.append(vec![Event::Releasing { step: step.clone(), how }], true)?;
        let s = &self.state.steps[index];
        let (input, undo, attempt) = (s.input.clone(), s.undo.clone(), s.attempts.max(1));
        match self.live_hold(&step).filter(|_| !orphan) {
            Some(call) => self.ports.runner.release(call, how),
            None => {
                if let Some(dead) = self.live_hold(&step) {
                    self.calls.remove(&dead);
                    self.confirmed_before_crossing(&step, false)?;
                }
                self.call(&planned, attempt, Purpose::Orphan, Verb::ReleaseOrphan, input, undo);
            }
        }
        Ok(())
    }

    fn stop(&mut self, step: StepName) -> bool {
        if !self.told.insert(step.clone()) {
            return false;
        }
        let ids: Vec<CallId> = self.calls.iter().filter(|(_, f)| f.step == step).map(|(id, _)| *id).collect();
        for id in ids {
            self.ports.runner.stop(id);
        }
        true
    }

    fn undo(&mut self, step: StepName) -> Result<bool, EngineError> {
        let (index, planned) = self.planned(&step)?;
        if self.orphan_acts(index)? {
            return Ok(false);
        }
        let s = &self.state.steps[index];
        let (story, input, effects, attempt) =
            (story(s), s.input.clone(), s.undo.clone(), s.back_attempts + 1);
        let intended = Event::Intended {
            step,
            way: Way::Undo,
            attempt,
            input: input.clone(),
            effects: effects.clone(),
            undo: Vec::new(),
        };
        self.append(vec![intended], true)?;
        self.call(&planned, attempt, Purpose::Undo, Verb::Undo(story), input, effects);
        Ok(true)
    }
}

fn story(s: &StepState) -> Story {
    Story {
        intent: s.intent.clone(),
        checkpoint: s.checkpoint.clone(),
        exits: Value::Array(s.programs.clone()),
        output: s.output.clone(),
    }
}

fn late(why: String) -> Refusal {
    Refusal { code: "window-closed".into(), message: why, again: false, details: Value::Null }
}

fn no_guard(why: &str) -> Refusal {
    Refusal {
        code: "no-guard".into(),
        message: format!("nothing is held or taken down without a guard: {why}"),
        again: false,
        details: Value::Null,
    }
}
