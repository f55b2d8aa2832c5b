//! One call from start to end, on its own thread. A trap, a stop that was not obeyed, an answer that is none: all of these
//! are `Unknown` for what changes things, never the end of the engine. It must not know why the call is made.

use super::under::{Flags, Reply};
use super::{Ask, Context, STACK, Shared, hold, mark, phase};
use crate::bindings::types;
use crate::convert;
use crate::instance::{COMPUTING, Instance, Trapped};
use crate::state::Caller;
use cutwater_core::answer::{Answer, Failure, Probed, Refusal};
use cutwater_core::schema::Type;
use cutwater_driver::ports::{Call, Outcome, Report, Verb};
use serde_json::Value;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Starts it. The answer comes as a report, always.
pub fn start(shared: &Arc<Shared>, call: Call, reports: Sender<Report>) {
    let reply = Reply::new(call.id, reports.clone());
    let lost = lost(&call.verb, "it was told to stop and did not come back in time");
    let time = call.timeout_ms.map(Duration::from_millis);
    let flags = shared.under.begin(call.id, time, Some((reply.clone(), lost)));
    let name = format!("{}.{}", call.plugin, call.action);
    let (shared, of_thread) = (shared.clone(), (reply.clone(), call.id));
    let ended = shared.clone();
    let work = move || run(&shared, call, reports, reply, flags);
    if let Err(error) = std::thread::Builder::new().name(name).stack_size(STACK).spawn(work) {
        let (reply, id) = of_thread;
        ended.under.end(id);
        let refusal = refusal("no-thread", format!("no thread could be started: {error}"), true);
        reply.give(Outcome::Answer(Answer::Refused(refusal)));
    }
}

fn run(shared: &Arc<Shared>, call: Call, reports: Sender<Report>, reply: Reply, flags: Flags) {
    let id = call.id;
    let verb = call.verb.clone();
    let input = call.input.to_string();
    let schema = output_schema(shared, &call);
    let opened = open(shared, call, reports.clone(), &flags);
    let (mut instance, context) = match opened {
        Ok(opened) => opened,
        Err(refusal) => {
            shared.under.end(id);
            reply.give(not_begun(&verb, refusal));
            return;
        }
    };
    if matches!(verb, Verb::Take) {
        return hold::take(shared, id, instance, &context, &input, reports, reply);
    }
    let outcome =
        perform(&mut instance, &verb, &context, &input).unwrap_or_else(|trapped| lost(&verb, &trapped.0));
    let outcome = cleaned(&instance, fitting(&schema, outcome));
    // Its children end and its streams close before anybody hears that it is over.
    drop(instance);
    shared.under.end(id);
    reply.give(outcome);
}

/// An instance with the call's state in it. Nothing was done when this fails.
fn open(
    shared: &Arc<Shared>,
    call: Call,
    reports: Sender<Report>,
    flags: &Flags,
) -> Result<(Instance, Context), Refusal> {
    let loaded = shared.plugin(&call.plugin, &call.component)?;
    let kind = loaded.plugin.steps.get(&call.action).map(|step| step.kind);
    if kind.is_none() {
        let message = format!("the plugin `{}` has no step `{}`", call.plugin, call.action);
        return Err(refusal("no-such-step", message, false));
    }
    let ask = Ask {
        id: call.id,
        phase: phase(&call.verb, kind),
        caller: Caller {
            mark: mark(call.run.as_str(), call.step.as_str()),
            run: call.run.as_str().to_owned(),
            step: call.step.as_str().to_owned(),
            plugin: call.plugin,
            action: call.action,
            attempt: call.attempt,
        },
        admitted: match &call.verb {
            // A probe may read again what the attempt was to read; what changes is denied to it in any case.
            Verb::Probe(story) => story.intent.clone(),
            _ => call.admitted,
        },
        grants: call.grants,
        input: call.input,
        deadline: call.timeout_ms.map(Duration::from_millis),
        at_change: call.at_change,
    };
    let (state, context) = shared.state(ask, flags.stop.clone(), reports);
    let instance = Instance::open(&shared.runtime, loaded, state, COMPUTING, flags.kill.clone())
        .map_err(|trapped| refusal("no-instance", trapped.0, true))?;
    Ok((instance, context))
}

fn perform(
    instance: &mut Instance,
    verb: &Verb,
    context: &Context,
    input: &types::Json,
) -> Result<Outcome, Trapped> {
    let store_and = |answer: types::Answer| convert::answer_in(answer).map(Outcome::Answer).map_err(Trapped);
    match verb {
        Verb::Apply { checkpoint } => {
            let checkpoint = checkpoint.as_ref().map(Value::to_string);
            let guest = instance.step()?;
            store_and(guest.call_apply(&mut instance.store, context, input, checkpoint.as_ref())?)
        }
        Verb::Undo(story) => {
            let guest = instance.step()?;
            store_and(guest.call_undo(&mut instance.store, context, input, &convert::story_out(story))?)
        }
        Verb::Probe(story) => {
            let guest = instance.step()?;
            let probed = guest.call_probe(&mut instance.store, context, input, &convert::story_out(story))?;
            convert::probed_in(probed).map(Outcome::Probed).map_err(Trapped)
        }
        Verb::ReleaseOrphan => {
            let guest = instance.hold()?;
            store_and(guest.call_release_orphan(&mut instance.store, context, input)?)
        }
        Verb::Take => Err(Trapped("a hold is taken elsewhere".into())),
    }
}

