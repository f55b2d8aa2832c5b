//! `lvm.fence`: bars a volume from being activated by itself, at boot or by a bare `vgchange -ay`. It must not know which
//! service would use it.
//!
//! The bar is in the group's metadata, so it lasts across boots: no automatic activation, and activation passes the volume
//! over unless told `-K`. What is active stays so until the next boot. The tag tells whose bar it is.

use crate::report::Volume;
use crate::snapshot::{asked_after, must};
use crate::{name, report};
use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Device, Done, Effect, Failure, Host, JsonSchema, Maybe,
    Needs, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Bars a volume.
pub struct Fence;

/// Which volume.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The volume group.
    pub vg: String,
    /// The volume's name.
    pub volume: String,
}

/// The volume.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// GROUP/VOLUME.
    pub id: String,
    /// Its device.
    pub device: Device,
    /// Its uuid.
    pub identity: Maybe<String>,
    /// The tag that tells whose bar it is; `lvm.unfence` takes it.
    pub tag: Maybe<String>,
}

impl Input {
    fn id(&self) -> Result<String, Refusal> {
        Ok(format!("{}/{}", name::plain(&self.vg)?, name::plain(&self.volume)?))
    }

    fn look(&self, ctx: &Context<'_>) -> Result<Volume, Refusal> {
        self.id()?;
        Ok(report::find(&report::volumes(ctx, &self.vg)?, &self.vg, &self.volume)?.clone())
    }

    fn output(&self, volume: &Volume, tag: Maybe<String>) -> Result<Output, Refusal> {
        let device = name::device(&self.vg, &self.volume).into();
        Ok(Output { id: self.id()?, device, identity: Maybe::Known(volume.uuid.clone()), tag })
    }

    fn barred(&self, ctx: &Context<'_>, volume: &Volume) -> Result<Output, Refusal> {
        self.output(volume, Maybe::Known(ctx.mark.clone()))
    }

    fn bar(&self, ctx: &Context<'_>) -> Result<Command, Refusal> {
        let set = ["--setautoactivation", "n", "--setactivationskip", "y", "--addtag"];
        Ok(Command::new("lvchange").args(set).arg(&ctx.mark).arg(self.id()?))
    }

    fn lift(&self, ctx: &Context<'_>) -> Result<Command, Refusal> {
        Ok(lift(&ctx.mark, &self.id()?))
    }

    fn activate(&self) -> Result<Command, Refusal> {
        Ok(activate(&self.id()?))
    }
}

/// Opens a volume again.
pub(crate) fn lift(tag: impl std::fmt::Display, id: &str) -> Command {
    let set = ["--setautoactivation", "y", "--setactivationskip", "n", "--deltag"];
    Command::new("lvchange").args(set).arg(tag).arg(id)
}

/// Activates what a boot may have passed over.
pub(crate) fn activate(id: &str) -> Command {
    Command::new("lvchange").args(["-ay", "-K"]).arg(id)
}

/// Whose bar there is.
enum Bar {
    None,
    Ours,
    Others,
}

/// A bar of somebody else that is only half of one could not be given back as it was.
fn bar(ctx: &Context<'_>, volume: &Volume) -> Result<Bar, Refusal> {
    match (volume.carries(&ctx.mark), volume.automatic, volume.skipped) {
        (true, false, true) => Ok(Bar::Ours),
        (_, true, false) => Ok(Bar::None),
        (false, false, true) => Ok(Bar::Others),
        (_, automatic, skipped) => Err(Refusal::new(
            "half-barred",
            format!(
                "`{}` is neither open nor barred (automatic activation {}, skipped {}); set both with `lvchange \
                 --setautoactivation y --setactivationskip n`",
                volume.name,
                if automatic { "on" } else { "off" },
                if skipped { "yes" } else { "no" },
            ),
        )),
    }
}

impl Action for Fence {
    const NAME: &'static str = "fence";
    const SUMMARY: &'static str = "Bars a volume from being activated by itself.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["lvchange"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let volume = input.look(ctx)?;
        bar(ctx, &volume)?;
        Ok(Shown::new([Effect::run(&input.bar(ctx)?)]).output(input.output(&volume, Maybe::later())?))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let effects = [Effect::run(&input.lift(ctx)?), Effect::run(&input.activate()?)];
        Ok(Shown::new(effects).output(()).note("it is activated only if it is not active by then"))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _checkpoint: Option<Value>) -> Answer<Output> {
        let volume = input.look(ctx)?;
        match bar(ctx, &volume)? {
            Bar::Ours => return Ok(Done::Changed(input.barred(ctx, &volume)?)),
            // No tag of this step's: there is nothing for `lvm.unfence` to lift.
            Bar::Others => return Ok(Done::Unchanged(input.barred(ctx, &volume)?)),
            Bar::None => {}
        }
        let told = ctx.host().run(&input.bar(ctx)?)?;
        let after = asked_after(input.look(ctx), "perhaps the volume is barred")?;
        match (asked_after(bar(ctx, &after), "some of the bar")?, told.success()) {
            (Bar::Ours, _) => Ok(Done::Changed(input.barred(ctx, &after)?)),
            (Bar::None, false) => Err(Refusal::new("lvchange", told.words()).into()),
            _ => Err(Failure::new("lvchange", told.words(), format!("{} is not barred", input.id()?)).into()),
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, _story: &Story) -> Result<Probed<Output>, Stop> {
        let volume = input.look(ctx)?;
        Ok(match bar(ctx, &volume)? {
            Bar::Ours => Probed::Applied(input.barred(ctx, &volume)?),
            Bar::None | Bar::Others => Probed::NotApplied,
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, _story: &Story) -> Answer<()> {
        let before = input.look(ctx)?;
        if !before.carries(&ctx.mark) {
            return Ok(Done::Unchanged(()));
        }
        must(ctx, &input.lift(ctx)?, "the volume is barred from activation")?;
        if !before.active() {
            must(ctx, &input.activate()?, "the volume is not active")?;
        }
        Ok(Done::Changed(()))
    }
}
