//! `lvm.lend-extents`: a hold that lends extents to a group which has too few for its snapshots. A device, or a file behind a
//! loop device, is a physical volume of the group for as long as the inner steps last. It must not know what they put there.
//!
//! What would carry a group's own snapshot may not lie on the group: what is written to the origin would be written to it again
//! below, and a group that is full or suspended would wait for itself.

use crate::lent::{Loan, Standing};
use crate::members;
use crate::snapshot::must;
use crate::{name, report, stack};
use cutwater_sdk::call::DOUBT;
use cutwater_sdk::{
    Answer, Bytes, Command, Context, Deserialize, Device, Done, Effect, Ending, Fault, Hold, Host,
    JsonSchema, Maybe, Needs, Path, Refusal, Serialize, Shown, Stop, Take,
};

/// What lies before the first extent of a physical volume: its label, and the rest of what LVM aligns data to.
const BEFORE_DATA: u64 = 1 << 20;

/// Lends extents.
pub struct LendExtents;

/// To whom, and of what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The volume group.
    pub vg: String,
    /// The device whose extents are lent. It must be blank; with `file`, a loop device that nobody uses, such as /dev/loop40.
    pub device: Device,
    /// Where a file is made, on a disk that is none of the group's; the step's mark is added to the name.
    pub file: Option<Path>,
    /// With `file`: how much to lend, rounded up to whole extents. `lvm.check-extents` gives it as `lacking`.
    pub size: Option<Maybe<Bytes>>,
}

/// What inner steps can use.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Taken {
    /// The physical volume; `lvm.snapshot` takes it as `on`.
    pub device: Device,
    /// Its uuid.
    pub uuid: String,
    /// The group's uuid.
    pub identity: String,
    /// Bytes in an extent.
    pub extent: u64,
    /// How many extents are lent.
    pub extents: Maybe<u64>,
}

/// What was given back.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Released {
    /// For how long it was lent.
    pub milliseconds: u64,
}

/// What is lent.
pub struct Lent {
    input: Input,
    group_uuid: String,
    since: u64,
}

impl Input {
    fn loan<'a>(&'a self, ctx: &'a Context<'_>, group_uuid: String) -> Result<Loan<'a>, Refusal> {
        let group = name::plain(&self.vg)?;
        let device = self.device.as_str();
        let wrong = |what: &str| Err(Refusal::new("invalid-input", what.to_owned()));
        if !device.starts_with("/dev/") || device.contains("..") {
            return wrong("`device` must be a path below /dev");
        }
        let file = match (&self.file, &self.size) {
            (None, None) => None,
            (Some(path), Some(_)) => {
                let path = path.as_str();
                if !path.starts_with('/') || path.ends_with('/') || path.split('/').any(|part| part == "..") {
                    return wrong("`file` must be the absolute path of a file");
                }
                if device.strip_prefix("/dev/loop").is_none_or(|number| number.parse::<u32>().is_err()) {
                    return wrong("with `file`, `device` must be a loop device such as /dev/loop40");
                }
                Some(format!("{path}.{}", ctx.mark))
            }
            _ => return wrong("`file` and `size` go together"),
        };
        Ok(Loan { group, group_uuid, device, file, mark: &ctx.mark })
    }

    /// How long the file must be for so many whole extents.
    fn length(&self, extent: u64) -> Maybe<String> {
        let whole =
            |size: &Bytes| size.0.div_ceil(extent.max(1)).saturating_mul(extent).saturating_add(BEFORE_DATA);
        let size = self.size.clone().unwrap_or(Maybe::Known(Bytes(0)));
        size.map(|size| whole(size).to_string())
    }
}