/// What the step says that its output looks like. Taking it back has none.
fn output_schema(shared: &Shared, call: &Call) -> Option<Type> {
    if !matches!(call.verb, Verb::Apply { .. } | Verb::Probe(_)) {
        return None;
    }
    let loaded = shared.registry.get(&call.plugin)?;
    Type::from_schema(&loaded.plugin.steps.get(&call.action)?.output).ok()
}

/// An output that is not what the step says it is: nothing that comes later may rely on it, and what was done is undone.
fn fitting(schema: &Option<Type>, outcome: Outcome) -> Outcome {
    let (Outcome::Answer(Answer::Changed { output } | Answer::Unchanged { output })
    | Outcome::Probed(Probed::Applied { output })) = &outcome
    else {
        return outcome;
    };
    let Some(Err(faults)) = schema.as_ref().map(|schema| schema.accepts(output)) else { return outcome };
    let faults: Vec<_> = faults.iter().map(|(at, what)| format!("output{at}: {what}")).collect();
    let message =
        format!("a defect of the plugin: what it answered is not of its own schema; {}", faults.join("; "));
    match outcome {
        Outcome::Probed(_) => Outcome::Probed(Probed::CannotTell { why: message }),
        Outcome::Answer(Answer::Unchanged { .. }) => {
            Outcome::Answer(Answer::Refused(refusal("output", message, false)))
        }
        _ => Outcome::Answer(Answer::Failed(Failure {
            code: "output".into(),
            message,
            left: "all that the step does".into(),
            checkpoint: None,
            again: false,
        })),
    }
}

/// The outcome without the call's secrets.
pub fn cleaned(instance: &Instance, outcome: Outcome) -> Outcome {
    let redactor = instance.store.data().uses.redactor();
    let value = |value| redactor.clean_value(value);
    let text = |text: String| redactor.clean(&text);
    let refused = |refusal: Refusal| Refusal {
        message: text(refusal.message),
        details: value(refusal.details),
        ..refusal
    };
    match outcome {
        Outcome::Answer(Answer::Changed { output }) => {
            Outcome::Answer(Answer::Changed { output: value(output) })
        }
        Outcome::Answer(Answer::Unchanged { output }) => {
            Outcome::Answer(Answer::Unchanged { output: value(output) })
        }
        Outcome::Answer(Answer::Refused(refusal)) => Outcome::Answer(Answer::Refused(refused(refusal))),
        Outcome::Answer(Answer::Failed(mut failure)) => {
            failure.message = text(failure.message);
            failure.left = text(failure.left);
            failure.checkpoint = failure.checkpoint.map(value);
            Outcome::Answer(Answer::Failed(failure))
        }
        Outcome::Answer(Answer::Unknown { why }) => Outcome::Answer(Answer::Unknown { why: text(why) }),
        Outcome::Probed(Probed::Applied { output }) => {
            Outcome::Probed(Probed::Applied { output: value(output) })
        }
        Outcome::Probed(Probed::PartWay { checkpoint }) => {
            Outcome::Probed(Probed::PartWay { checkpoint: checkpoint.map(value) })
        }
        Outcome::Probed(Probed::CannotTell { why }) => Outcome::Probed(Probed::CannotTell { why: text(why) }),
        Outcome::Taken(Ok(mut taken)) => {
            taken.output = value(taken.output);
            Outcome::Taken(Ok(taken))
        }
        Outcome::Taken(Err(refusal)) => Outcome::Taken(Err(refused(refusal))),
        Outcome::Intact(Err(why)) => Outcome::Intact(Err(text(why))),
        same @ (Outcome::Probed(Probed::NotApplied | Probed::StillRunning) | Outcome::Intact(Ok(()))) => same,
    }
}

/// What a call comes to that ended without an answer.
pub fn lost(verb: &Verb, why: &str) -> Outcome {
    let why = format!("the plugin ended without an answer: {why}");
    match verb {
        Verb::Probe(_) => Outcome::Probed(Probed::CannotTell { why }),
        _ => Outcome::Answer(Answer::Unknown { why }),
    }
}

/// What a call comes to that never began.
fn not_begun(verb: &Verb, refusal: Refusal) -> Outcome {
    match verb {
        Verb::Probe(_) => Outcome::Probed(Probed::CannotTell { why: refusal.message }),
        Verb::Take => Outcome::Taken(Err(refusal)),
        _ => Outcome::Answer(Answer::Refused(refusal)),
    }
}

pub fn refusal(code: &str, message: String, again: bool) -> Refusal {
    Refusal { code: code.into(), message, again, details: Value::Null }
}
