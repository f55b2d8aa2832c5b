//! `lvm.remove`: removes a volume that this run made, for good. It must not know why it is not needed any more.

use crate::snapshot::asked_after;
use crate::{name, report};
use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Done, Effect, Failure, Host, JsonSchema, Maybe, Needs,
    Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Removes a volume of this run.
pub struct Remove;

/// Which.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// GROUP/VOLUME, as `lvm.snapshot` gives it as `id`.
    pub volume: Maybe<String>,
}

/// What is gone.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// GROUP/VOLUME.
    pub removed: Maybe<String>,
}

fn command(volume: &Maybe<String>) -> Command {
    Command::new("lvremove").arg("-y").arg(volume)
}

/// Whether it is there. Refuses one that no step of this run made.
fn there(ctx: &Context<'_>, volume: &str) -> Result<bool, Refusal> {
    let (group, wanted) = name::pair(volume)?;
    let all = report::volumes(ctx, group)?;
    let Some(found) = all.iter().find(|volume| volume.name == wanted) else { return Ok(false) };
    let ours = name::run_prefix(&ctx.mark);
    match found.tags.iter().any(|tag| tag.starts_with(ours)) {
        true => Ok(true),
        false => {
            let message = format!("`{volume}` carries no tag `{ours}…`: this run did not make it");
            Err(Refusal::new("not-ours", message))
        }
    }
}

impl Action for Remove {
    const NAME: &'static str = "remove";
    const SUMMARY: &'static str = "Removes a volume that this run made; there is no way back.";
    const UNDO: Undo = Undo::None;
    const OWN_ONLY: bool = true;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["lvremove"]).on(&["with:/volume"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        if let Some(volume) = input.volume.get() {
            there(ctx, volume)?;
        }
        Ok(Shown::new([Effect::run(&command(&input.volume))])
            .output(Output { removed: input.volume.clone() }))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _checkpoint: Option<Value>) -> Answer<Output> {
        let volume = input.volume.known()?;
        let output = Output { removed: input.volume.clone() };
        if !there(ctx, volume)? {
            return Ok(Done::Unchanged(output));
        }
        let told = ctx.host().run(&command(&input.volume))?;
        let left = asked_after(there(ctx, volume), "perhaps the volume")?;
        match (told.success(), left) {
            (true, false) => Ok(Done::Changed(output)),
            (true, true) => {
                Err(Stop::Unknown("lvremove ended well, and the volume is still there".to_owned()))
            }
            (false, _) => {
                Err(Failure::new("lvremove", told.words(), format!("the volume {volume}")).again().into())
            }
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, _story: &Story) -> Result<Probed<Output>, Stop> {
        Ok(match there(ctx, input.volume.known()?)? {
            true => Probed::NotApplied,
            false => Probed::Applied(Output { removed: input.volume.clone() }),
        })
    }
}
