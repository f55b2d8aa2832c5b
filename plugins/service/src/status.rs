//! `service.status`: whether a service runs. It must not know how to change that.

use crate::{Input, needs};
use cutwater_sdk::service::{Service, State};
use cutwater_sdk::{Check, Context, JsonSchema, Needs, Refusal, Serialize};

/// Tells whether a service runs.
pub struct Status;

/// Whether it runs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The service.
    pub unit: String,
    /// Whether it runs.
    pub state: State,
}

impl Check for Status {
    const NAME: &'static str = "status";
    const SUMMARY: &'static str = "Tells whether a service runs.";
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        needs()
    }

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        let state = Service::find(ctx, &input.unit)?.state(ctx)?;
        Ok(Output { unit: input.unit.clone(), state })
    }
}
