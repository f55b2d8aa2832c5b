//! `lvm.check-extents`: whether the group has room for the snapshots to come, before anything is done. It must not know
//! how a snapshot is made.

use crate::{name, report};
use cutwater_lvm2::sizing::{self, Load};
use cutwater_sdk::{
    Bytes, Check, Context, Deserialize, Duration, Host, JsonSchema, Needs, Rate, Refusal, Serialize, Shown,
    json,
};

/// Finds room for snapshots.
pub struct CheckExtents;

/// Which snapshots there will be.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The volume group.
    pub vg: String,
    /// Its volumes of which snapshots will be taken.
    pub volumes: Vec<String>,
    /// For how long the snapshots must last: copy, verification and the time to decide.
    pub lasting: Duration,
    /// How much is written to each volume each second. Without it and `measure`, room for 15 % of each volume is asked for.
    pub rate: Option<Rate>,
    /// For how long to count, in place of `rate`, what the kernel writes to each volume, which is active. What is needed is
    /// then not known before the step runs. The devices must be granted under `read`.
    pub measure: Option<Duration>,
    /// `false`: too few extents are no refusal; `deficit`, `lacking` and `command` tell what is missing.
    pub refuse: Option<bool>,
    /// What the figure from `rate` is multiplied by; 1.3 if absent.
    pub margin: Option<f64>,
    /// Size of a chunk, a power of two from 4KiB to 512KiB; 16KiB if absent.
    pub chunk: Option<Bytes>,
}

/// The room there is.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The group.
    pub vg: Group,
    /// The volumes, in the order asked for.
    pub volumes: Vec<Volume>,
    /// Bytes in an extent.
    pub extent: u64,
    /// Extents that the snapshots need together.
    pub needed: u64,
    /// Extents that nobody uses now.
    #[schemars(extend("x-estimate" = true))]
    pub free: u64,
    /// Extents that are missing.
    #[schemars(extend("x-estimate" = true))]
    pub deficit: u64,
    /// The same in bytes.
    #[schemars(extend("x-estimate" = true))]
    pub lacking: Bytes,
    /// What adds them; empty where none are missing.
    #[schemars(extend("x-estimate" = true))]
    pub command: String,
}

/// A volume group.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
}

/// A volume and the snapshot that it needs.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// Its size.
    pub bytes: Bytes,
    /// Size for the snapshot's store, in whole extents.
    pub cow: Bytes,
    /// Size of a chunk.
    pub chunk: Bytes,
}

impl Check for CheckExtents {
    const NAME: &'static str = "check-extents";
    const SUMMARY: &'static str = "Whether a volume group has room for the snapshots to come.";
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["lvs", "vgs"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        match input.measure {
            None => Ok(Shown::new([]).output(Self::run(ctx, input)?)),
            Some(measure) => {
                load(input)?;
                report::group(ctx, name::plain(&input.vg)?)?;
                Ok(Shown::new([]).note(format!("counts for {measure} what is written")))
            }
        }
    }

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        let load = load(input)?;
        let group = report::group(ctx, name::plain(&input.vg)?)?;
        let all = report::volumes(ctx, &input.vg)?;
        for wanted in &input.volumes {
            report::find(&all, &group.name, name::plain(wanted)?)?;
        }
        let rates = rates(ctx, input)?;
        let mut volumes = Vec::new();
        for (wanted, rate) in input.volumes.iter().zip(rates) {
            let volume = report::find(&all, &group.name, wanted)?;
            let cow = sizing::cow(Load { rate, ..load }, volume.bytes, group.extent.max(1));
            volumes.push(Volume {
                name: volume.name.clone(),
                uuid: volume.uuid.clone(),
                bytes: Bytes(volume.bytes),
                cow: Bytes(cow),
                chunk: Bytes(load.chunk),
            });
        }
        let needed: u64 = volumes.iter().map(|volume| volume.cow.0 / group.extent.max(1)).sum();
        let deficit = needed.saturating_sub(group.free);
        if deficit > 0 && input.refuse.unwrap_or(true) {
            return Err(too_few(&group, needed));
        }
        Ok(Output {
            volumes,
            extent: group.extent,
            needed,
            free: group.free,
            deficit,
            lacking: Bytes(deficit * group.extent),
            command: if deficit > 0 { format!("vgextend {} DEVICE", group.name) } else { String::new() },
            vg: Group { name: group.name, uuid: group.uuid },
        })
    }
}

/// Bytes written to each volume each second, as far as that is known.
fn rates(ctx: &Context<'_>, input: &Input) -> Result<Vec<Option<u64>>, Refusal> {
    let Some(measure) = input.measure else {
        return Ok(vec![input.rate.map(|rate| rate.0); input.volumes.len()]);
    };
    let sectors = || -> Result<Vec<u64>, Refusal> {
        let written = |volume: &String| -> Result<u64, Refusal> {
            Ok(ctx.host().facts(&name::device(&input.vg, volume))?.written)
        };
        input.volumes.iter().map(written).collect()
    };
    let (before, since) = (sectors()?, ctx.host().monotonic());
    ctx.host().sleep(measure.0)?;
    let (after, until) = (sectors()?, ctx.host().monotonic());
    let ms = until.saturating_sub(since).max(1);
    let each = before.iter().zip(&after).zip(&input.volumes).map(|((before, after), volume)| {
        let rate = after.saturating_sub(*before).saturating_mul(512_000).div_ceil(ms);
        ctx.say(format!("`{}/{volume}`: {} were written each second", input.vg, Bytes(rate)));
        Some(rate)
    });
    Ok(each.collect())
}

fn load(input: &Input) -> Result<Load, Refusal> {
    if input.rate.is_some() && input.measure.is_some() {
        return Err(Refusal::new("invalid-input", "`rate` and `measure` exclude each other"));
    }
    let chunk = input.chunk.map_or(sizing::CHUNK, |chunk| chunk.0);
    if !chunk.is_power_of_two() || !(4 << 10..=512 << 10).contains(&chunk) {
        return Err(Refusal::new("invalid-input", "`chunk` must be a power of two from 4KiB to 512KiB"));
    }
    let margin = input.margin.unwrap_or(1.3);
    if !(1.0..=1000.0).contains(&margin) {
        return Err(Refusal::new("invalid-input", "`margin` must lie between 1 and 1000"));
    }
    Ok(Load { chunk, rate: None, seconds: input.lasting.0 as f64 / 1000.0, margin })
}

fn too_few(group: &report::Group, needed: u64) -> Refusal {
    let report::Group { name, extent, free, .. } = group;
    let deficit = needed - free;
    let bytes = deficit * extent;
    Refusal::new(
        "not-enough-extents",
        format!(
            "`{name}` has {free} free extents of {}, the snapshots need {needed}: {deficit} extents ({}, {bytes} bytes) are \
             missing; add them with `vgextend {name} DEVICE`, or free some with `lvreduce` or `lvremove`",
            Bytes(*extent),
            Bytes(bytes),
        ),
    )
    .details(json!({ "vg": name, "extent": extent, "free": free, "needed": needed, "deficit": deficit, "bytes": bytes }))
}
