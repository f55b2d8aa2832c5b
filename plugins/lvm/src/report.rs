//! What `vgs` and `lvs` tell, read from their JSON. It must not know what is done about it.
//!
//! LVM 2.03.16 writes every figure as a text, whence the conversions; `--binary` turns yes-or-no fields into 1, 0 and -1.

use cutwater_sdk::serde::Deserialize;
use cutwater_sdk::serde::de::DeserializeOwned;
use cutwater_sdk::serde_json::{self, Value};
use cutwater_sdk::{Command, Context, Host, Refusal};

/// A volume group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// Bytes in an extent.
    pub extent: u64,
    /// Extents that nobody uses.
    pub free: u64,
}

/// A logical volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// Its size; a snapshot's is its store's.
    pub bytes: u64,
    /// The ten letters of `lv_attr`.
    pub attr: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The volume that it is a snapshot of.
    pub origin: Option<String>,
    /// Bytes in a chunk of a snapshot; else 0.
    pub chunk: u64,
    /// How full a snapshot's store is, in per cent, while it is active; of an origin, what is left to be merged into it.
    pub percent: Option<f64>,
    /// The snapshot overflowed or was dropped.
    pub invalid: bool,
    /// Activation passes it over unless told otherwise.
    pub skipped: bool,
    /// It is activated by itself at boot.
    pub automatic: bool,
    /// Somebody has its device open; mounting it does.
    pub open: bool,
    /// The kernel gave up merging it, or a snapshot into it.
    pub unmerged: bool,
}

impl Volume {
    /// Whether the device is there.
    pub fn active(&self) -> bool {
        matches!(self.attr.as_bytes().get(4), Some(b'a' | b's' | b'I' | b'S' | b'm' | b'M'))
    }

    /// Whether every access to it hangs until somebody resumes it.
    pub fn suspended(&self) -> bool {
        matches!(self.attr.as_bytes().get(4), Some(b's' | b'S' | b'M'))
    }

    /// Whether it is a snapshot that is to be merged, or an origin into which one is to be.
    pub fn merging(&self) -> bool {
        matches!(self.attr.as_bytes().first(), Some(b'S' | b'O'))
    }

    /// Whether it is a snapshot in more than name.
    pub fn is_snapshot(&self) -> bool {
        matches!(self.attr.as_bytes().first(), Some(b's' | b'S'))
    }

    /// Bytes of its store that are in use, while it is active; else 0.
    pub fn used(&self) -> u64 {
        self.share(self.percent.unwrap_or(0.0))
    }

    /// So many per cent of its store, in bytes.
    pub fn share(&self, percent: f64) -> u64 {
        (self.bytes as f64 * percent / 100.0).round() as u64
    }

    /// Whether it carries that tag.
    pub fn carries(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}

const GROUP_FIELDS: &str = "vg_name,vg_uuid,vg_extent_size,vg_free_count";
const VOLUME_FIELDS: &str = "lv_name,lv_uuid,lv_size,lv_attr,lv_tags,origin,chunk_size,snap_percent,\
lv_snapshot_invalid,lv_skip_activation,lv_autoactivation,lv_device_open,lv_merge_failed";

/// A reporting program, asked for these fields of that object; `which` widens what it tells of (`-a`).
pub fn command(program: &str, which: &[&str], fields: &str, group: &str) -> Command {
    formatted(program).args(which).arg("-o").arg(fields).arg(group)
}

/// A reporting program, asked for these fields of all that there is.
pub fn all(program: &str, fields: &str) -> Command {
    formatted(program).arg("-o").arg(fields)
}

fn formatted(program: &str) -> Command {
    let format = ["--reportformat", "json", "--units", "b", "--nosuffix", "--binary"];
    Command::reading(program).args(format)
}

/// Asks for a group.
///
/// # Errors
/// `no-such-volume-group` with LVM's own words.
pub fn group(ctx: &Context<'_>, name: &str) -> Result<Group, Refusal> {
    let rows: Vec<GroupRow> = rows(ctx, command("vgs", &[], GROUP_FIELDS, name), "vg")?;
    rows.into_iter()
        .next()
        .map(Group::from)
        .ok_or_else(|| Refusal::new("no-such-volume-group", format!("there is no volume group `{name}`")))
}

/// Asks for all volumes of a group.
///
/// # Errors
/// `no-such-volume-group` with LVM's own words.
pub fn volumes(ctx: &Context<'_>, group: &str) -> Result<Vec<Volume>, Refusal> {
    volumes_by(ctx, &[], group)
}

/// Asks for all volumes of a group, with `which` on the command line.
///
/// # Errors
/// `no-such-volume-group` with LVM's own words.
pub fn volumes_by(ctx: &Context<'_>, which: &[&str], group: &str) -> Result<Vec<Volume>, Refusal> {
    let rows: Vec<VolumeRow> = rows(ctx, command("lvs", which, VOLUME_FIELDS, group), "lv")?;
    Ok(rows.into_iter().map(Volume::from).collect())
}

/// Asks for all volumes of a group and for what LVM hides behind them, such as a snapshot that is being merged.
///
/// # Errors
/// `no-such-volume-group` with LVM's own words.
pub fn hidden_too(ctx: &Context<'_>, group: &str) -> Result<Vec<Volume>, Refusal> {
    volumes_by(ctx, &["-a"], group)
}

/// Finds one volume among those of its group.
///
/// # Errors
/// `no-such-volume`, naming those that there are.
pub fn find<'a>(all: &'a [Volume], group: &str, name: &str) -> Result<&'a Volume, Refusal> {
    all.iter().find(|volume| volume.name == name).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|volume| volume.name.as_str()).collect();
        Refusal::new(
            "no-such-volume",
            format!("`{group}` has no volume `{name}`; it has: {}", names.join(", ")),
        )
    })
}

