//! Between the generated types and the SDK's. It must not know who calls.

use super::Imports;
use super::steps::cutwater::plugin::types as wit;
use crate::answer::{Failure, Probed, Refusal, Story};
use crate::call::{Preview, Reply};
use crate::context::Context;
use crate::effect::Effect;
use crate::partial::Partial;
use serde_json::Value;

/// JSON text as a value; what the host sends is JSON.
pub fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or(Value::Null)
}

pub fn context(ctx: wit::Context) -> Context<'static> {
    let mut context = Context::guest(Imports);
    context.run = ctx.run;
    context.step = ctx.step;
    context.action = ctx.action;
    context.attempt = ctx.attempt;
    context.mark = ctx.mark;
    context.more = value(&ctx.more);
    context
}

pub fn partial(partial: wit::Partial) -> Partial {
    let unknown = partial.unknown.into_iter().map(|hole| (hole.pointer, hole.step)).collect();
    Partial { value: value(&partial.value), unknown }
}

pub fn story(story: wit::Story) -> Story {
    let effects = story.intent.into_iter();
    Story {
        intent: effects.map(|effect| Effect { kind: effect.kind, detail: value(&effect.detail) }).collect(),
        checkpoint: story.checkpoint.as_deref().map(value),
        exits: serde_json::from_str(&story.exits).unwrap_or_default(),
        output: story.output.as_deref().map(value),
    }
}

pub fn preview(shown: Preview) -> wit::Shown {
    let holes = shown.output.unknown.into_iter();
    wit::Shown {
        effects: shown
            .effects
            .into_iter()
            .map(|effect| wit::Effect { kind: effect.kind, detail: effect.detail.to_string() })
            .collect(),
        output: wit::Partial {
            value: shown.output.value.to_string(),
            unknown: holes.map(|(pointer, step)| wit::Hole { pointer, step }).collect(),
        },
        estimate: shown.estimate.to_string(),
        notes: shown.notes,
    }
}

pub fn refusal(refusal: Refusal) -> wit::Refusal {
    let details = refusal.details.to_string();
    wit::Refusal { code: refusal.code, message: refusal.message, again: refusal.again, details }
}

fn failure(failure: Failure) -> wit::Failure {
    wit::Failure {
        code: failure.code,
        message: failure.message,
        left: failure.left,
        checkpoint: failure.checkpoint.map(|state| state.to_string()),
        again: failure.again,
    }
}

pub fn answer(reply: Reply) -> wit::Answer {
    match reply {
        Reply::Changed(output) => wit::Answer::Changed(output.to_string()),
        Reply::Unchanged(output) => wit::Answer::Unchanged(output.to_string()),
        Reply::Refused(why) => wit::Answer::Refused(refusal(why)),
        Reply::Failed(why) => wit::Answer::Failed(failure(why)),
        Reply::Unknown(why) => wit::Answer::Unknown(why),
    }
}

pub fn probed(probed: Probed<Value>) -> wit::Probed {
    match probed {
        Probed::Applied(output) => wit::Probed::Applied(output.to_string()),
        Probed::NotApplied => wit::Probed::NotApplied,
        Probed::PartWay(checkpoint) => wit::Probed::PartWay(checkpoint.map(|state| state.to_string())),
        Probed::StillRunning => wit::Probed::StillRunning,
        Probed::CannotTell(why) => wit::Probed::CannotTell(why),
    }
}
