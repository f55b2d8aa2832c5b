//! One call of the plugin under test, and all that a journal would hold of it, line by line. It must not know whether the
//! process lives to its end.

use super::stand::Stand;
use cutwater_core::answer::Ending;
use cutwater_core::effect::Effect;
use cutwater_core::grant::Grants;
use cutwater_core::names::{RunId, StepName};
use cutwater_driver::ports::{self, Call, CallId, Guard, Outcome, Report, StepRunner};
use cutwater_testkit::{Ask, Ended, Refusal, Story, Verb};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};

/// The run of every conformance test: what marks are made of.
pub const RUN: &str = "conformance";
/// How long a watch goes on before it is told to stop.
const WATCHED_MS: u64 = 4_000;
/// How long a hold may be held.
const LIMIT_MS: u64 = 60_000;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// What is told of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// A capability was used. With `true` the caller waits until it is durable.
    Used(Value, bool),
    /// Resumable state.
    Checkpoint(Value),
    /// A point at which it can be killed.
    Point(String),
    /// Its end.
    End(Ended),
}

/// The grants, cut down by the policy as a plan cuts them.
pub fn grants(stand: &Stand, ask: &Ask) -> Result<Grants, Refusal> {
    let granted: Grants = serde_json::from_value(ask.grants.clone()).map_err(|error| Refusal {
        code: "invalid-grants".to_owned(),
        message: format!("the case's grants: {error}"),
    })?;
    Ok(stand.policy.cut(&stand.plugin.plugin.name, &granted).0)
}

/// Makes the call; each line is told before the call goes on.
pub fn perform(stand: &Stand, ask: &Ask, told: &mut dyn FnMut(Line)) -> Ended {
    match (Performance { stand, ask, told }).end() {
        Ok(ended) => ended,
        Err(why) => Ended::Answer(cutwater_testkit::Answer::Unknown { why }),
    }
}

struct Performance<'a> {
    stand: &'a Stand,
    ask: &'a Ask,
    told: &'a mut dyn FnMut(Line),
}

impl Performance<'_> {
    fn end(&mut self) -> Result<Ended, String> {
        let story = story(&self.ask.story)?;
        let verb = match self.ask.verb {
            Verb::Hold => return self.hold(),
            Verb::Apply => ports::Verb::Apply { checkpoint: story.checkpoint },
            Verb::Probe => ports::Verb::Probe(story),
            Verb::Undo => ports::Verb::Undo(story),
            Verb::ReleaseOrphan => ports::Verb::ReleaseOrphan,
        };
        let (_, inbox) = self.start(verb)?;
        match self.hear(&inbox)? {
            Outcome::Answer(answer) => Ok(Ended::Answer(mirrored(&answer)?)),
            Outcome::Probed(found) => Ok(Ended::Probed(mirrored(&found)?)),
            other => Err(format!("it answered {other:?}")),
        }
    }

    /// The whole life of a hold, under the guard's eyes.
    fn hold(&mut self) -> Result<Ended, String> {
        let (guard, step) = (self.stand.guard.as_ref(), StepName::new(&self.ask.step));
        let unguarded = |error: ports::GuardError| error.to_string();
        guard.arm(&RunId::new(RUN)).map_err(unguarded)?;
        guard.cover(&step, None, LIMIT_MS, &[]).map_err(unguarded)?;
        let (id, inbox) = self.start(ports::Verb::Take)?;
        let ended = match self.hear(&inbox)? {
            Outcome::Taken(Err(refusal)) => {
                Ended::Held { taken: Err(mirrored(&refusal)?), intact: None, released: None }
            }
            Outcome::Taken(Ok(taken)) => {
                guard.cover(&step, Some(id), LIMIT_MS, &taken.give_backs).map_err(unguarded)?;
                (self.told)(Line::Point("while it was held".to_owned()));
                self.stand.runner.intact(id);
                let intact = match self.hear(&inbox)? {
                    Outcome::Intact(intact) => intact,
                    other => return Err(format!("asked whether it is unbroken, it answered {other:?}")),
                };
                self.stand.runner.release(id, Ending::Done);
                let released = match self.hear(&inbox)? {
                    Outcome::Answer(answer) => mirrored(&answer)?,
                    other => return Err(format!("given back, it answered {other:?}")),
                };
                Ended::Held { taken: Ok(taken.output), intact: Some(intact), released: Some(released) }
            }
            Outcome::Answer(answer) => {
                Ended::Held { taken: Ok(Value::Null), intact: None, released: Some(mirrored(&answer)?) }
            }
            other => return Err(format!("taken, it answered {other:?}")),
        };
        guard.uncover(&step);
        guard.disarm();
        Ok(ended)
    }

    fn start(&self, verb: ports::Verb) -> Result<(CallId, Receiver<Report>), String> {
        let id = CallId(NEXT.fetch_add(1, Ordering::Relaxed));
        let admitted: Vec<Effect> = read(&self.ask.admitted)?;
        let (reports, inbox) = channel();
        let watches = matches!(verb, ports::Verb::Apply { .. })
            && self.stand.plugin.plugin.steps.get(&self.ask.step).is_some_and(|step| step.watch);
        let call = Call {
            id,
            run: RunId::new(RUN),
            step: StepName::new(&self.ask.step),
            plugin: self.stand.plugin.plugin.name.clone(),
            component: self.stand.plugin.plugin.digest.clone(),
            action: self.ask.step.clone(),
            attempt: 1,
            input: self.ask.input.clone(),
            grants: grants(self.stand, self.ask).map_err(|refusal| refusal.message)?,
            admitted,
            verb,
            timeout_ms: watches.then_some(WATCHED_MS),
            at_change: None,
        };
        self.stand.runner.start(call, reports);
        Ok((id, inbox))
    }

    /// Until the next end.
    fn hear(&mut self, inbox: &Receiver<Report>) -> Result<Outcome, String> {
        for report in inbox {
            match report {
                Report::Used { what, reply, .. } => {
                    (self.told)(Line::Used(what, reply.is_some()));
                    if let Some(reply) = reply {
                        let _gone = reply.send(true);
                    }
                }
                Report::Checkpoint { state, reply, .. } => {
                    (self.told)(Line::Checkpoint(state));
                    let _gone = reply.send(true);
                }
                Report::Done { outcome, .. } => return Ok(outcome),
                _ => {}
            }
        }
        Err("the plugin ended without an answer".to_owned())
    }
}

fn story(story: &Story) -> Result<ports::Story, String> {
    Ok(ports::Story {
        intent: read(&story.intent)?,
        checkpoint: story.checkpoint.clone(),
        exits: Value::Array(story.programs.clone()),
        output: story.output.clone(),
    })
}

/// A list of effects; nothing shown is an empty one.
fn read(effects: &Value) -> Result<Vec<Effect>, String> {
    match effects {
        Value::Null => Ok(Vec::new()),
        effects => mirrored(effects),
    }
}

/// The same in the testkit's types, which are written as the journal's are.
pub fn mirrored<T: DeserializeOwned>(value: &impl Serialize) -> Result<T, String> {
    serde_json::to_value(value).and_then(serde_json::from_value).map_err(|error| error.to_string())
}
