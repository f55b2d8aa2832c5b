//! `fs.unmount`: unmounts what is mounted at a place; its undo mounts it again as it was. It must not know who used it.

use crate::mounted;
use cutwater_sdk::host::Mount;
use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Device, Done, Effect, Failure, Host, JsonSchema, Needs,
    Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value, json, serde_json,
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

fn must(ctx: &Context<'_>, at: &str) -> Result<Output, Refusal> {
    let found = mounted::at(ctx, at)
        .map_err(|stop| Refusal::new("io", format!("the mounts cannot be read: {stop:?}")))?;
    let mount = found.ok_or_else(|| Refusal::new("not-mounted", format!("nothing is mounted at {at}")))?;
    match mount.root.as_str() {
        "/" | "" => Ok(Output::of(&mount)),
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
        let at = mounted::path(input.at.as_str())?;
        Ok(Shown::new([Effect::run(&command(at))]).output(must(ctx, at)?))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let at = mounted::path(input.at.as_str())?;
        Ok(Shown::new([Effect::run(&must(ctx, at)?.again(at))]).output(()))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let at = mounted::path(input.at.as_str())?;
        let before = match mounted::at(ctx, at)? {
            Some(_) => must(ctx, at)?,
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
        let at = mounted::path(input.at.as_str())?;
        Ok(match (mounted::at(ctx, at)?, story.checkpoint()) {
            (None, Some(before)) => Probed::Applied(before),
            (None, None) => {
                Probed::CannotTell(format!("nothing is mounted at {at}, and this step did not begin"))
            }
            (Some(_), _) => Probed::NotApplied,
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        let at = mounted::path(input.at.as_str())?;
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
