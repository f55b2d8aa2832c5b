//! `service.unfence`: lifts a fence that this run has made. It must not know another run's.

use crate::fence::{lift, lift_effects};
use crate::{Input, needs};
use cutwater_sdk::service::Service;
use cutwater_sdk::{
    Action, Answer, Context, Done, JsonSchema, Needs, Probed, Refusal, Serialize, Shown, Stop, Story, Undo,
    Value,
};

/// Lifts a fence.
pub struct Unfence;

/// What is no longer fenced.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The service.
    pub unit: String,
}

impl Action for Unfence {
    const NAME: &'static str = "unfence";
    const SUMMARY: &'static str = "Lifts the fence that this run put before a service.";
    const UNDO: Undo = Undo::None;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        needs()
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let effects = lift_effects(&Service::find(ctx, &input.unit)?)?;
        Ok(Shown::new(effects).output(Output { unit: input.unit.clone() }))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let service = Service::find(ctx, &input.unit)?;
        let output = Output { unit: input.unit.clone() };
        match service.fenced_by(ctx)? {
            None => {
                // An attempt that was cut short may have left all but the file.
                if service.reload_command().is_some() {
                    lift(ctx, &service)?;
                }
                Ok(Done::Unchanged(output))
            }
            Some(mark) if of_this_run(ctx, &mark) => lift(ctx, &service).map(|_| Done::Changed(output)),
            Some(mark) => {
                let message = format!("`{}` is fenced by {mark}, not by this run", service.name);
                Err(Refusal::new("fenced-by-another", message).into())
            }
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        let service = Service::find(ctx, &input.unit)?;
        Ok(match (service.fenced_by(ctx)?, service.reload_command()) {
            (Some(_), _) => Probed::NotApplied,
            // Whether the reload happened is not to be seen; applying again does it again.
            (None, Some(_)) => Probed::PartWay(None),
            (None, None) => Probed::Applied(Output { unit: input.unit.clone() }),
        })
    }
}

/// Marks are `cutwater.RUN.STEP`.
fn of_this_run(ctx: &Context<'_>, mark: &str) -> bool {
    let run = ctx.mark.rsplit_once('.').map_or(ctx.mark.as_str(), |(run, _)| run);
    mark.strip_prefix(run).is_some_and(|rest| rest.starts_with('.'))
}
