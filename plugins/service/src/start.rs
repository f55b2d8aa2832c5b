//! `service.start`: starts a service, also under a fence; its undo stops it. It must not know what starts.

use crate::needs;
use cutwater_sdk::service::{Service, State};
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Done, JsonSchema, Maybe, Needs, Path, Probed, Refusal, Serialize,
    Shown, Story, Undo, Value, held,
};

/// Starts a service.
pub struct Start;

/// Which service.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// The service: a unit of systemd, or a name that the host's policy declares.
    pub unit: String,
    /// The folder with its data: it is not started while that holds a copy which is not released (`files.sync`).
    pub data: Option<Maybe<Path>>,
}

impl Input {
    fn must_be_free(&self, ctx: &Context<'_>) -> Result<(), Refusal> {
        match &self.data {
            Some(data) => held::must_be_free(ctx, data.known()?.as_str().trim_end_matches('/')),
            None => Ok(()),
        }
    }
}

/// What was started.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The service.
    pub unit: String,
}

impl Action for Start {
    const NAME: &'static str = "start";
    const SUMMARY: &'static str = "Starts a service, even where a fence bars it from starting by itself.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        needs()
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        // While planning, the copy is still to be made and released.
        if !ctx.planning() {
            input.must_be_free(ctx)?;
        }
        let service = Service::find(ctx, &input.unit)?;
        Ok(Shown::new(service.start_effects(ctx)?).output(Output { unit: input.unit.clone() }))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new(Service::find(ctx, &input.unit)?.stop_effects()?))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        input.must_be_free(ctx)?;
        let output = Output { unit: input.unit.clone() };
        match Service::find(ctx, &input.unit)?.start(ctx)? {
            true => Ok(Done::Changed(output)),
            false => Ok(Done::Unchanged(output)),
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, cutwater_sdk::Stop> {
        Ok(match Service::find(ctx, &input.unit)?.state(ctx)? {
            State::Running => Probed::Applied(Output { unit: input.unit.clone() }),
            State::Stopped => Probed::NotApplied,
            State::Changing => Probed::StillRunning,
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, _: &Story) -> Answer<()> {
        match Service::find(ctx, &input.unit)?.stop(ctx)? {
            true => Ok(Done::Changed(())),
            false => Ok(Done::Unchanged(())),
        }
    }
}
