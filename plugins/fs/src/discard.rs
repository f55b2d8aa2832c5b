//! `fs.discard`: unmounts what an earlier step of the run mounted, for good. Nothing mounted there is fine too. It must not
//! know what the device is.

use crate::mount::unmounted;
use crate::mounted;
use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Device, Done, Effect, JsonSchema, Needs, Path, Probed,
    Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Unmounts for good.
pub struct Discard;

/// What and where.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The device; another one that is mounted there is refused.
    pub device: Device,
    /// Where.
    pub at: Path,
}

/// Nothing.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {}

impl Input {
    fn mounted(&self, ctx: &Context<'_>) -> Result<bool, Stop> {
        match mounted::at(ctx, mounted::path(self.at.as_str())?)? {
            None => Ok(false),
            Some(mount) if mounted::is_of(&mount, self.device.as_str()) => Ok(true),
            Some(mount) => {
                let message = format!("{} is mounted at {}, and not {}", mount.device, self.at, self.device);
                Err(Refusal::new("other-device", message).into())
            }
        }
    }
}

impl Action for Discard {
    const NAME: &'static str = "discard";
    const SUMMARY: &'static str = "Unmounts a device for good, if it is mounted.";
    const UNDO: Undo = Undo::None;
    const OWN_ONLY: bool = true;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().mount(&["with:/at"])
    }

    fn preview(_: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let umount = Command::new("umount").arg(mounted::path(input.at.as_str())?);
        Ok(Shown::new([Effect::run(&umount)]).output(Output {}))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        if !input.mounted(ctx)? {
            return Ok(Done::Unchanged(Output {}));
        }
        unmounted(ctx, mounted::path(input.at.as_str())?)?;
        Ok(Done::Changed(Output {}))
    }

    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        Ok(match input.mounted(ctx)? {
            true => Probed::NotApplied,
            false => Probed::Applied(Output {}),
        })
    }
}
