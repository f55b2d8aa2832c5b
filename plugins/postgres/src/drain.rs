//! `postgres.drain`: ends the sessions of all clients but this run's own, and waits until they are gone. It must not know
//! who keeps them from coming back: that is `bar`.

use crate::address::Address;
use crate::session::Session;
use crate::statement::{count_others, terminate_others};
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Done, Duration, Effect, Failure, Host, JsonSchema, Maybe, Needs,
    Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Ends the sessions of all other clients.
pub struct Drain;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// Where the server is.
    #[serde(default)]
    pub address: Address,
    /// How long to wait until they are gone; 10s if none.
    #[serde(default)]
    pub within: Option<Duration>,
}

/// What was ended.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// How many sessions.
    #[schemars(extend("x-estimate" = true))]
    pub ended: Maybe<u64>,
}

impl Action for Drain {
    const NAME: &'static str = "drain";
    const SUMMARY: &'static str = "Ends the sessions of all clients but this run's own.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().connect()
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let to = input.address.connect()?;
        let effects =
            [Effect::sql(&to, terminate_others(&ctx.mark)), Effect::sql_read(&to, count_others(&ctx.mark))];
        Ok(Shown::new(effects).output(Output { ended: Maybe::later() }))
    }

    fn preview_undo(_: &Context<'_>, _: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([]).note("clients connect again by themselves"))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let mut session = Session::open(ctx, &input.address)?;
        let within = input.within.map_or(10_000, |within| within.0);
        let until = ctx.host().monotonic() + within;
        let ended = session.query(&terminate_others(&ctx.mark))?.text(0)?;
        ctx.host().touch();
        loop {
            let left = session.query(&count_others(&ctx.mark))?.text(0)?;
            if left == "0" {
                break;
            }
            if ctx.host().monotonic() > until {
                let words = format!("{left} sessions have not ended within {}", Duration(within));
                return Err(Failure::new("not-drained", words, "the other sessions have ended")
                    .again()
                    .into());
            }
            ctx.host().sleep(20)?;
        }
        session.close();
        Ok(Done::Changed(Output { ended: Maybe::Known(ended.parse().unwrap_or_default()) }))
    }

    fn probe(_: &Context<'_>, _: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        Ok(Probed::NotApplied)
    }

    fn undo(_: &Context<'_>, _: &Input, _: &Story) -> Answer<()> {
        Ok(Done::Unchanged(()))
    }
}
