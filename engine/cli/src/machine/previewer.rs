//! Planning's questions, put to the real plugins: checks run, everything else is only shown. It must not plan.

use cutwater_core::answer::{Answer, Refusal};
use cutwater_core::effect::Shown;
use cutwater_core::grant::Grants;
use cutwater_core::names::RunId;
use cutwater_core::partial::Partial;
use cutwater_core::plan::PlanStep;
use cutwater_core::planning::{Previewer, RUN};
use cutwater_driver::ports::{Call, CallId, Outcome, PreviewCall, Report, StepRunner, Verb};
use serde_json::Value;
use std::sync::Arc;
use std::sync::mpsc::channel;

/// Asks the plugins of this machine.
pub struct Real {
    runner: Arc<dyn StepRunner>,
    next: u64,
}

impl Real {
    /// Through this runner.
    pub fn new(runner: Arc<dyn StepRunner>) -> Self {
        Self { runner, next: 1 }
    }
}

impl Previewer for Real {
    fn check(&mut self, step: &PlanStep, input: Value, grants: &Grants) -> Answer {
        let Some((plugin, action)) = step.body.uses() else {
            return Answer::Unknown { why: "it is no plugin's step".to_owned() };
        };
        let id = CallId(self.next);
        self.next += 1;
        let (reports, inbox) = channel();
        self.runner.start(
            Call {
                id,
                run: RunId::new(RUN),
                step: step.name.clone(),
                plugin: plugin.to_owned(),
                component: String::new(),
                action: action.to_owned(),
                attempt: 1,
                input,
                grants: grants.clone(),
                admitted: Vec::new(),
                verb: Verb::Apply { checkpoint: None },
                timeout_ms: step.timeout_ms,
                at_change: None,
            },
            reports,
        );
        // A plan has no journal: what a check uses need not be durable, for it changes nothing.
        for report in inbox {
            match report {
                Report::Used { reply: Some(reply), .. } | Report::Checkpoint { reply, .. } => {
                    let _gone = reply.send(true);
                }
                Report::Done { call, outcome: Outcome::Answer(answer) } if call == id => return answer,
                _ => {}
            }
        }
        Answer::Unknown { why: "the plugin ended without an answer".to_owned() }
    }

    fn preview(
        &mut self,
        step: &PlanStep,
        input: Partial,
        grants: &Grants,
        undo: bool,
    ) -> Result<Shown, Refusal> {
        let (plugin, action) = step.body.uses().unwrap_or_default();
        self.runner.preview(PreviewCall {
            run: RunId::new(RUN),
            step: step.name.clone(),
            plugin: plugin.to_owned(),
            action: action.to_owned(),
            input,
            grants: grants.clone(),
            undo,
        })
    }
}
