//! The groups that lie on a number of devices: what each device's own copy tells, put together, and what stands in the way of
//! believing it. It must not know how a device is read.

use crate::{Area, Damage, Group, HEADER_BYTES, Header, LABEL_BYTES, Label, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How often metadata that changes while it is read is read again.
const TRIES: u32 = 20;
/// A text is read in pieces of at most this many bytes.
const PIECE: u64 = 1 << 20;
/// With one read of this many bytes both the label and the header are there, in the layout that LVM makes.
const FIRST: usize = 8192;

/// Reads devices.
pub trait Reader {
    /// Bytes of a device, past every cache; fewer where it ends, or where nothing is in it.
    ///
    /// # Errors
    /// In words.
    fn read(&mut self, device: &str, offset: u64, bytes: usize) -> Result<Vec<u8>, String>;
    /// Waits for a moment: what was read is being changed.
    fn pause(&mut self);
}

/// What tells without its text whether a copy is still the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The physical volume's uuid.
    pub uuid: String,
    /// Of the committed text; none: the volume carries no copy, or one that LVM leaves aside.
    pub committed: Option<Stamp>,
    /// A text is being written, or its writer died before it committed.
    pub in_transition: bool,
    at: Option<Header>,
}

/// One physical volume and what its own copy of the metadata says, if it carries one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Where it is.
    pub device: String,
    /// What its header said when the text was read.
    pub head: Head,
    /// The group.
    pub group: Option<Group>,
}

/// A group, and what stands in the way of believing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its newest metadata.
    pub group: Group,
    /// The devices of its physical volumes, by uuid.
    pub devices: BTreeMap<String, String>,
    /// What is wrong with it.
    pub doubts: Vec<Doubt>,
}

/// Why a group cannot be believed, or used, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// A physical volume is on none of the devices.
    Missing {
        /// Its uuid.
        uuid: String,
        /// Where it was when last seen.
        device: String,
    },
    /// A change is being written, or its writer died.
    InTransition {
        /// Where.
        device: String,
    },
    /// A physical volume says that it is of another group.
    Elsewhere {
        /// Where.
        device: String,
        /// Of which.
        group: String,
    },
    /// A physical volume has an older copy.
    Stale {
        /// Where.
        device: String,
        /// Its change.
        seqno: u64,
        /// The group's.
        newest: u64,
    },
    /// Two copies tell the same change otherwise.
    Split {
        /// Where the second was found.
        device: String,
        /// The change.
        seqno: u64,
    },
    /// Nobody may use it.
    Exported,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { uuid, device } => {
                write!(f, "its physical volume {uuid}, {device} when last seen, is not here")
            }
            Self::InTransition { device } => {
                write!(f, "{device}: a change is being written, or its writer died")
            }
            Self::Elsewhere { device, group } => write!(f, "{device} says that it is of `{group}`"),
            Self::Stale { device, seqno, newest } => {
                write!(f, "{device} is stale: change {seqno}, the group is at {newest}")
            }
            Self::Split { device, seqno } => {
                write!(f, "{device} tells change {seqno} otherwise: the group's history is split")
            }
            Self::Exported => f.write_str("it is exported"),
        }
    }
}

/// The head of one device; none: it is no physical volume. One read, where the layout is LVM's own.
///
/// # Errors
/// It cannot be read, or is damaged for as long as it was looked at.
pub fn head(reader: &mut dyn Reader, device: &str) -> Result<Option<Head>, String> {
    again(reader, |reader| {
        let first = reader.read(device, 0, FIRST).map_err(Trouble::Unread)?;
        let Some(label) = Label::find(&first[..LABEL_BYTES.min(first.len())])? else { return Ok(None) };
        let mut head = Head { uuid: label.uuid, committed: None, in_transition: false, at: None };
        // A copy may be one that LVM leaves aside: then another area has it.
        for area in label.metadata {
            let header = match area_in(&first, area) {
                Some(sector) => Header::read(sector, area)?,
                None => {
                    let sector = reader.read(device, area.offset, HEADER_BYTES).map_err(Trouble::Unread)?;
                    Header::read(&sector, area)?
                }
            };
            if header.committed.is_some() {
                head.committed = header.committed;
                head.in_transition = header.in_transition;
                head.at = Some(header);
                break;
            }
        }
        Ok(Some(head))
    })
}

