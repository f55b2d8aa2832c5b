//! What people ask of a run, and what is refused them.

use crate::engine::{Engine, EngineError};
use crate::ports::Command;
use cutwater_core::event::Event;
use cutwater_core::names::StepName;
use cutwater_core::plan::Body;
use cutwater_core::state::{Phase, Status};

impl Engine {
    /// Obeys, or says why not.
    pub(crate) fn obey(&mut self, command: Command) -> Result<Result<String, String>, EngineError> {
        let event = match judge(self, command) {
            Ok(Some(event)) => event,
            Ok(None) => {
                self.left = true;
                return Ok(Ok("leaving; `cutwater resume` goes on".into()));
            }
            Err(why) => return Ok(Err(why)),
        };
        let said = match &event {
            Event::Approved { step, .. } => format!("`{step}` is approved"),
            Event::Commanded { what, .. } => {
                let becomes = match what.as_str() {
                    "pause" => "nothing new is begun; what is under way comes to its end",
                    "resume" => "it goes on",
                    _ => "what is under way is stopped, what was done is undone",
                };
                format!("{what}: {becomes}; `cutwater watch {}` follows it", self.state.run)
            }
            Event::Settled { step, .. } => format!("`{step}` is settled"),
            _ => String::new(),
        };
        self.append(vec![event], true)?;
        Ok(Ok(said))
    }
}

fn judge(engine: &Engine, command: Command) -> Result<Option<Event>, String> {
    let state = &engine.state;
    let behind = |crossed: &StepName| {
        format!(
            "`{crossed}` crossed the point of no return: the run only goes forward, nothing is undone any more"
        )
    };
    match command {
        Command::Approve { step, by, roles, plan } => {
            let asked: Vec<&StepName> = (0..state.steps.len())
                .filter(|&s| matches!(state.steps[s].status, Status::Asked { .. }))
                .map(|s| &state.plan.steps[s].name)
                .collect();
            let step = match (step, asked.as_slice()) {
                (Some(step), asked) if asked.contains(&&step) => step,
                (Some(step), _) => return Err(format!("`{step}` does not wait for an approval")),
                (None, [only]) => (*only).clone(),
                (None, []) => return Err("nothing waits for an approval".into()),
                (None, several) => {
                    let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
                    return Err(format!("say which: {}", names.join(", ")));
                }
            };
            may_approve(engine, &step, &by, &roles, &plan)?;
            Ok(Some(Event::Approved { step, by, plan }))
        }
        Command::Pause { by } => Ok(Some(Event::Commanded { what: "pause".into(), by })),
        Command::Resume { .. } if matches!(state.phase, Phase::Back { .. }) && !state.paused => {
            Err("the way back is under way, and is not broken off; `cutwater watch` tells its end".into())
        }
        Command::Resume { by } => Ok(Some(Event::Commanded { what: "resume".into(), by })),
        Command::Abort { by } => match &state.crossed {
            Some(crossed) => Err(behind(crossed)),
            None => Ok(Some(Event::Commanded { what: "abort".into(), by })),
        },
        Command::Settle { step, applied, by, because } => {
            let settles = state.step(&step).is_some_and(|s| s.status.in_doubt());
            if !settles || engine.busy.contains(&step) {
                return Err(format!("`{step}` is not in doubt"));
            }
            match state.index(&step).and_then(|index| engine.orphan(index)).filter(|orphan| orphan.itself) {
                Some(orphan) => Err(format!("`{step}` is not over: {}", orphan.words)),
                None => Ok(Some(Event::Settled { step, applied, by, because })),
            }
        }
        Command::Quit => Ok(None),
    }
}

fn may_approve(
    engine: &Engine,
    step: &StepName,
    by: &str,
    roles: &[String],
    plan: &str,
) -> Result<(), String> {
    let hash = &engine.state.plan.hash;
    if plan.is_empty() || !hash.starts_with(plan) || plan.len() < 8 && plan != hash {
        return Err(format!("the approval is for plan `{plan}`, the run carries out plan `{hash}`"));
    }
    let Some(Body::Approve { by: wanted, .. }) = engine.state.plan.step(step).map(|s| &s.body) else {
        return Err(format!("`{step}` asks for nothing"));
    };
    if wanted.is_empty() || wanted.iter().any(|role| roles.contains(role)) {
        return Ok(());
    }
    Err(format!("{by} is none of: {}", wanted.join(", ")))
}
