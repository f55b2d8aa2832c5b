//! A volume group, as the text of its metadata tells: who made it last, its physical volumes and how much of them is free, its
//! volumes. It must not know which devices are there.

use crate::syntax::{self, Section, Value};
use crate::{Damage, senseless};
use std::collections::BTreeMap;

const SECTOR: u64 = 512;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its uuid, without hyphens.
    pub uuid: String,
    /// Grows by one with each change.
    pub seqno: u64,
    /// The host that may use it; none: any.
    pub system_id: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether it is exported: nobody may use it.
    pub exported: bool,
    /// Bytes in an extent.
    pub extent: u64,
    /// When it was changed last, in seconds since 1970, and by which command.
    pub changed: (u64, String),
    /// Its physical volumes by uuid.
    pub physical: BTreeMap<String, Physical>,
    /// Its volumes, those inside others too, by name.
    pub volumes: BTreeMap<String, Volume>,
}

/// A physical volume of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Physical {
    /// Where it was when the text was written.
    pub device: String,
    /// Extents in all.
    pub extents: u64,
    /// Of those, extents that no volume uses.
    pub free: u64,
    /// Whether volumes may be made on it.
    pub allocatable: bool,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its uuid, without hyphens.
    pub uuid: String,
    /// Whether it is seen from outside.
    pub visible: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its stretches, in order.
    pub segments: Vec<Segment>,
}

/// A stretch of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// striped, snapshot, raid1, thin-pool, …
    pub kind: String,
    /// How many extents it has.
    pub extents: u64,
    /// Where it lies: physical volume (by its uuid) and first extent, one for each stripe.
    pub stripes: Vec<(String, u64)>,
    /// Of a snapshot: the volume that is its exception store.
    pub store: Option<String>,
}

impl Volume {
    /// How many extents it has.
    pub fn extents(&self) -> u64 {
        self.segments.iter().map(|segment| segment.extents).sum()
    }
}

impl Group {
    /// Reads a text.
    ///
    /// # Errors
    /// It is no group's, or a number in it cannot be.
    pub fn parse(text: &str) -> Result<Self, Damage> {
        let all = syntax::parse(text)?;
        let (name, body) = all
            .iter()
            .find_map(|(key, value)| match value {
                Value::Section(section) => Some((key, section)),
                _ => None,
            })
            .ok_or_else(|| senseless("the metadata's text", "there is no group in it"))?;
        let named = sections(body, "physical_volumes").collect::<Vec<_>>();
        let uuids: BTreeMap<&str, String> =
            named.iter().map(|(name, pv)| Ok((*name, uuid(pv)?))).collect::<Result<_, Damage>>()?;
        let volumes = sections(body, "logical_volumes")
            .map(|(name, lv)| Ok((name.to_owned(), volume(lv, &uuids)?)))
            .collect::<Result<BTreeMap<_, _>, Damage>>()?;
        let mut physical = BTreeMap::new();
        for (name, pv) in &named {
            let uuid = &uuids[name];
            let extents = number(pv, "pe_count")?;
            let used = used(&volumes, uuid);
            let free = extents.checked_sub(used).ok_or_else(|| {
                senseless("the metadata's text", format!("more of `{name}` is used than there is"))
            })?;
            let device = text_of(pv, "device").unwrap_or_default();
            let allocatable = words(pv, "status").iter().any(|word| word == "ALLOCATABLE");
            physical.insert(uuid.clone(), Physical { device, extents, free, allocatable });
        }
        Ok(Self {
            name: name.clone(),
            uuid: uuid(body)?,
            seqno: number(body, "seqno")?,
            system_id: text_of(body, "system_id").filter(|id| !id.is_empty()),
            tags: words(body, "tags"),
            exported: words(body, "status").iter().any(|word| word == "EXPORTED"),
            extent: number(body, "extent_size")?
                .checked_mul(SECTOR)
                .ok_or_else(|| senseless("the metadata's text", "an extent is larger than any disk"))?,
            changed: (
                number(&all, "creation_time").unwrap_or(0),
                text_of(&all, "description").unwrap_or_default(),
            ),
            physical,
            volumes,
        })
    }

