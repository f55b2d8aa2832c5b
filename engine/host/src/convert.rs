//! The words of the contract and the words of the core, from one into the other. What comes from a guest is bounded before
//! it is read. It must not know who asks.

use crate::bindings::{hold, types};
use crate::limits::{OUTPUT, json};
use cutwater_core::answer::{Answer, Ending, Failure, GiveBack, Probed, Refusal};
use cutwater_core::effect::{Effect, Shown};
use cutwater_core::partial::Partial;
use cutwater_driver::ports::Story;
use serde_json::Value;

/// The most effects, notes or holes that one answer may have.
const MANY: usize = 10_000;

/// For the guest.
pub fn partial_out(partial: &Partial) -> types::Partial {
    let unknown = partial
        .unknown
        .iter()
        .map(|(pointer, step)| types::Hole { pointer: pointer.clone(), step: step.clone() })
        .collect();
    types::Partial { value: partial.value.to_string(), unknown }
}

/// For the guest.
pub fn story_out(story: &Story) -> types::Story {
    types::Story {
        intent: story.intent.iter().map(effect_out).collect(),
        checkpoint: story.checkpoint.as_ref().map(Value::to_string),
        exits: if story.exits.is_null() { "[]".into() } else { story.exits.to_string() },
        output: story.output.as_ref().map(Value::to_string),
    }
}

fn effect_out(effect: &Effect) -> types::Effect {
    types::Effect { kind: effect.kind.clone(), detail: effect.detail.to_string() }
}

/// For the guest.
pub fn ending_out(how: Ending) -> hold::Ending {
    match how {
        Ending::Done => hold::Ending::Done,
        Ending::Failed => hold::Ending::Failed,
        Ending::Limit => hold::Ending::Limit,
        Ending::Aborted => hold::Ending::Aborted,
    }
}

/// From the guest.
///
/// # Errors
/// What is too large, too deep or no JSON.
pub fn answer_in(answer: types::Answer) -> Result<Answer, String> {
    Ok(match answer {
        types::Answer::Changed(output) => Answer::Changed { output: json("the output", &output, OUTPUT)? },
        types::Answer::Unchanged(output) => {
            Answer::Unchanged { output: json("the output", &output, OUTPUT)? }
        }
        types::Answer::Refused(refusal) => Answer::Refused(refusal_in(refusal)),
        types::Answer::Failed(failure) => Answer::Failed(Failure {
            checkpoint: optional("the checkpoint", failure.checkpoint)?,
            code: word(failure.code),
            message: words(failure.message),
            left: words(failure.left),
            again: failure.again,
        }),
        types::Answer::Unknown(why) => Answer::Unknown { why: words(why) },
    })
}

/// From the guest. Details that are no JSON are left out: the refusal itself must not be lost.
pub fn refusal_in(refusal: types::Refusal) -> Refusal {
    Refusal {
        code: word(refusal.code),
        message: words(refusal.message),
        again: refusal.again,
        details: json("the details", &refusal.details, OUTPUT).unwrap_or(Value::Null),
    }
}

/// From the guest.
///
/// # Errors
/// What is too large, too deep or no JSON.
pub fn probed_in(probed: types::Probed) -> Result<Probed, String> {
    Ok(match probed {
        types::Probed::Applied(output) => Probed::Applied { output: json("the output", &output, OUTPUT)? },
        types::Probed::NotApplied => Probed::NotApplied,
        types::Probed::PartWay(checkpoint) => {
            Probed::PartWay { checkpoint: optional("the checkpoint", checkpoint)? }
        }
        types::Probed::StillRunning => Probed::StillRunning,
        types::Probed::CannotTell(why) => Probed::CannotTell { why: words(why) },
    })
}

/// From the guest.
///
/// # Errors
/// What is too large, too deep, too many or no JSON.
pub fn shown_in(shown: types::Shown) -> Result<Shown, String> {
    let size: usize = shown.effects.iter().map(|effect| effect.detail.len()).sum();
    if size > 4 * OUTPUT || shown.effects.len() > MANY || shown.notes.len() > MANY {
        return Err("what was shown is more than a plan can hold".into());
    }
    let effects = shown.effects.into_iter().map(|effect| {
        Ok(Effect { kind: word(effect.kind), detail: json("an effect", &effect.detail, 4 * OUTPUT)? })
    });
    Ok(Shown {
        effects: effects.collect::<Result<_, String>>()?,
        output: partial_in(shown.output)?,
        estimate: json("the estimate", &shown.estimate, OUTPUT)?,
        notes: shown.notes.into_iter().map(words).collect(),
    })
}

fn partial_in(partial: types::Partial) -> Result<Partial, String> {
    if partial.unknown.len() > MANY {
        return Err("the output has too many places that are not known".into());
    }
    Ok(Partial {
        value: json("the output", &partial.value, OUTPUT)?,
        unknown: partial.unknown.into_iter().map(|hole| (hole.pointer, hole.step)).collect(),
    })
}

/// From the guest.
pub fn give_backs_in(give_backs: Vec<hold::GiveBack>) -> Vec<GiveBack> {
    let one = |give_back| match give_back {
        hold::GiveBack::Thaw(at) => GiveBack::Thaw(at),
        hold::GiveBack::HangUp(stream) => GiveBack::HangUp(stream),
    };
    give_backs.into_iter().take(MANY).map(one).collect()
}

fn optional(what: &str, text: Option<String>) -> Result<Option<Value>, String> {
    text.map(|text| json(what, &text, OUTPUT)).transpose()
}

/// A text for people, at most 64 KiB of it.
pub fn words(text: String) -> String {
    shortened(text, 64 << 10)
}

fn word(text: String) -> String {
    shortened(text, 200)
}

fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
