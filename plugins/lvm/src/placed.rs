//! `lvm.placed`: whether volumes lie wholly on the physical volumes that are named, and whether another one has room for all of
//! them. It must not know who moves them.

use crate::layout::{Layout, Lv, Place};
use crate::move_volumes::Extents;
use crate::moving::extents;
use crate::{name, physical};
use cutwater_sdk::{
    Bytes, Check, Context, Deserialize, Device, JsonSchema, Maybe, Needs, Refusal, Serialize,
};

/// Looks where volumes lie.
pub struct Placed;

/// Which, and where.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The volume group.
    pub vg: String,
    /// The volumes; all that lie on `on` if none is named.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// Physical volumes: each volume lies wholly on one of them, and on each of them lies at least one.
    pub on: Vec<Maybe<Device>>,
    /// A physical volume that must have room for all of them together.
    pub room_on: Option<Device>,
}

/// The volumes as they are.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// Extents that the volumes take together.
    pub needed: u64,
    /// Extents of `room-on` that nobody uses now.
    #[schemars(extend("x-estimate" = true))]
    pub free: Option<u64>,
    /// What the volumes take together.
    pub bytes: Bytes,
    /// The volumes, in the order asked for.
    pub volumes: Vec<Volume>,
}

/// A volume and where it lies.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// The physical volume, as `on` names it.
    pub on: Device,
    /// Its size.
    pub bytes: Bytes,
    /// Its uuid.
    pub identity: String,
    /// Its extents.
    pub extents: Vec<Extents>,
}

impl Check for Placed {
    const NAME: &'static str = "placed";
    const SUMMARY: &'static str =
        "Whether volumes lie wholly on physical volumes, and whether another one has room for them.";
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["lvs", "pvs"])
    }

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        if input.on.is_empty() {
            return Err(Refusal::new("invalid-input", "`on` names no physical volume"));
        }
        let group = name::plain(&input.vg)?;
        let layout = Layout::read(ctx, group)?;
        let mut disks = Vec::new();
        for device in &input.on {
            let device = device.known()?;
            disks.push((device, physical::of_group(ctx, group, device)?));
        }
        let under = |lv: &Lv| match layout.place(lv) {
            Place::On(pv) => {
                Ok(disks.iter().find(|(_, disk)| disk.name == pv).map(|(device, _)| *device).ok_or(pv))
            }
            Place::Moving(moving) => Err(moving.to_string()),
            Place::Apart(what) => Err(what),
        };
        let meant: Vec<&Lv> = match input.volumes.is_empty() {
            true => layout.lvs.iter().filter(|lv| !lv.hidden && matches!(under(lv), Ok(Ok(_)))).collect(),
            false => layout.named(group, &input.volumes)?,
        };
        let needed: u64 = meant.iter().map(|lv| lv.extents()).sum();
        let mut volumes = Vec::new();
        for lv in meant {
            let id = format!("{group}/{}", lv.name);
            let elsewhere = |what: String| Refusal::new("not-placed", format!("`{id}` is elsewhere: {what}"));
            let on = under(lv).map_err(elsewhere)?.map_err(|pv| elsewhere(format!("it lies on {pv}")))?;
            if lv.suspended() {
                let message = format!("every access to `{id}` hangs; `lvchange --refresh {id}` resumes it");
                return Err(Refusal::new("suspended", message));
            }
            volumes.push(Volume {
                name: lv.name.clone(),
                on: on.clone(),
                bytes: Bytes(lv.extents() * layout.extent),
                identity: lv.uuid.clone(),
                extents: extents(lv),
            });
        }
        if let Some((empty, _)) =
            disks.iter().find(|(device, _)| !volumes.iter().any(|volume| volume.on == **device))
        {
            return Err(Refusal::new("not-placed", format!("none of the volumes lies on `{empty}`")));
        }
        let free = match &input.room_on {
            None => None,
            Some(device) => {
                let disk = physical::of_group(ctx, group, device)?;
                disk.room(device, needed, layout.extent)?;
                Some(disk.free)
            }
        };
        Ok(Output { needed, free, bytes: Bytes(needed * layout.extent), volumes })
    }
}
