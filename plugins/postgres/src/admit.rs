//! `postgres.admit`: lets clients in again that `bar` has kept out. It is what a move's point of no return is made of.
//! It must not know where the data lies.

use crate::address::Address;
use crate::bar::{Undoing, effects, put, read, session_if_up};
use crate::hba;
use crate::session::Session;
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Done, Host, JsonSchema, Needs, Path, Probed, Refusal, Serialize,
    Shown, Stop, Story, Undo, Value, json,
};

/// Lets clients in again.
pub struct Admit;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// Where the server is.
    #[serde(default)]
    pub address: Address,
    /// The server's pg_hba.conf.
    pub hba: Path,
    /// Whom to let in.
    #[serde(default)]
    pub who: Who,
}

/// Whom to let in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Whoever pg_hba.conf let in before.
    #[default]
    Everyone,
}

/// Where clients are let in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The file.
    pub hba: Path,
    /// Whom.
    pub who: Who,
}

impl Action for Admit {
    const NAME: &'static str = "admit";
    const SUMMARY: &'static str = "Lets clients in again that were barred.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().connect().write(&["with:/hba"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let content = hba::admitted(&read(ctx, &input.hba)?, &ctx.run)?;
        Ok(Shown::new(effects(&input.address, &input.hba, content)?).output(output(input)))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let content = hba::barred(&read(ctx, &input.hba)?, &ctx.run, &input.address)?;
        Ok(Shown::new(effects(&input.address, &input.hba, content)?))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let content = read(ctx, &input.hba)?;
        let open = hba::admitted(&content, &ctx.run)?;
        // As the point of no return this is what a boot after a power cut goes on with, before the services are up.
        put(ctx, &input.hba, &open, session_if_up(ctx, &input.address)?)?;
        Ok(Done::Changed(output(input)))
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        // The file may bar again, and the server still keep to the one before: undoing again makes it read.
        if story.checkpoint::<Undoing>().is_some_and(|saved| saved.undoing) {
            return Ok(Probed::PartWay(story.checkpoint.clone()));
        }
        match hba::is_barred(&read(ctx, &input.hba)?, &ctx.run)? {
            true => Ok(Probed::NotApplied),
            // Whether the server has read it is not to be seen; applying again makes it.
            false => Ok(Probed::PartWay(None)),
        }
    }

    fn undo(ctx: &Context<'_>, input: &Input, _: &Story) -> Answer<()> {
        ctx.host().save(&json!({ "undoing": true }))?;
        let content = hba::barred(&read(ctx, &input.hba)?, &ctx.run, &input.address)?;
        let session = Session::open(ctx, &input.address)?;
        put(ctx, &input.hba, &content, Some(session))?;
        Ok(Done::Changed(()))
    }
}

fn output(input: &Input) -> Output {
    Output { hba: input.hba.clone(), who: input.who }
}
