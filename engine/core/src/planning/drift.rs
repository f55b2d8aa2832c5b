//! What a step shows now against what the plan showed. It must not know what is done about a difference.

use crate::effect::{Effect, Shown};
use crate::plan::PlanStep;
use crate::show_plan::line;
use serde_json::Value;

/// Whether what the step shows now, with its input known in full, is what the plan showed, outside the plan's holes.
///
/// # Errors
/// The first difference, in words.
pub fn drift(step: &PlanStep, fresh: &Shown, input: &Value) -> Result<(), String> {
    differences(&step.shown.effects, &fresh.effects, input)?;
    values(&step.shown.output.value, &fresh.output.value, "", step)
}

/// Whether the fresh effects are the shown ones, one by one.
///
/// # Errors
/// The first difference, in words.
pub fn differences(shown: &[Effect], fresh: &[Effect], input: &Value) -> Result<(), String> {
    for (index, (was, now)) in shown.iter().zip(fresh).enumerate() {
        if !was.admits(now, input) {
            return Err(format!(
                "effect {} was `{}` in the plan and is `{}` now",
                index + 1,
                line(was),
                line(now)
            ));
        }
    }
    match (shown.get(fresh.len()), fresh.get(shown.len())) {
        (Some(missing), _) => {
            Err(format!("the plan showed `{}`, which would not be done now", line(missing)))
        }
        (_, Some(more)) => Err(format!("`{}` would be done now, and the plan did not show it", line(more))),
        (None, None) => Ok(()),
    }
}

/// Identities that the plan predicted must still be the same.
fn values(was: &Value, now: &Value, at: &str, step: &PlanStep) -> Result<(), String> {
    let (Value::Object(was), Value::Object(now)) = (was, now) else { return Ok(()) };
    for (name, was) in was {
        let place = format!("{at}/{name}");
        let Some(now) = now.get(name) else { continue };
        let known = !step.shown.output.unknown.keys().any(|hole| hole.starts_with(&place));
        if (name == "identity" || name == "identities") && known && !now.is_null() && was != now {
            return Err(format!(
                "`{}` was {was} in the plan and is {now} now",
                place.trim_start_matches('/')
            ));
        }
        values(was, now, &place, step)?;
    }
    Ok(())
}