/// The rows of a report.
///
/// # Errors
/// `no-such-volume-group`, or `lvm`, with LVM's own words.
pub fn rows<T: DeserializeOwned>(ctx: &Context<'_>, command: Command, key: &str) -> Result<Vec<T>, Refusal> {
    let told = ctx.host().run(&command).map_err(Refusal::from)?;
    if !told.success() {
        let words = told.words();
        let code = if words.contains("not found") { "no-such-volume-group" } else { "lvm" };
        return Err(Refusal::new(code, words));
    }
    let strange =
        |what: String| Refusal::new("lvm", format!("`{command}` answered what is not understood: {what}"));
    let report: Value = serde_json::from_slice(&told.stdout).map_err(|error| strange(error.to_string()))?;
    let rows =
        report.pointer(&format!("/report/0/{key}")).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    serde_json::from_value(rows).map_err(|error| strange(error.to_string()))
}

#[derive(Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
struct GroupRow {
    vg_name: String,
    vg_uuid: String,
    vg_extent_size: String,
    vg_free_count: String,
}

#[derive(Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
struct VolumeRow {
    lv_name: String,
    lv_uuid: String,
    lv_size: String,
    lv_attr: String,
    lv_tags: String,
    origin: String,
    chunk_size: String,
    snap_percent: String,
    lv_snapshot_invalid: String,
    lv_skip_activation: String,
    lv_autoactivation: String,
    lv_device_open: String,
    lv_merge_failed: String,
}

impl From<GroupRow> for Group {
    fn from(row: GroupRow) -> Self {
        Self {
            name: row.vg_name,
            uuid: row.vg_uuid,
            extent: figure(&row.vg_extent_size),
            free: figure(&row.vg_free_count),
        }
    }
}

impl From<VolumeRow> for Volume {
    fn from(row: VolumeRow) -> Self {
        let yes = |text: &str| text.trim() == "1";
        Self {
            name: row.lv_name.trim_matches(['[', ']']).to_owned(),
            uuid: row.lv_uuid,
            bytes: figure(&row.lv_size),
            attr: row.lv_attr,
            tags: row.lv_tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            origin: Some(row.origin).filter(|origin| !origin.is_empty()),
            chunk: figure(&row.chunk_size),
            percent: row.snap_percent.trim().parse().ok(),
            invalid: yes(&row.lv_snapshot_invalid),
            skipped: yes(&row.lv_skip_activation),
            automatic: yes(&row.lv_autoactivation),
            open: yes(&row.lv_device_open),
            unmerged: yes(&row.lv_merge_failed),
        }
    }
}

/// A figure with or without its unit; 0 where there is none.
pub fn figure(text: &str) -> u64 {
    text.trim().trim_end_matches('B').parse().unwrap_or(0)
}