/// Refuses what must not carry the group's snapshots, and what carries something already.
fn must_be_blank(ctx: &Context<'_>, input: &Input, loan: &Loan<'_>) -> Result<(), Refusal> {
    let (below, what) = match &input.file {
        Some(file) => {
            if let Some(other) = stack::behind(ctx, loan.device)? {
                let message =
                    format!("`{}` has {other} behind it already; name another loop device", loan.device);
                return Err(Refusal::new("loop-in-use", message));
            }
            let path = file.as_str();
            let folder =
                path.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
            (stack::of_path(ctx, folder)?, format!("`{folder}`"))
        }
        None => {
            let facts = ctx.host().facts(loan.device)?;
            let used = [&facts.mounts, &facts.holders].into_iter().flatten().next();
            if let Some(carried) = facts.signature.as_ref().or(used) {
                let message = format!(
                    "`{}` is not blank: there is {carried} on it; name another device, or clear this one with `wipefs -a` if \
                     nobody needs what it holds",
                    loan.device
                );
                return Err(Refusal::new("carries-data", message));
            }
            (stack::of_device(ctx, loan.device)?, format!("`{}`", loan.device))
        }
    };
    let of_group: Vec<String> =
        members::read(ctx)?.into_iter().filter(|pv| pv.group == loan.group).map(|pv| pv.number).collect();
    match below.iter().find(|below| of_group.contains(&below.number)) {
        None => Ok(()),
        Some(disk) => {
            let way: Vec<&str> = below.iter().map(|below| below.name.as_str()).collect();
            let message = format!(
                "{what} lies on `{}` itself (by way of {}): `{}` is a physical volume of that group, and a snapshot of the \
                 group kept there would be inside its own origin; name a place on another disk",
                loan.group,
                way.join(", "),
                disk.name
            );
            Err(Refusal::new("inside-itself", message))
        }
    }
}

/// All that lending does, in order.
fn steps(input: &Input, loan: &Loan<'_>, extent: u64) -> Vec<Command> {
    let file = [loan.allocate(&input.length(extent)), loan.close(), loan.attach()];
    file.into_iter().flatten().chain([loan.create(), loan.extend(), loan.tag()]).collect()
}

impl Hold for LendExtents {
    const NAME: &'static str = "lend-extents";
    const SUMMARY: &'static str =
        "Lends a group the extents of a device or a file while its inner steps last.";
    const CARRIES: bool = true;
    type Input = Input;
    type Taken = Taken;
    type Released = Released;
    type Held = Lent;