    /// Whether a classic snapshot can be taken of the volume: it is seen from outside, has extents of its own, and is no
    /// snapshot's store.
    pub fn takes_snapshots(&self, name: &str) -> bool {
        let mut segments = self.volumes.values().flat_map(|volume| &volume.segments);
        let is_store = segments.any(|segment| segment.store.as_deref() == Some(name));
        let plain = |kind: &str| !kind.starts_with("thin") && !kind.starts_with("vdo") && kind != "snapshot";
        self.volumes.get(name).is_some_and(|volume| {
            volume.visible && !is_store && volume.segments.iter().all(|segment| plain(&segment.kind))
        })
    }

    /// Extents that no volume uses, on physical volumes on which volumes may be made.
    pub fn free(&self) -> u64 {
        self.physical.values().filter(|pv| pv.allocatable).map(|pv| pv.free).sum()
    }
}

fn volume(lv: &Section, uuids: &BTreeMap<&str, String>) -> Result<Volume, Damage> {
    let numbered = |(key, value): (&String, &Value)| match value {
        Value::Section(section) => Some((key.strip_prefix("segment")?.parse::<u64>().ok()?, section.clone())),
        _ => None,
    };
    let segments: BTreeMap<u64, Section> = lv.iter().filter_map(numbered).collect();
    Ok(Volume {
        uuid: uuid(lv)?,
        visible: words(lv, "status").iter().any(|word| word == "VISIBLE"),
        tags: words(lv, "tags"),
        segments: segments.values().map(|section| segment(section, uuids)).collect::<Result<_, Damage>>()?,
    })
}

fn segment(section: &Section, uuids: &BTreeMap<&str, String>) -> Result<Segment, Damage> {
    let mut stripes = Vec::new();
    if let Some(Value::List(list)) = section.get("stripes") {
        for pair in list.chunks(2) {
            let [Value::Text(name), Value::Number(first)] = pair else {
                return Err(senseless("the metadata's text", "a stripe is no pair of volume and extent"));
            };
            // A stripe can also lie on another volume of the group.
            if let Some(uuid) = uuids.get(name.as_str()) {
                let first = u64::try_from(*first)
                    .map_err(|_| senseless("the metadata's text", "a negative extent"))?;
                stripes.push((uuid.clone(), first));
            }
        }
    }
    let kind = text_of(section, "type").unwrap_or_default();
    let store = text_of(section, "cow_store").or_else(|| text_of(section, "merging_store"));
    Ok(Segment { kind, extents: number(section, "extent_count")?, stripes, store })
}

/// Extents of the physical volume that these volumes use.
fn used(volumes: &BTreeMap<String, Volume>, physical: &str) -> u64 {
    let segments = volumes.values().flat_map(|volume| &volume.segments);
    let on = |segment: &Segment| segment.stripes.iter().filter(|(on, _)| on == physical).count() as u64;
    segments.map(|segment| segment.extents / (segment.stripes.len() as u64).max(1) * on(segment)).sum()
}

fn sections<'a>(section: &'a Section, key: &str) -> impl Iterator<Item = (&'a str, &'a Section)> {
    let inner = match section.get(key) {
        Some(Value::Section(inner)) => Some(inner),
        _ => None,
    };
    inner.into_iter().flatten().filter_map(|(name, value)| match value {
        Value::Section(section) => Some((name.as_str(), section)),
        _ => None,
    })
}

fn uuid(section: &Section) -> Result<String, Damage> {
    let id = text_of(section, "id").ok_or_else(|| senseless("the metadata's text", "an id is missing"))?;
    Ok(id.replace('-', ""))
}

fn number(section: &Section, key: &str) -> Result<u64, Damage> {
    let found = match section.get(key) {
        Some(Value::Number(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    found.ok_or_else(|| senseless("the metadata's text", format!("`{key}` is no number")))
}

fn text_of(section: &Section, key: &str) -> Option<String> {
    match section.get(key) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn words(section: &Section, key: &str) -> Vec<String> {
    let list = match section.get(key) {
        Some(Value::List(list)) => list.as_slice(),
        _ => &[],
    };
    let word = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    list.iter().filter_map(word).collect()
}
