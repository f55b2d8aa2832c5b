//! `fs.mount`: mounts a device at a place. It must not know what lies on it.
//!
//! A mount carries no mark. A checkpoint, saved before anything is done, says that it was not there before: without one
//! nothing was done, and nothing is taken back.

use crate::mounted;
use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Device, Done, Effect, Failure, Host, JsonSchema, Maybe,
    Needs, Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value, json,
};

/// Mounts a device.
pub struct Mount;

/// What and where.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The device, by its own name: by UUID or label, a copy could be taken for its source.
    pub device: Maybe<Device>,
    /// Where; made if missing.
    pub at: Path,
    /// Options, separated by commas, such as `nouuid` for a copy of an XFS that is mounted too.
    pub options: Option<Maybe<String>>,
    /// The type of the file system; recognised if absent.
    #[serde(rename = "type")]
    pub fs: Option<Maybe<String>>,
}

/// What is mounted.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The device.
    pub device: Maybe<Device>,
    /// Where.
    pub at: Path,
    /// The file system's type.
    #[serde(rename = "type")]
    pub fs: Maybe<String>,
    /// The options that the kernel tells.
    pub options: Maybe<String>,
}

impl Input {
    fn at(&self) -> Result<&str, Refusal> {
        mounted::path(self.at.as_str())
    }

    fn command(&self) -> Result<Command, Refusal> {
        if let Some(device) = self.device.get().filter(|device| !device.0.starts_with('/')) {
            let message = format!("`{device}` is no device's path; a copy is never mounted by UUID or label");
            return Err(Refusal::new("invalid-path", message));
        }
        let mut command = Command::new("mount");
        for (option, value) in [("-t", &self.fs), ("-o", &self.options)] {
            if let Some(value) = value {
                command = command.arg(option).arg(value);
            }
        }
        Ok(command.arg(&self.device).arg(self.at()?))
    }

    fn output(&self, mount: &cutwater_sdk::host::Mount) -> Output {
        Output {
            device: self.device.clone(),
            at: self.at.clone(),
            fs: Maybe::Known(mount.fs.clone()),
            options: Maybe::Known(mounted::options(mount)),
        }
    }

    /// What is mounted there, if it is this device; refuses another one.
    fn there(&self, ctx: &Context<'_>) -> Result<Option<cutwater_sdk::host::Mount>, Stop> {
        let Some(mount) = mounted::at(ctx, self.at()?)? else { return Ok(None) };
        match mounted::is_of(&mount, &self.device.known()?.0) {
            true => Ok(Some(mount)),
            false => {
                let message = format!("{} is mounted at {} already", mount.device, self.at);
                Err(Refusal::new("mounted-over", message).into())
            }
        }
    }
}

fn umount(at: &str) -> Command {
    Command::new("umount").arg(at)
}

impl Action for Mount {
    const NAME: &'static str = "mount";
    const SUMMARY: &'static str = "Mounts a device.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().mount(&["with:/at"])
    }

    fn preview(_ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let output = Output {
            device: input.device.clone(),
            at: input.at.clone(),
            fs: Maybe::later(),
            options: Maybe::later(),
        };
        Ok(Shown::new([Effect::run(&input.command()?)]).output(output))
    }

    fn preview_undo(_ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([Effect::run(&umount(input.at()?))]).output(()))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        if let Some(mount) = input.there(ctx)? {
            return Ok(match checkpoint {
                Some(_) => Done::Changed(input.output(&mount)),
                None => Done::Unchanged(input.output(&mount)),
            });
        }
        ctx.host().save(&json!({ "was-mounted": false }))?;
        if ctx.host().stat(input.at()?).is_err_and(|fault| fault.is_missing()) {
            ctx.host().make_folder(input.at()?)?;
        }
        let told = ctx.host().run(&input.command()?)?;
        match (input.there(ctx)?, told.success()) {
            (Some(mount), _) => Ok(Done::Changed(input.output(&mount))),
            (None, false) => Err(Refusal::new("mount", told.words()).into()),
            (None, true) => Err(Stop::Unknown("mount ended well, and nothing is mounted there".to_owned())),
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        Ok(match (input.there(ctx)?, &story.checkpoint) {
            (Some(mount), Some(_)) => Probed::Applied(input.output(&mount)),
            _ => Probed::NotApplied,
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        if story.checkpoint.is_none() || input.there(ctx)?.is_none() {
            return Ok(Done::Unchanged(()));
        }
        unmounted(ctx, input.at()?)?;
        Ok(Done::Changed(()))
    }
}

/// Unmounts, and makes sure of it.
pub(crate) fn unmounted(ctx: &Context<'_>, at: &str) -> Result<(), Stop> {
    let told = ctx.host().run(&umount(at))?;
    if !told.success() {
        let code = if told.words().contains("busy") { "busy" } else { "umount" };
        return Err(Failure::new(code, told.words(), format!("{at} is still mounted")).again().into());
    }
    Ok(())
}
