//! `lvm.unfence`: lifts a bar that this run has put before a volume, and activates what a boot has passed over meanwhile. It
//! must not know another run's.

use crate::fence::{activate, lift};
use crate::report::Volume;
use crate::snapshot::must;
use crate::{name, report};
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Device, Done, Effect, JsonSchema, Maybe, Needs, Probed, Refusal,
    Serialize, Shown, Stop, Story, Undo, Value,
};

/// Lifts a bar.
pub struct Unfence;

/// Which.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The volume group.
    pub vg: String,
    /// The volume's name.
    pub volume: String,
    /// The bar, as `lvm.fence` gives it as `tag`.
    pub tag: Maybe<String>,
}

/// The volume, open and active.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// GROUP/VOLUME.
    pub id: String,
    /// Its device.
    pub device: Device,
}

impl Input {
    fn output(&self) -> Result<Output, Refusal> {
        Ok(Output { id: self.id()?, device: name::device(&self.vg, &self.volume).into() })
    }

    fn id(&self) -> Result<String, Refusal> {
        Ok(format!("{}/{}", name::plain(&self.vg)?, name::plain(&self.volume)?))
    }

    /// The volume, and the tag where it is one of this run's.
    fn look(&self, ctx: &Context<'_>) -> Result<(Volume, String), Refusal> {
        self.id()?;
        let tag = self.tag.known()?;
        if !tag.starts_with(name::run_prefix(&ctx.mark)) {
            let message = format!("`{tag}` is no tag of this run, which lifts only its own bars");
            return Err(Refusal::new("not-ours", message));
        }
        let all = report::volumes(ctx, &self.vg)?;
        Ok((report::find(&all, &self.vg, &self.volume)?.clone(), tag.clone()))
    }
}

impl Action for Unfence {
    const NAME: &'static str = "unfence";
    const SUMMARY: &'static str = "Lifts the bar that this run put before a volume, and activates it.";
    const UNDO: Undo = Undo::None;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["lvchange"])
    }

    fn preview(_ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let id = input.id()?;
        let effects = [Effect::run(&lift(&input.tag, &id)), Effect::run(&activate(&id))];
        Ok(Shown::new(effects)
            .output(input.output()?)
            .note("it is activated only if it is not active by then"))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let (volume, tag) = input.look(ctx)?;
        let (id, barred) = (input.id()?, volume.carries(&tag));
        if barred {
            must(ctx, &lift(&tag, &id), "the volume is barred from activation")?;
        }
        if !volume.active() {
            must(ctx, &activate(&id), "the volume is not active")?;
        }
        match barred || !volume.active() {
            true => Ok(Done::Changed(input.output()?)),
            false => Ok(Done::Unchanged(input.output()?)),
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        let (volume, tag) = input.look(ctx)?;
        Ok(match (volume.carries(&tag), volume.active()) {
            (false, true) => Probed::Applied(input.output()?),
            (true, _) => Probed::NotApplied,
            (false, false) => Probed::PartWay(None),
        })
    }
}