/// What one device carries; none: it is no physical volume.
///
/// # Errors
/// Likewise.
pub fn carried(reader: &mut dyn Reader, device: &str) -> Result<Option<Carried>, String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let Some(head) = head(reader, device)? else { return Ok(None) };
        let Some((stamp, header)) = head.committed.zip(head.at.as_ref()) else {
            return Ok(Some(Carried { device: device.to_owned(), head, group: None }));
        };
        let mut bytes = Vec::new();
        for part in header.place() {
            for offset in (0..part.bytes).step_by(PIECE as usize) {
                let length = (part.bytes - offset).min(PIECE) as usize;
                bytes.extend(reader.read(device, part.offset + offset, length)?);
            }
        }
        match stamp.text(&bytes).and_then(Group::parse) {
            Ok(group) => return Ok(Some(Carried { device: device.to_owned(), head, group: Some(group) })),
            // It may have been changed while it was read.
            Err(damage) => last = damage.to_string(),
        }
        reader.pause();
    }
    Err(last)
}

/// All groups, by name.
pub fn groups(carried: &[Carried]) -> Vec<Found> {
    let mut newest: BTreeMap<&str, &Group> = BTreeMap::new();
    for group in carried.iter().filter_map(|copy| copy.group.as_ref()) {
        let known = newest.entry(&group.uuid).or_insert(group);
        if known.seqno < group.seqno {
            *known = group;
        }
    }
    let mut groups: Vec<Found> = newest.into_values().map(|group| found(group, carried)).collect();
    groups.sort_by(|a, b| a.group.name.cmp(&b.group.name));
    groups
}

/// Two paths to one disk show the same volume twice: the first stays.
pub fn once_each(carried: &mut Vec<Carried>) {
    let mut seen = BTreeSet::new();
    carried.retain(|copy| seen.insert(copy.head.uuid.clone()));
}

fn found(group: &Group, carried: &[Carried]) -> Found {
    let mut doubts = Vec::new();
    let mut devices = BTreeMap::new();
    let mut same: Option<u32> = None;
    for (uuid, physical) in &group.physical {
        let Some(copy) = carried.iter().find(|copy| copy.head.uuid == *uuid) else {
            doubts.push(Doubt::Missing { uuid: uuid.clone(), device: physical.device.clone() });
            continue;
        };
        let device = copy.device.clone();
        devices.insert(uuid.clone(), device.clone());
        if copy.head.in_transition {
            doubts.push(Doubt::InTransition { device: device.clone() });
        }
        let Some((stamp, own)) = copy.head.committed.zip(copy.group.as_ref()) else { continue };
        if own.uuid != group.uuid {
            doubts.push(Doubt::Elsewhere { device, group: own.name.clone() });
        } else if own.seqno < group.seqno {
            doubts.push(Doubt::Stale { device, seqno: own.seqno, newest: group.seqno });
        } else if same.replace(stamp.checksum).is_some_and(|other| other != stamp.checksum) {
            doubts.push(Doubt::Split { device, seqno: own.seqno });
        }
    }
    if group.exported {
        doubts.push(Doubt::Exported);
    }
    Found { group: group.clone(), devices, doubts }
}

fn area_in(first: &[u8], area: Area) -> Option<&[u8]> {
    let at = usize::try_from(area.offset).ok()?;
    first.get(at..at.checked_add(HEADER_BYTES)?)
}

/// Why a look at a device did not succeed.
enum Trouble {
    Unread(String),
    Damaged(Damage),
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

/// Looks again where something is damaged: it may have been written just then.
fn again<T>(
    reader: &mut dyn Reader,
    mut look: impl FnMut(&mut dyn Reader) -> Result<T, Trouble>,
) -> Result<T, String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        match look(reader) {
            Ok(found) => return Ok(found),
            Err(Trouble::Unread(words)) => return Err(words),
            Err(Trouble::Damaged(damage)) => last = damage.to_string(),
        }
        reader.pause();
    }
    Err(last)
}
