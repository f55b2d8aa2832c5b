//! `fs.freeze`: a hold that keeps every writer of a mounted file system waiting. It must not know what is done meanwhile.
//!
//! A freeze belongs to nobody: it outlives whoever asked for it, so the guard can thaw it alone. Nobody can ask the kernel
//! whether it lasts, but while it does not a sector reaches the device, and the kernel counts those. LVM freezes by itself
//! for its own snapshots, and fails on a file system that is frozen already (kernel 6.1): never put `lvm.snapshot` inside.

use crate::mounted;
use cutwater_sdk::{
    Answer, Context, Deserialize, Device, Done, Effect, Ending, GiveBack, Hold, Host, JsonSchema, Needs,
    Path, Refusal, Serialize, Shown, Take,
};

/// Freezes a file system.
pub struct Freeze;

/// Which.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// Where it is mounted.
    pub at: Path,
}

/// What is frozen.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Taken {
    /// The device below it, all of whose content is on the disk.
    pub device: Device,
}

/// How long it was frozen.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Released {
    /// From before the freeze until after the thaw.
    pub milliseconds: u64,
}

/// The freeze.
pub struct Frozen {
    at: String,
    device: String,
    since: u64,
    written: u64,
}

fn device(ctx: &Context<'_>, at: &str) -> Result<Device, Refusal> {
    let mounts = ctx.host().mounts()?;
    let mount = mounts.into_iter().rfind(|mount| mount.at == at);
    let mount = mount.ok_or_else(|| Refusal::new("not-mounted", format!("nothing is mounted at {at}")))?;
    Ok(mount.device.into())
}

impl Hold for Freeze {
    const NAME: &'static str = "freeze";
    const SUMMARY: &'static str = "Keeps the writers of a mounted file system waiting.";
    type Input = Input;
    type Taken = Taken;
    type Released = Released;
    type Held = Frozen;

    fn needs() -> Needs {
        Needs::default().freeze(&["with:/at"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Taken>, Refusal> {
        let at = mounted::path(input.at.as_str())?;
        let device = device(ctx, at)?;
        // Whether it may be asked for its writes is seen before the night.
        ctx.host().facts(&device.0)?;
        Ok(Shown::new([Effect::freeze(at)]).output(Taken { device }))
    }

    fn preview_release(_ctx: &Context<'_>, _input: &Input) -> Result<Shown<Released>, Refusal> {
        Ok(Shown::new([]))
    }

    fn take(ctx: &Context<'_>, input: &Input) -> Result<Take<Frozen, Taken>, Refusal> {
        let at = mounted::path(input.at.as_str())?;
        let device = device(ctx, at)?.0;
        // Before anything is frozen: the count of its writes must be readable.
        ctx.host().facts(&device)?;
        let since = ctx.host().monotonic();
        ctx.host().freeze(at)?;
        let written = match ctx.host().facts(&device) {
            Ok(facts) => facts.written,
            Err(fault) => {
                ctx.host().thaw(at)?;
                return Err(fault.into());
            }
        };
        let output = Taken { device: device.as_str().into() };
        let held = Frozen { at: at.to_owned(), device, since, written };
        Ok(Take { held, output, give_backs: vec![GiveBack::Thaw(at.to_owned())] })
    }

    fn intact(ctx: &Context<'_>, held: &mut Frozen) -> Result<(), String> {
        match ctx.host().facts(&held.device) {
            Ok(facts) if facts.written == held.written => Ok(()),
            Ok(_) => Err(format!("{} was written: {} was thawed meanwhile", held.device, held.at)),
            Err(fault) => Err(format!("whether {} is still frozen cannot be told: {fault}", held.at)),
        }
    }

    fn release(ctx: &Context<'_>, held: &mut Frozen, _how: Ending) -> Answer<Released> {
        ctx.host().thaw(&held.at)?;
        Ok(Done::Changed(Released { milliseconds: ctx.host().monotonic().saturating_sub(held.since) }))
    }

    fn release_orphan(ctx: &Context<'_>, input: &Input) -> Answer<()> {
        ctx.host().thaw(mounted::path(input.at.as_str())?)?;
        Ok(Done::Changed(()))
    }
}
