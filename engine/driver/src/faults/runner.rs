//! The step runner with faults before it. It must not know what a step does: a call is kept back, told to stop, made
//! twice, or its answer is changed on the way.

use super::{Death, Life, Strike, What, held};
use crate::ports::{AtChange, Call, CallId, Outcome, PreviewCall, Remains, Report, StepRunner, Turn, Verb};
use cutwater_core::answer::{Answer, Ending, Failure, Probed, Refusal};
use cutwater_core::effect::{Effect, Shown};
use cutwater_core::names::StepName;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

pub(super) struct Hooked {
    inner: Arc<dyn StepRunner>,
    life: Arc<Life>,
    /// Holds that were taken or tried to: whose they are, and where their reports go.
    holds: Mutex<HashMap<CallId, (StepName, Sender<Report>)>>,
    /// Calls that answer nothing until they are told to stop, and what they answer then.
    hanging: Mutex<HashMap<CallId, (Sender<Report>, Answer)>>,
    /// What was answered, and is done when the next call begins.
    late: Mutex<Option<Late>>,
}

enum Late {
    /// Made just before the next one.
    Call(Box<Call>),
    /// Begun just after the next one.
    Release(CallId, Ending),
}

impl Hooked {
    pub fn new(inner: Arc<dyn StepRunner>, life: Arc<Life>) -> Self {
        Self { inner, life, holds: Mutex::default(), hanging: Mutex::default(), late: Mutex::default() }
    }

    /// Passes a call on and its end through `change`. Everything else that it reports goes by unchanged.
    fn changed(
        &self,
        call: Call,
        reports: Sender<Report>,
        change: impl Fn(Outcome) -> Option<Outcome> + Send + 'static,
    ) {
        let (between, reported) = channel();
        self.inner.start(call, between);
        self.inner.spawn(Box::new(move || {
            for report in reported {
                let passed = match report {
                    Report::Done { call, outcome } => {
                        if let Some(outcome) = change(outcome) {
                            let _engine_gone = reports.send(Report::Done { call, outcome });
                        }
                        return;
                    }
                    other => reports.send(other),
                };
                if passed.is_err() {
                    return;
                }
            }
        }));
    }

    /// Where a change of this call goes by the script.
    fn at_change(&self, step: &StepName) -> AtChange {
        let (life, step) = (Arc::clone(&self.life), step.clone());
        AtChange(Arc::new(move || match life.strikes(What::Change, Some(&step)) {
            Some(Strike::KilledBefore) => {
                life.end(Death::Killed);
                Turn::Claim
            }
            Some(Strike::Claimed) => Turn::Claim,
            _ => Turn::Go,
        }))
    }

    fn part_way(&self, call: Call, reports: Sender<Report>, again: Option<bool>) {
        // Told to stop as soon as it begins: what a plugin does then is what it does at any limit.
        let call = Call { timeout_ms: Some(0), ..call };
        self.changed(call, reports, move |outcome| {
            let left = match outcome {
                Outcome::Answer(Answer::Failed(failure)) => failure,
                _ => stopped(),
            };
            Some(Outcome::Answer(match again {
                Some(again) => Answer::Failed(Failure { again, ..left }),
                None => lost(),
            }))
        });
    }

    /// Makes the call, or what strikes in its place.
    fn begin(&self, call: Call, reports: Sender<Report>) {
        let what = match call.verb {
            Verb::Apply { .. } | Verb::Take => What::Apply,
            Verb::Probe(_) => What::Probe,
            Verb::Undo(_) => What::Undo,
            Verb::ReleaseOrphan => What::Release,
        };
        let takes = matches!(call.verb, Verb::Take);
        if takes {
            held(&self.holds).insert(call.id, (call.step.clone(), reports.clone()));
        }
        let id = call.id;
        let done = |outcome| {
            let _engine_gone = reports.send(Report::Done { call: id, outcome });
        };
        match self.life.strikes(what, Some(&call.step)) {
            Some(Strike::Refused { again }) if what != What::Probe => {
                let refusal = refused(again);
                done(if takes {
                    Outcome::Taken(Err(refusal))
                } else {
                    Outcome::Answer(Answer::Refused(refusal))
                });
            }
            Some(Strike::PartWay { again }) if !takes && what != What::Probe => {
                self.part_way(call, reports, Some(again));
            }
            Some(Strike::LostPartWay) if !takes && what != What::Probe => self.part_way(call, reports, None),
            Some(Strike::LostBefore) if what != What::Probe => done(Outcome::Answer(lost())),
            Some(Strike::LostAfter) if what != What::Probe => {
                self.changed(call, reports, |_| Some(Outcome::Answer(lost())));
            }
            Some(Strike::Twice) if !takes => {
                let (inner, again, after) = (Arc::clone(&self.inner), call.clone(), reports.clone());
                self.changed(call, reports, move |_| {
                    inner.start(again.clone(), after.clone());
                    None
                });
            }
            Some(Strike::Hangs) if !takes => {
                let late = Answer::Unknown { why: "it did not end within the grace time".into() };
                held(&self.hanging).insert(id, (reports.clone(), late));
                self.changed(call, reports, |_| None);
            }
            Some(Strike::Endless) if !takes => {
                held(&self.hanging).insert(id, (reports.clone(), Answer::Failed(stopped())));
                self.changed(Call { timeout_ms: Some(0), ..call }, reports, |_| None);
            }
            Some(Strike::CannotTell) if what == What::Probe => {
                done(Outcome::Probed(Probed::CannotTell { why: "it cannot be told".into() }));
            }
            Some(Strike::StillRunning) if what == What::Probe => done(Outcome::Probed(Probed::StillRunning)),
            Some(Strike::Claimed) if what == What::Probe => done(Outcome::Probed(Probed::NotApplied)),
            Some(Strike::Claimed) if !takes => done(Outcome::Answer(claimed())),
            Some(Strike::Late) if what == What::Apply && !takes => {
                *held(&self.late) = Some(Late::Call(Box::new(call)));
                done(Outcome::Answer(claimed()));
            }
            Some(Strike::GuardDies) => {
                *held(&self.life.guard_dead) = true;
                self.inner.start(call, reports);
            }
            Some(Strike::GuardActs) => self.life.end(Death::TakenOver),
            _ => self.inner.start(call, reports),
        }
    }
}

