//! `fs.unmount`: unmounts what is mounted at a place; its undo mounts it again as it was. It must not know who used it.

use crate::mounted;
use cutwater_sdk::host::Mount;
use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Device, Done, Effect, Failure, Host, JsonSchema, Maybe,
    Needs, Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value, json, serde_json,
};

/// Unmounts.
pub struct Unmount;

/// Where.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The mount point.
    pub at: Path,
    /// The device that an earlier step mounts there; another one is refused. Without it, something must be mounted there
    /// while planning already.
    pub device: Option<Maybe<Device>>,
}

/// What was mounted there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The device.
    pub device: Device,
    /// The file system's type.
    #[serde(rename = "type")]
    pub fs: String,
    /// Its options.
    pub options: String,
}

impl Output {
    fn of(mount: &Mount) -> Self {
        Self { device: mount.device.as_str().into(), fs: mount.fs.clone(), options: mounted::options(mount) }
    }

    fn again(&self, at: &str) -> Command {
        Command::new("mount").args(["-t", &self.fs, "-o", &self.options, self.device.as_str(), at])
    }
}

fn command(at: &str) -> Command {
    Command::new("umount").arg(at)
}

impl Input {
    fn at(&self) -> Result<&str, Refusal> {
        mounted::path(self.at.as_str())
    }

    /// What is mounted there, by the name that the device was given.
    fn mounted(&self, ctx: &Context<'_>) -> Result<Output, Refusal> {
        let found = must(ctx, self.at()?)?;
        let Some(device) = &self.device else { return Ok(Output::of(&found)) };
        let device = device.known()?;
        match mounted::is_of(&found, device.as_str()) {
            true => Ok(Output { device: device.clone(), ..Output::of(&found) }),
            false => {
                let message = format!("{} is mounted at {}, and not {device}", found.device, self.at);
                Err(Refusal::new("other-device", message))
            }
        }
    }

    /// The device, where an earlier step is to mount it and has not yet.
    fn to_come(&self, ctx: &Context<'_>) -> Option<&Maybe<Device>> {
        self.device.as_ref().filter(|_| ctx.planning())
    }
}

fn must(ctx: &Context<'_>, at: &str) -> Result<Mount, Refusal> {
    let found = mounted::at(ctx, at)
        .map_err(|stop| Refusal::new("io", format!("the mounts cannot be read: {stop:?}")))?;
    let mount = found.ok_or_else(|| Refusal::new("not-mounted", format!("nothing is mounted at {at}")))?;
    match mount.root.as_str() {
        "/" | "" => Ok(mount),
        root => {
            let message =
                format!("{at} shows only the folder {root} of its file system, and could not be put back");
            Err(Refusal::new("bind-mount", message))
        }
    }
}

impl Action for Unmount {
    const NAME: &'static str = "unmount";
    const SUMMARY: &'static str = "Unmounts a file system; taken back, it is mounted again as it was.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().mount(&["with:/at"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let shown = Shown::new([Effect::run(&command(input.at()?))]);
        match input.to_come(ctx) {
            Some(_) => Ok(shown),
            None => Ok(shown.output(input.mounted(ctx)?)),
        }
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let at = input.at()?;
        let mount = match input.to_come(ctx) {
            Some(device) => {
                let later = Maybe::<String>::later();
                Command::new("mount").arg("-t").arg(&later).arg("-o").arg(&later).arg(device).arg(at)
            }
            None => input.mounted(ctx)?.again(at),
        };
        Ok(Shown::new([Effect::run(&mount)]).output(()))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let at = input.at()?;
        let before = match mounted::at(ctx, at)? {
            Some(_) => input.mounted(ctx)?,
            None => {
                let gone = checkpoint.and_then(|state| serde_json::from_value(state).ok());
                return match gone {
                    Some(output) => Ok(Done::Changed(output)),
                    None => Err(Refusal::new("not-mounted", format!("nothing is mounted at {at}")).into()),
                };
            }
        };
        ctx.host().save(&json!(before))?;
        let told = ctx.host().run(&command(at))?;
        match (told.success(), mounted::at(ctx, at)?) {
            (true, None) => Ok(Done::Changed(before)),
            (true, Some(under)) => {
                let left = format!("{} is mounted at {at}, under what was unmounted", under.device);
                Err(Failure::new("mounted-twice", format!("{at} had more than one mount"), left).into())
            }
            (false, None) => Ok(Done::Changed(before)),
            (false, Some(_)) if told.words().contains("busy") => {
                let message = format!("{}; `fuser -vm {at}` shows who uses it", told.words());
                Err(Refusal::new("busy", message).again().into())
            }
            (false, Some(_)) => Err(Refusal::new("umount", told.words()).into()),
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        let at = input.at()?;
        Ok(match (mounted::at(ctx, at)?, story.checkpoint()) {
            (None, Some(before)) => Probed::Applied(before),
            (None, None) => {
                Probed::CannotTell(format!("nothing is mounted at {at}, and this step did not begin"))
            }
            (Some(_), _) => Probed::NotApplied,
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        let at = input.at()?;
        let before = story.output::<Output>().or_else(|| story.checkpoint());
        let Some(before) = before else { return Ok(Done::Unchanged(())) };
        if let Some(now) = mounted::at(ctx, at)? {
            return match mounted::is_of(&now, before.device.as_str()) {
                true => Ok(Done::Unchanged(())),
                false => {
                    let message = format!("{} is mounted at {at}, where {} was", now.device, before.device);
                    Err(Failure::new("mounted-over", message, format!("{} is not mounted", before.device))
                        .into())
                }
            };
        }
        let told = ctx.host().run(&before.again(at))?;
        match mounted::at(ctx, at)? {
            Some(_) => Ok(Done::Changed(())),
            None => {
                let left = format!("{} is not mounted at {at}", before.device);
                Err(Failure::new("mount", told.words(), left).again().into())
            }
        }
    }
}
