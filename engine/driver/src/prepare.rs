//! The last look before an intent: condition, input, and what the step shows now against what the plan showed. It
//! changes nothing and runs on a thread of its own, so that the loop goes on meanwhile.

use crate::ports::{PreviewCall, StepRunner};
use cutwater_core::answer::Refusal;
use cutwater_core::describe::Undo;
use cutwater_core::effect::{Effect, Shown};
use cutwater_core::expr::{self, Scope};
use cutwater_core::grant::Grants;
use cutwater_core::names::{RunId, StepName};
use cutwater_core::plan::{Body, PlanStep};
use cutwater_core::planning::differences;
use serde_json::Value;

/// What the look found.
#[derive(Debug)]
pub struct Prepared {
    /// The step.
    pub step: StepName,
    /// What to do with it.
    pub look: Look,
}

/// What to do with a step after the look.
#[derive(Debug)]
pub enum Look {
    /// Its condition is false.
    Skip(String),
    /// Not now, and nothing was done.
    Refuse(Refusal),
    /// Go: the input, all that may be changed, and all that taking it back may change.
    Go {
        /// Known in full.
        input: Value,
        /// Shown a moment ago.
        effects: Vec<Effect>,
        /// Likewise.
        undo: Vec<Effect>,
    },
}

/// Looks at a step whose needs have ended.
pub fn look(runner: &dyn StepRunner, run: &RunId, step: &PlanStep, grants: &Grants, scope: &Scope) -> Look {
    if let Some(condition) = &step.condition {
        match expr::condition(condition, scope) {
            Ok(Some(true)) => {}
            Ok(Some(false)) => return Look::Skip(format!("`{condition}` is false")),
            Ok(None) => return Look::Refuse(refusal("not-known", format!("`{condition}` is not known"))),
            Err(fault) => return Look::Refuse(refusal("expression", fault.to_string())),
        }
    }
    let input = match expr::render(&step.with, scope) {
        Ok(input) if input.is_known() => input,
        Ok(input) => {
            let (place, after) =
                input.unknown.iter().next().map(|(p, s)| (p.as_str(), s.as_str())).unwrap_or_default();
            return Look::Refuse(refusal(
                "not-known",
                format!("input `{place}` is not known: `{after}` did not give it"),
            ));
        }
        Err(fault) => return Look::Refuse(refusal("expression", fault.to_string())),
    };
    let Some((plugin, action)) = step.body.uses() else {
        return Look::Refuse(refusal("defect", format!("`{}` is no plugin's step", step.name)));
    };
    if matches!(step.body, Body::Check { .. }) {
        // It changes nothing whatever was shown; the statements that it showed are the ones it may read by.
        return Look::Go { input: input.value, effects: step.shown.effects.clone(), undo: Vec::new() };
    }
    let show = |undo: bool| -> Result<Vec<Effect>, Refusal> {
        let shown = runner.preview(PreviewCall {
            run: run.clone(),
            step: step.name.clone(),
            plugin: plugin.to_owned(),
            action: action.to_owned(),
            input: input.clone(),
            grants: grants.clone(),
            undo,
        })?;
        let planned = if undo { &step.undo_shown } else { &step.shown };
        // A check that ran while planning showed nothing; whatever it shows, it only reads.
        if *planned != Shown::default() || !matches!(step.body, Body::Check { .. }) {
            agree(planned, &shown, &input.value)?;
        }
        Ok(shown.effects)
    };
    let undo = match step.body {
        Body::Check { .. } | Body::Action { undo: Undo::None, .. } => Ok(Vec::new()),
        // The mark and what comes after it: the plan showed no way back, and none is admitted.
        Body::Action { .. } if step.undo_shown == Shown::default() => Ok(Vec::new()),
        _ => show(true),
    };
    match (show(false), undo) {
        (Ok(effects), Ok(undo)) => Look::Go { input: input.value, effects, undo },
        (Err(refusal), _) | (_, Err(refusal)) => Look::Refuse(refusal),
    }
}

fn agree(planned: &Shown, fresh: &Shown, input: &Value) -> Result<(), Refusal> {
    differences(&planned.effects, &fresh.effects, input)
        .map_err(|difference| refusal("drifted", format!("this is not what the plan showed: {difference}")))
}

fn refusal(code: &str, message: String) -> Refusal {
    Refusal { code: code.into(), message, again: false, details: Value::Null }
}
