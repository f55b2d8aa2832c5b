//! A step runner that acts on a world, at once and always well. It must not decide what goes wrong: faults stand before
//! it.

use super::guard::Remembering;
use super::outputs::Outputs;
use super::world::World;
use crate::faults::held;
use crate::ports::{Call, CallId, Outcome, PreviewCall, Remains, Report, StepRunner, Taken, Verb};
use cutwater_core::answer::{Answer, Ending, Failure, Refusal};
use cutwater_core::effect::Shown;
use cutwater_core::names::StepName;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

/// Runs steps in a world.
pub struct Simulated {
    world: Arc<Mutex<World>>,
    guard: Arc<Remembering>,
    outputs: Arc<Outputs>,
    holds: Mutex<BTreeMap<CallId, (StepName, Sender<Report>)>>,
}

impl Simulated {
    /// In this world; steps give these outputs.
    pub fn new(world: Arc<Mutex<World>>, guard: Arc<Remembering>, outputs: Arc<Outputs>) -> Self {
        Self { world, guard, outputs, holds: Mutex::default() }
    }
}

impl StepRunner for Simulated {
    fn start(&self, call: Call, reports: Sender<Report>) {
        let step = &call.step;
        // A call that is told to stop as it begins comes half the way.
        let whole = call.timeout_ms != Some(0);
        let answer = |output: Value| match whole {
            true => Answer::Changed { output },
            false => Answer::Failed(stopped()),
        };
        let mut world = held(&self.world);
        let outcome = match &call.verb {
            Verb::Apply { .. } => {
                world.apply(step, whole);
                Outcome::Answer(answer(self.outputs.of(step)))
            }
            Verb::Probe(_) => Outcome::Probed(world.probe(step, self.outputs.of(step))),
            Verb::Undo(_) => {
                world.undo(step, whole);
                Outcome::Answer(answer(Value::Null))
            }
            Verb::Take => {
                world.take(step, held(&self.guard.covered).contains_key(step.as_str()));
                held(&self.holds).insert(call.id, (step.clone(), reports.clone()));
                Outcome::Taken(Ok(Taken { output: self.outputs.taken(step), give_backs: Vec::new() }))
            }
            Verb::ReleaseOrphan => {
                let released = world.release(step, false);
                Outcome::Answer(given_back(released, self.outputs.of(step)))
            }
        };
        let _engine_gone = reports.send(Report::Done { call: call.id, outcome });
    }

    fn stop(&self, _: CallId) {}

    fn intact(&self, hold: CallId) {
        let holds = held(&self.holds);
        let Some((step, reports)) = holds.get(&hold) else { return };
        let intact = held(&self.world).held.contains(step);
        let outcome = Outcome::Intact(if intact { Ok(()) } else { Err("the session died".into()) });
        let _engine_gone = reports.send(Report::Done { call: hold, outcome });
    }

    fn release(&self, hold: CallId, how: Ending) {
        let Some((step, reports)) = held(&self.holds).remove(&hold) else { return };
        let released = held(&self.world).release(&step, how == Ending::Done);
        let answer = given_back(released, self.outputs.of(&step));
        let _engine_gone = reports.send(Report::Done { call: hold, outcome: Outcome::Answer(answer) });
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn preview(&self, _: PreviewCall) -> Result<Shown, Refusal> {
        Ok(Shown::default())
    }

    fn remains(&self, _: &Value) -> Remains {
        Remains::Nothing
    }
}

fn given_back(released: Result<(), String>, output: Value) -> Answer {
    let failed = |message: String| {
        let left = message.clone();
        Answer::Failed(Failure { code: "in-use".into(), message, left, checkpoint: None, again: true })
    };
    released.map_or_else(failed, |()| Answer::Changed { output })
}

fn stopped() -> Failure {
    Failure {
        code: "stopped".into(),
        message: "told to stop".into(),
        left: "half of it".into(),
        checkpoint: Some(json!({ "half": true })),
        again: false,
    }
}