    fn needs() -> Needs {
        Needs::default()
            .run(&[
                "fallocate",
                "chmod",
                "losetup",
                "pvcreate",
                "vgextend",
                "pvchange",
                "vgreduce",
                "pvremove",
                "lvs",
            ])
            .on(&["with:/vg"])
            .write(&["with:/device", "with:/file"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Taken>, Refusal> {
        let group = report::group(ctx, name::plain(&input.vg)?)?;
        let loan = input.loan(ctx, group.uuid.clone())?;
        must_be_blank(ctx, input, &loan)?;
        let effects: Vec<Effect> = steps(input, &loan, group.extent).iter().map(Effect::run).collect();
        let shown = Shown::new(effects).output(Taken {
            device: loan.device.into(),
            uuid: loan.uuid(),
            identity: group.uuid,
            extent: group.extent,
            extents: Maybe::later(),
        });
        Ok(match &input.file {
            None => shown,
            Some(_) => shown.note(
                "a loop device is gone after a boot: until the run has been resumed, the group lacks a physical volume, and \
                 its volumes are not activated by themselves",
            ),
        })
    }

    fn preview_release(ctx: &Context<'_>, input: &Input) -> Result<Shown<Released>, Refusal> {
        let loan = input.loan(ctx, String::new())?;
        let attach = loan.attach().map(|attach| Effect::run(&attach));
        let back = [Effect::run(&loan.reduce()), Effect::run(&loan.wipe())];
        let detach = loan.detach().map(|detach| Effect::run(&detach));
        let file = loan.file.as_ref().map(Effect::remove);
        let noted = attach.is_some();
        let shown = Shown::new(attach.into_iter().chain(back).chain(detach).chain(file));
        Ok(if noted {
            shown.note("the first only where a boot has taken the file from its device")
        } else {
            shown
        })
    }

    fn take(ctx: &Context<'_>, input: &Input) -> Result<Take<Lent, Taken>, Refusal> {
        let group = report::group(ctx, name::plain(&input.vg)?)?;
        let loan = input.loan(ctx, group.uuid.clone())?;
        must_be_blank(ctx, input, &loan)?;
        let since = ctx.host().monotonic();
        let lent = lend(ctx, input, &loan, group.extent);
        let standing = match lent {
            Ok(standing) => standing,
            Err(stop) => return Err(taken_back(ctx, &loan, stop)),
        };
        let output = Taken {
            device: loan.device.into(),
            uuid: loan.uuid(),
            identity: group.uuid.clone(),
            extent: group.extent,
            extents: Maybe::Known(standing.pv.map_or(0, |pv| pv.extents)),
        };
        let input = Input {
            vg: input.vg.clone(),
            device: input.device.clone(),
            file: input.file.clone(),
            size: input.size.clone(),
        };
        Ok(Take { held: Lent { input, group_uuid: group.uuid, since }, output, give_backs: Vec::new() })
    }

    fn intact(ctx: &Context<'_>, held: &mut Lent) -> Result<(), String> {
        let found = held.input.loan(ctx, held.group_uuid.clone()).and_then(|loan| loan.look(ctx));
        match found.map_err(|refusal| refusal.message)?.pv {
            Some(pv) if !pv.missing && pv.group == held.input.vg => Ok(()),
            _ => {
                Err(format!("`{}` is no physical volume of `{}` any more", held.input.device, held.input.vg))
            }
        }
    }

    fn release(ctx: &Context<'_>, held: &mut Lent, _how: Ending) -> Answer<Released> {
        held.input.loan(ctx, held.group_uuid.clone())?.take_back(ctx)?;
        Ok(Done::Changed(Released { milliseconds: ctx.host().monotonic().saturating_sub(held.since) }))
    }

    fn release_orphan(ctx: &Context<'_>, input: &Input) -> Answer<()> {
        let group = report::group(ctx, name::plain(&input.vg)?)?;
        let changed = input.loan(ctx, group.uuid)?.take_back(ctx)?;
        Ok(if changed { Done::Changed(()) } else { Done::Unchanged(()) })
    }
}

fn lend(ctx: &Context<'_>, input: &Input, loan: &Loan<'_>, extent: u64) -> Result<Standing, Stop> {
    input.size.as_ref().map(Maybe::known).transpose()?;
    for command in steps(input, loan, extent) {
        must(ctx, &command, "part of what is to be lent")?;
    }
    let standing = loan.look(ctx)?;
    match &standing.pv {
        Some(pv) if pv.group == loan.group && pv.tags.iter().any(|tag| tag == loan.mark) => Ok(standing),
        _ => Err(Stop::Unknown(format!("every program ended well, and `{}` is not lent", loan.device))),
    }
}

/// A refusal leaves nothing: what was begun is taken back. Where the end of a program was not seen, or that did not succeed,
/// nobody knows, and the hold is given back as an orphan.
fn taken_back(ctx: &Context<'_>, loan: &Loan<'_>, why: Stop) -> Refusal {
    let (code, message) = match why {
        Stop::Unknown(why) => return Refusal::new(DOUBT, why),
        Stop::Fault(fault) if Fault::cuts_short(&fault.code) => return Refusal::new(DOUBT, fault.message),
        Stop::Refused(refusal) if Fault::cuts_short(&refusal.code) => {
            return Refusal::new(DOUBT, refusal.message);
        }
        Stop::Fault(fault) => (fault.code, fault.message),
        Stop::Refused(refusal) => (refusal.code, refusal.message),
        Stop::Failed(failure) => (failure.code, failure.message),
    };
    match loan.take_back(ctx) {
        Ok(_) => Refusal::new(code, message),
        Err(stop) => Refusal::new(DOUBT, format!("{message}; and taking that back stopped: {stop:?}")),
    }
}
