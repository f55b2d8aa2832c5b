//! The volume groups of this machine, read from its physical volumes. It must not know snapshots.

use cutwater_host::capability::block::error::BlockError;
use cutwater_host::capability::block::verbs;
use cutwater_lvm2::{Area, Damage, Group, HEADER_BYTES, Header, LABEL_BYTES, Label, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often metadata that changes while it is read is read again, and after which pause.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);
/// ENOMEDIUM: a reader of cards or discs with nothing in it.
const NO_MEDIUM: i32 = 123;
/// A text is read in pieces of at most this many bytes.
const PIECE: u64 = 1 << 20;

/// A group, and what stands in the way of believing it.
#[derive(Debug)]
pub struct Found {
    /// Its newest metadata.
    pub group: Group,
    /// The devices of its physical volumes, by uuid.
    pub devices: BTreeMap<String, PathBuf>,
    /// What is wrong with it.
    pub doubts: Vec<String>,
}

/// All groups, by name, and what could not be read.
#[derive(Debug, Default)]
pub struct Everything {
    /// The groups.
    pub groups: Vec<Found>,
    /// Devices that could not be read, or carry damaged metadata.
    pub troubles: Vec<String>,
}

/// One physical volume and what its own copy of the metadata says, if it carries one.
struct Copy {
    device: PathBuf,
    uuid: String,
    text: Option<(Stamp, Group)>,
    in_transition: bool,
}

/// Every block device but logical volumes themselves; LVM does not look for physical volumes in those either.
pub fn devices() -> std::io::Result<Vec<PathBuf>> {
    let mut devices = Vec::new();
    for entry in std::fs::read_dir("/sys/class/block")? {
        let entry = entry?;
        let text = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let is_volume = text("dm/uuid").starts_with("LVM-");
        if text("size").trim() != "0" && !is_volume {
            devices.push(Path::new("/dev").join(entry.file_name()));
        }
    }
    devices.sort();
    Ok(devices)
}

/// Reads them all.
pub fn find(devices: &[PathBuf]) -> Everything {
    let mut all = Everything::default();
    let mut copies: Vec<Copy> = Vec::new();
    let mut seen = BTreeSet::new();
    for device in devices {
        match copy(device) {
            // Two paths to one disk show the same volume twice.
            Ok(Some(copy)) if seen.insert(copy.uuid.clone()) => copies.push(copy),
            Ok(_) => {}
            Err(trouble) => all.troubles.push(format!("{}: {trouble}", device.display())),
        }
    }
    let mut newest: BTreeMap<String, Group> = BTreeMap::new();
    for (_, group) in copies.iter().filter_map(|copy| copy.text.as_ref()) {
        let known = newest.get(&group.uuid);
        if known.is_none_or(|known| known.seqno < group.seqno) {
            newest.insert(group.uuid.clone(), group.clone());
        }
    }
    all.groups = newest.into_values().map(|group| found(group, &copies)).collect();
    all.groups.sort_by(|a, b| a.group.name.cmp(&b.group.name));
    all
}

fn found(group: Group, copies: &[Copy]) -> Found {
    let here = |uuid: &String| copies.iter().find(|copy| copy.uuid == *uuid);
    let mut doubts = Vec::new();
    let mut devices = BTreeMap::new();
    let mut same: Option<u32> = None;
    for (uuid, physical) in &group.physical {
        let Some(copy) = here(uuid) else {
            doubts
                .push(format!("its physical volume {uuid}, {} when last seen, is not here", physical.device));
            continue;
        };
        let device = copy.device.display();
        devices.insert(uuid.clone(), copy.device.clone());
        if copy.in_transition {
            doubts.push(format!("{device}: a change is being written, or its writer died"));
        }
        let Some((stamp, own)) = &copy.text else { continue };
        if own.uuid != group.uuid {
            doubts.push(format!("{device} says that it is of `{}`", own.name));
        } else if own.seqno < group.seqno {
            doubts.push(format!("{device} is stale: change {}, the group is at {}", own.seqno, group.seqno));
        } else if same.replace(stamp.checksum).is_some_and(|other| other != stamp.checksum) {
            doubts
                .push(format!("{device} tells change {} otherwise: the group's history is split", own.seqno));
        }
    }
    if group.exported {
        doubts.push("it is exported".to_owned());
    }
    Found { group, devices, doubts }
}

/// What one device carries; none: it is no physical volume.
fn copy(device: &Path) -> Result<Option<Copy>, String> {
    let damaged = |damage: Damage| damage.to_string();
    let first = match verbs::read(device, 0, LABEL_BYTES as u32) {
        Err(BlockError::Io { source, .. }) if source.raw_os_error() == Some(NO_MEDIUM) => return Ok(None),
        first => first.map_err(|error| error.full())?,
    };
    let Some(label) = Label::find(&first).map_err(damaged)? else { return Ok(None) };
    let mut copy = Copy { device: device.to_owned(), uuid: label.uuid, text: None, in_transition: false };
    // A copy may be one that LVM leaves aside: then another area has it.
    for &area in &label.metadata {
        let Some(found) = committed(device, area)? else { continue };
        (copy.text, copy.in_transition) = (Some(found.text), found.in_transition);
        break;
    }
    Ok(Some(copy))
}

/// What an area holds.
struct Committed {
    text: (Stamp, Group),
    in_transition: bool,
}

/// The committed text of an area; none: there is none.
fn committed(device: &Path, area: Area) -> Result<Option<Committed>, String> {
    let read =
        |offset: u64, bytes: usize| verbs::read(device, offset, bytes as u32).map_err(|error| error.full());
    let mut last = String::new();
    for _ in 0..TRIES {
        match Header::read(&read(area.offset, HEADER_BYTES)?, area) {
            Ok(header) => {
                let Some(stamp) = header.committed else { return Ok(None) };
                let mut bytes = Vec::new();
                for part in header.place() {
                    for offset in (0..part.bytes).step_by(PIECE as usize) {
                        bytes.extend(read(part.offset + offset, (part.bytes - offset).min(PIECE) as usize)?);
                    }
                }
                match stamp.text(&bytes).and_then(Group::parse) {
                    Ok(group) => {
                        let in_transition = header.in_transition;
                        return Ok(Some(Committed { text: (stamp, group), in_transition }));
                    }
                    Err(damage) => last = damage.to_string(),
                }
            }
            Err(damage) => last = damage.to_string(),
        }
        // It may have been changed while it was read.
        std::thread::sleep(PAUSE);
    }
    Err(last)
}
