//! `files.release`: gives a copy free that its last pass has verified; taken back, it is held again. It must not know how it
//! was copied.

use crate::lines;
use cutwater_sdk::held::{self, State};
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Done, Effect, Host, JsonSchema, Maybe, Needs, Path, Probed,
    Refusal, Serialize, Shown, Stop, Story, Undo, Value, json,
};

/// Gives a copy free.
pub struct Release;

/// Which.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The folder that holds the copy.
    pub at: Maybe<Path>,
    /// The hold on it, as `files.sync` gave it.
    pub held: Maybe<String>,
}

/// What is free.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The folder.
    pub at: Maybe<Path>,
}

impl Input {
    fn mark(&self) -> Result<String, Refusal> {
        Ok(held::path(lines::folder(&self.at)?))
    }

    /// Whether the folder is held by this hold; refuses another one, and a copy that is not whole.
    fn is_held(&self, ctx: &Context<'_>) -> Result<bool, Stop> {
        let (at, wanted) = (lines::folder(&self.at)?, self.held.known()?);
        let at = at.known()?;
        match held::of(ctx, at)? {
            None => Ok(false),
            Some(held) if held.by != *wanted => {
                Err(Refusal::new("held", format!("{at} is held by {}, not by {wanted}", held.by)).into())
            }
            Some(held) if held.state != State::Verified => {
                let message =
                    format!("the copy in {at} is unfinished: only a pass that is `last` can be released");
                Err(Refusal::new("unfinished", message).into())
            }
            Some(_) => Ok(true),
        }
    }
}

impl Action for Release {
    const NAME: &'static str = "release";
    const SUMMARY: &'static str = "Gives a verified copy free; taken back, it is held again.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default()
    }

    fn preview(_ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        Ok(Shown::new([Effect::remove(input.mark()?)]).output(Output { at: input.at.clone() }))
    }

    fn preview_undo(_ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([Effect::write(input.mark()?, held::text(&input.held, State::Verified))]))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let output = Output { at: input.at.clone() };
        match (input.is_held(ctx)?, checkpoint) {
            (true, _) => {
                ctx.host().save(&json!({ "was-held": true }))?;
                ctx.host().remove(&input.mark()?)?;
                Ok(Done::Changed(output))
            }
            (false, Some(_)) => Ok(Done::Changed(output)),
            (false, None) => {
                let message = format!("{} does not hold the copy {}", input.at, input.held);
                Err(Refusal::new("not-held", message).into())
            }
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        Ok(match (&story.checkpoint, input.is_held(ctx)?) {
            (Some(_), false) => Probed::Applied(Output { at: input.at.clone() }),
            _ => Probed::NotApplied,
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        if story.checkpoint.is_none() || input.is_held(ctx)? {
            return Ok(Done::Unchanged(()));
        }
        ctx.host().replace(&input.mark()?, held::text(&input.held, State::Verified).as_bytes())?;
        Ok(Done::Changed(()))
    }
}
