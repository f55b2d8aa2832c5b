//! `service.stop`: stops a service; its undo starts it again, also under a fence. It must not know what stops.

use crate::{Input, needs};
use cutwater_sdk::service::{Service, State};
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Done, JsonSchema, Needs, Probed, Refusal, Serialize, Shown, Story,
    Undo, Value,
};

/// Stops a service.
pub struct Stop;

/// What was stopped.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The service.
    pub unit: String,
}

impl Action for Stop {
    const NAME: &'static str = "stop";
    const SUMMARY: &'static str = "Stops a service.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        needs()
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let service = Service::find(ctx, &input.unit)?;
        service.state(ctx)?;
        Ok(Shown::new(service.stop_effects()?).output(Output { unit: input.unit.clone() }))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new(Service::find(ctx, &input.unit)?.start_effects(ctx)?))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let output = Output { unit: input.unit.clone() };
        match Service::find(ctx, &input.unit)?.stop(ctx)? {
            true => Ok(Done::Changed(output)),
            false => Ok(Done::Unchanged(output)),
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, cutwater_sdk::Stop> {
        Ok(match Service::find(ctx, &input.unit)?.state(ctx)? {
            State::Stopped => Probed::Applied(Output { unit: input.unit.clone() }),
            State::Running => Probed::NotApplied,
            State::Changing => Probed::StillRunning,
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, _: &Story) -> Answer<()> {
        match Service::find(ctx, &input.unit)?.start(ctx)? {
            true => Ok(Done::Changed(())),
            false => Ok(Done::Unchanged(())),
        }
    }
}
