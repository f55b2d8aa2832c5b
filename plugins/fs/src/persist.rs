//! `fs.persist`: lets the entry of a mount point in /etc/fstab name another device, so that the next boot mounts that
//! one. It must not know what is mounted now.

use crate::{fstab, mounted};
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Device, Done, Effect, Failure, Host, JsonSchema, Maybe, Needs,
    Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Changes an entry.
pub struct Persist;

/// Which, and to what.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The mount point.
    pub at: Path,
    /// The device that is to be mounted there.
    pub device: Maybe<Device>,
}

/// The entry.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The mount point.
    pub at: Path,
    /// The device.
    pub device: Maybe<Device>,
}

const FSTAB: &str = "/etc/fstab";

impl Input {
    fn output(&self) -> Output {
        Output { at: self.at.clone(), device: self.device.clone() }
    }

    fn device(&self) -> Result<&str, Refusal> {
        let device = self.device.known()?.as_str();
        match device.starts_with("/dev/") && !device.chars().any(char::is_control) {
            true => Ok(device),
            false => Err(Refusal::new("invalid-path", format!("`{device}` is no path under /dev"))),
        }
    }
}

fn text(ctx: &Context<'_>) -> Result<String, Refusal> {
    ctx.host().read_text(FSTAB)?.ok_or_else(|| Refusal::new("missing", "there is no /etc/fstab"))
}

impl Action for Persist {
    const NAME: &'static str = "persist";
    const SUMMARY: &'static str = "Lets /etc/fstab mount another device at a place.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().write(&[FSTAB])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let at = mounted::path(input.at.as_str())?;
        let before = text(ctx)?;
        let after = match fstab::carries(&before, &ctx.mark) {
            true => before,
            false => fstab::replaced(&before, at, input.device()?, &ctx.mark)?,
        };
        Ok(Shown::new([Effect::write(FSTAB, after)]).output(input.output()))
    }

    /// What is put back is what is there now.
    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let at = mounted::path(input.at.as_str())?;
        let now = text(ctx)?;
        let before = fstab::restored(&now, at, input.device()?, &ctx.mark)?.unwrap_or(now);
        Ok(Shown::new([Effect::write(FSTAB, before)]).output(()))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _checkpoint: Option<Value>) -> Answer<Output> {
        let at = mounted::path(input.at.as_str())?;
        let before = text(ctx)?;
        if !fstab::carries(&before, &ctx.mark) {
            let after = fstab::replaced(&before, at, input.device()?, &ctx.mark)?;
            ctx.host().replace(FSTAB, after.as_bytes())?;
        }
        Ok(Done::Changed(input.output()))
    }

    fn probe(ctx: &Context<'_>, input: &Input, _story: &Story) -> Result<Probed<Output>, Stop> {
        Ok(match fstab::carries(&text(ctx)?, &ctx.mark) {
            true => Probed::Applied(input.output()),
            false => Probed::NotApplied,
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, _story: &Story) -> Answer<()> {
        let at = mounted::path(input.at.as_str())?;
        let restored = fstab::restored(&text(ctx)?, at, input.device()?, &ctx.mark)
            .map_err(|refusal| Failure::new(refusal.code, refusal.message, "the entry in /etc/fstab"))?;
        match restored {
            None => Ok(Done::Unchanged(())),
            Some(text) => {
                ctx.host().replace(FSTAB, text.as_bytes())?;
                Ok(Done::Changed(()))
            }
        }
    }
}