impl StepRunner for Hooked {
    fn start(&self, call: Call, reports: Sender<Report>) {
        if self.life.is_over() {
            return;
        }
        let late = held(&self.late).take();
        if let Some(Late::Call(late)) = &late {
            // Nobody waits for its end any more.
            self.inner.start((**late).clone(), channel().0);
        }
        self.begin(Call { at_change: Some(self.at_change(&call.step)), ..call }, reports);
        if let Some(Late::Release(hold, how)) = late {
            self.inner.release(hold, how);
        }
    }

    fn stop(&self, call: CallId) {
        let hanging = held(&self.hanging).remove(&call);
        if let Some((reports, answer)) = hanging {
            let _engine_gone = reports.send(Report::Done { call, outcome: Outcome::Answer(answer) });
        }
        self.inner.stop(call);
    }

    fn intact(&self, hold: CallId) {
        let taken = held(&self.holds).get(&hold).cloned();
        let struck = taken.as_ref().and_then(|(step, _)| self.life.strikes(What::Intact, Some(step)));
        match (struck, taken) {
            (Some(Strike::Broken), Some((_, reports))) => {
                let outcome = Outcome::Intact(Err("the session died".into()));
                let _engine_gone = reports.send(Report::Done { call: hold, outcome });
            }
            _ => self.inner.intact(hold),
        }
    }

    fn release(&self, hold: CallId, how: Ending) {
        if self.life.is_over() {
            return;
        }
        let Some((step, reports)) = held(&self.holds).remove(&hold) else {
            return self.inner.release(hold, how);
        };
        let answer = |answer| {
            let _engine_gone = reports.send(Report::Done { call: hold, outcome: Outcome::Answer(answer) });
        };
        match self.life.strikes(What::Release, Some(&step)) {
            Some(Strike::Refused { again }) => answer(Answer::Refused(refused(again))),
            Some(Strike::LostBefore | Strike::LostPartWay) => answer(lost()),
            Some(Strike::Claimed) => answer(claimed()),
            Some(Strike::Late) => {
                answer(claimed());
                *held(&self.late) = Some(Late::Release(hold, how));
            }
            // The answer that counts is the first; the one that follows is late.
            Some(Strike::LostAfter) => {
                answer(lost());
                self.inner.release(hold, how);
            }
            _ => self.inner.release(hold, how),
        }
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        self.inner.spawn(work);
    }

    fn preview(&self, call: PreviewCall) -> Result<Shown, Refusal> {
        let struck = self.life.strikes(What::Preview, Some(&call.step));
        let mut shown = self.inner.preview(call)?;
        if struck == Some(Strike::Drifted) {
            shown.effects.push(Effect {
                kind: "run".into(),
                detail: json!({ "program": "something-else", "args": [] }),
            });
        }
        Ok(shown)
    }

    fn remains(&self, used: &Value) -> Remains {
        self.inner.remains(used)
    }
}

fn claimed() -> Answer {
    Answer::Changed { output: json!({}) }
}

fn refused(again: bool) -> Refusal {
    Refusal { code: "fault".into(), message: "refused".into(), again, details: Value::Null }
}

fn stopped() -> Failure {
    Failure {
        code: "fault".into(),
        message: "stopped part-way".into(),
        left: "what it had done by then".into(),
        checkpoint: None,
        again: false,
    }
}

fn lost() -> Answer {
    Answer::Unknown { why: "the answer was lost".into() }
}
