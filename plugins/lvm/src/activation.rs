//! `lvm.activate` and `lvm.deactivate`: makes a volume's device come and go. Each takes the other back. They must not know
//! what the device is for.
//!
//! A volume carries no trace of who activated it. A checkpoint, saved before anything is done, says that it was the other
//! way before: without one nothing was done, and nothing is taken back.

use crate::snapshot::{asked_after, must};
use crate::{name, report};
use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Device, Done, Effect, Host, JsonSchema, Maybe, Needs,
    Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value, json,
};

/// Makes the device.
pub struct Activate;

/// Takes the device away.
pub struct Deactivate;

/// Which volume.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// GROUP/VOLUME.
    pub volume: Maybe<String>,
}

/// The volume.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// GROUP/VOLUME.
    pub volume: Maybe<String>,
    /// Its device, while it is active.
    pub device: Maybe<Device>,
}

impl Input {
    fn output(&self) -> Output {
        let device = self.volume.map(|volume| Device(format!("/dev/{}", volume.trim_start_matches("/dev/"))));
        Output { volume: self.volume.clone(), device }
    }
}

/// `-K` because whoever writes the step means this volume, even one that is otherwise passed over.
fn command(volume: &Maybe<String>, active: bool) -> Command {
    let how: &[&str] = if active { &["-ay", "-K"] } else { &["-an"] };
    Command::new("lvchange").args(how).arg(volume)
}

fn active(ctx: &Context<'_>, volume: &str) -> Result<bool, Refusal> {
    let (group, wanted) = name::pair(volume)?;
    Ok(report::find(&report::volumes(ctx, group)?, group, wanted)?.active())
}

fn preview(ctx: &Context<'_>, input: &Input, to: bool) -> Result<Shown<Output>, Refusal> {
    if let Some(volume) = input.volume.get() {
        active(ctx, volume)?;
    }
    Ok(Shown::new([Effect::run(&command(&input.volume, to))]).output(input.output()))
}

fn apply(ctx: &Context<'_>, input: &Input, to: bool, checkpoint: Option<Value>) -> Answer<Output> {
    let volume = input.volume.known()?;
    if active(ctx, volume)? == to {
        return Ok(match checkpoint {
            Some(_) => Done::Changed(input.output()),
            None => Done::Unchanged(input.output()),
        });
    }
    ctx.host().save(&json!({ "was-active": !to }))?;
    let told = ctx.host().run(&command(&input.volume, to))?;
    let now = asked_after(active(ctx, volume), "perhaps the volume is active now, or no more")?;
    match (told.success(), now == to) {
        (_, true) => Ok(Done::Changed(input.output())),
        (false, false) => Err(Refusal::new("lvchange", told.words()).into()),
        (true, false) => {
            Err(Refusal::new("lvchange", "lvchange ended well, and the volume is as it was before").into())
        }
    }
}

fn probe(ctx: &Context<'_>, input: &Input, to: bool, story: &Story) -> Result<Probed<Output>, Stop> {
    Ok(match active(ctx, input.volume.known()?)? == to && story.checkpoint.is_some() {
        true => Probed::Applied(input.output()),
        false => Probed::NotApplied,
    })
}

fn undo(ctx: &Context<'_>, input: &Input, to: bool, story: &Story) -> Answer<()> {
    if story.checkpoint.is_none() || active(ctx, input.volume.known()?)? != to {
        return Ok(Done::Unchanged(()));
    }
    must(
        ctx,
        &command(&input.volume, !to),
        if to { "the volume is active" } else { "the volume is not active" },
    )?;
    Ok(Done::Changed(()))
}

macro_rules! step {
    ($type:ident, $name:literal, $summary:literal, $to:literal) => {
        impl Action for $type {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = $summary;
            const UNDO: Undo = Undo::Restores;
            type Input = Input;
            type Output = Output;

            fn needs() -> Needs {
                Needs::default().run(&["lvchange"]).on(&["with:/volume"])
            }

            fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
                preview(ctx, input, $to)
            }

            fn preview_undo(_ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
                Ok(Shown::new([Effect::run(&command(&input.volume, !$to))]).output(()))
            }

            fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
                apply(ctx, input, $to, checkpoint)
            }

            fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
                probe(ctx, input, $to, story)
            }

            fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
                undo(ctx, input, $to, story)
            }
        }
    };
}

step!(Activate, "activate", "Makes a volume's device.", true);
step!(Deactivate, "deactivate", "Takes a volume's device away.", false);
