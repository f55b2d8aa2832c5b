//! `postgres.checkpoint`: forces a checkpoint, so that what comes next starts from little to replay, and tells who the
//! cluster is. It must not know what comes next.

use crate::address::Address;
use crate::facts;
use crate::session::Session;
use crate::statement::{CHECKPOINT, IDENTITY, POSITION};
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Done, Effect, Host, JsonSchema, Maybe, Needs, Path, Probed,
    Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Forces a checkpoint.
pub struct Checkpoint;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// Where the server is.
    #[serde(default)]
    pub address: Address,
    /// The data directory; with it the plan knows the identity beforehand.
    #[serde(default)]
    pub data: Option<Path>,
}

/// Who the cluster is, and where its log stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The system identifier, as text.
    pub identity: Maybe<String>,
    /// The timeline.
    pub timeline: Maybe<String>,
    /// Where replay would begin.
    #[schemars(extend("x-estimate" = true))]
    pub redo: Maybe<String>,
}

impl Action for Checkpoint {
    const NAME: &'static str = "checkpoint";
    const SUMMARY: &'static str = "Forces a checkpoint and tells the cluster's identity.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().connect()
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let to = input.address.connect()?;
        let effects =
            [Effect::sql(&to, CHECKPOINT), Effect::sql_read(&to, IDENTITY), Effect::sql_read(&to, POSITION)];
        let identity = facts::identity(ctx, input.data.as_ref());
        Ok(Shown::new(effects).output(Output { identity, timeline: Maybe::later(), redo: Maybe::later() }))
    }

    fn preview_undo(_: &Context<'_>, _: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([]).note("a checkpoint leaves nothing to take back"))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let mut session = Session::open(ctx, &input.address)?;
        ctx.host().progress(0, 0, "checkpoint");
        session.query(CHECKPOINT)?;
        let identity = session.query(IDENTITY)?.text(0)?;
        let position = session.query(POSITION)?;
        let output = Output {
            identity: identity.into(),
            timeline: position.text(0)?.into(),
            redo: position.text(1)?.into(),
        };
        session.close();
        Ok(Done::Changed(output))
    }

    fn probe(_: &Context<'_>, _: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        Ok(Probed::NotApplied)
    }

    fn undo(_: &Context<'_>, _: &Input, _: &Story) -> Answer<()> {
        Ok(Done::Unchanged(()))
    }
}
