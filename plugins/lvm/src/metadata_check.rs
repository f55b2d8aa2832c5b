//! `lvm.metadata-check`: whether a group's metadata is still what it was when somebody looked last, read straight off its
//! physical volumes: one read of 8 KiB each where nothing has changed. It must not know what is done about it.
//!
//! A failover that finds `unchanged` activates the group at once; any other answer says what has to be looked at first.

use crate::name;
use cutwater_lvm2::survey::{self, Carried, Doubt, Found, Head, Reader};
use cutwater_lvm2::{Group, Stamp};
use cutwater_sdk::{Check, Context, Deserialize, Device, Host, JsonSchema, Needs, Refusal, Serialize};
use std::collections::BTreeSet;

/// Compares stamps.
pub struct MetadataCheck;

/// Of which group, on which devices.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The volume group.
    pub vg: String,
    /// Every device on which it, or a group made elsewhere, may lie.
    pub devices: Vec<Device>,
    /// What this step gave when it was asked last; nothing is compared without it.
    pub known: Option<Output>,
    /// This host's own system ID, as `lvm systemid` tells it; a group that carries another is foreign.
    pub system_id: Option<String>,
}

/// What was found, in the order of how serious it is; the number is that of `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub enum Answer {
    /// Nothing has changed: neither the group nor what else lies on the devices.
    Unchanged = 0,
    /// The group has changed.
    Changed = 10,
    /// Nothing was known of it.
    Unknown = 11,
    /// The group is as it was, and other groups have come onto the devices or have changed.
    OtherGroups = 12,
    /// A device cannot be read, and the group needs none such.
    Unreadable = 13,
    /// It carries another host's system ID.
    Foreign = 14,
    /// It is exported.
    Exported = 15,
    /// A change is being written, or its writer died.
    InTransition = 16,
    /// A physical volume has an older copy.
    Stale = 17,
    /// A physical volume, or all of the group, is on none of the devices.
    Missing = 18,
    /// Two copies tell the same change otherwise.
    Split = 19,
}

/// The group as it is, and how that compares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The most serious of what was found.
    pub answer: Answer,
    /// Likewise, for `--exit-code`: 0, or 10 to 19.
    pub code: u8,
    /// Each finding in words.
    pub found: Vec<String>,
    /// The group; null where it is on none of the devices.
    pub group: Option<Known>,
    /// What lies on each device that is a physical volume.
    pub seen: Vec<Seen>,
}

/// A group and its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its uuid, without hyphens.
    pub uuid: String,
    /// The number of its last change.
    pub seqno: u64,
    /// Checksum of its text; null where no physical volume here carries one.
    pub checksum: Option<u32>,
    /// When it was changed last, in seconds since 1970.
    pub changed: u64,
    /// By which command, in LVM's words.
    pub by: String,
    /// The host that may use it.
    pub system_id: Option<String>,
    /// Whether it is exported.
    pub exported: bool,
    /// The uuids of its physical volumes.
    pub physical: Vec<String>,
}

/// A physical volume and the stamp of its copy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Seen {
    /// Its uuid.
    pub uuid: String,
    /// Where its text begins in the metadata area; null, as the rest, where it carries none.
    pub offset: Option<u64>,
    /// How long the text is.
    pub bytes: Option<u64>,
    /// Its checksum.
    pub checksum: Option<u32>,
}

impl Check for MetadataCheck {
    const NAME: &'static str = "metadata-check";
    const SUMMARY: &'static str = "Whether a group's metadata has changed, read off its physical volumes.";
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().read(&["with:/devices"])
    }

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        name::plain(&input.vg)?;
        if input.devices.is_empty() {
            return Err(Refusal::new("invalid-input", "`devices` is empty: there is nowhere to look"));
        }
        let mut reader = Devices(ctx);
        let as_it_was = input.known.as_ref().and_then(|known| as_it_was(&mut reader, input, known));
        Ok(as_it_was.unwrap_or_else(|| looked_at(&mut reader, input)))
    }
}

/// One read a device: every stamp is the one that was seen last, and nothing stood against the group then.
fn as_it_was(reader: &mut Devices<'_, '_>, input: &Input, known: &Output) -> Option<Output> {
    let group = known.group.as_ref().filter(|group| group.name == input.vg)?;
    let mut heads = Vec::new();
    for device in &input.devices {
        heads.extend(survey::head(reader, &device.0).ok()?);
    }
    let whole = group.physical.iter().all(|uuid| heads.iter().any(|head| head.uuid == *uuid));
    let settled = heads.iter().all(|head| !head.in_transition) && !group.exported && whole;
    let ours = group.system_id == input.system_id || group.system_id.is_none();
    let nothing_stood_against_it = known.answer < Answer::Unreadable;
    let same = settled && ours && nothing_stood_against_it && seen(&heads) == sorted(&known.seen);
    same.then(|| Output { answer: Answer::Unchanged, code: 0, found: Vec::new(), ..known.clone() })
}

fn looked_at(reader: &mut Devices<'_, '_>, input: &Input) -> Output {
    let (mut carried, mut found) = (Vec::new(), Vec::new());
    let mut worst = Answer::Unchanged;
    let mut note = |answer: Answer, words: String| {
        worst = worst.max(answer);
        found.push(words);
    };
    for device in &input.devices {
        match survey::carried(reader, &device.0) {
            Ok(copy) => carried.extend(copy),
            Err(why) => note(Answer::Unreadable, format!("{}: {why}", device.0)),
        }
    }
    survey::once_each(&mut carried);
    let heads: Vec<Head> = carried.iter().map(|copy| copy.head.clone()).collect();
    let groups = survey::groups(&carried);
    let before = input.known.as_ref();
    let wanted = before.and_then(|known| known.group.as_ref()).filter(|group| group.name == input.vg);
    let is_it = |found: &&Found| match wanted {
        Some(known) => found.group.uuid == known.uuid,
        None => found.group.name == input.vg,
    };
    let here = groups.iter().find(is_it);
    match here {
        None => note(Answer::Missing, format!("`{}` is on none of these devices", input.vg)),
        Some(here) => {
            for doubt in &here.doubts {
                note(answer_to(doubt), doubt.to_string());
            }
            if let Some(other) = foreign(&here.group, input) {
                note(Answer::Foreign, format!("it is of the host `{other}`, by its system ID"));
            }
        }
    }
    let now = here.map(|here| known(&here.group, &carried));
    match (wanted, &now) {
        (Some(known), Some(now)) if known != now => {
            let words = format!(
                "change {} instead of {}, last by `{}`",
                now.seqno,
                known.seqno,
                now.by.trim_end_matches('.')
            );
            note(Answer::Changed, words);
        }
        (None, Some(_)) => note(Answer::Unknown, "nothing was known of it".to_owned()),
        _ => {}
    }
    if let Some(before) = before.filter(|before| sorted(&before.seen) != seen(&heads)) {
        for other in groups.iter().filter(|other| !is_it(other) && !was_seen(other, &carried, before)) {
            let words =
                format!("`{}` ({}) is new on them, or has changed", other.group.name, other.group.uuid);
            note(Answer::OtherGroups, words);
        }
    }
    Output { answer: worst, code: worst as u8, found, group: now, seen: seen(&heads) }
}

/// What stands in the way, in this step's words.
pub(crate) fn answer_to(doubt: &Doubt) -> Answer {
    match doubt {
        Doubt::Missing { .. } | Doubt::Elsewhere { .. } => Answer::Missing,
        Doubt::InTransition { .. } => Answer::InTransition,
        Doubt::Stale { .. } => Answer::Stale,
        Doubt::Split { .. } => Answer::Split,
        Doubt::Exported => Answer::Exported,
    }
}

fn foreign<'a>(group: &'a Group, input: &Input) -> Option<&'a str> {
    group.system_id.as_deref().filter(|id| Some(*id) != input.system_id.as_deref())
}

fn known(group: &Group, carried: &[Carried]) -> Known {
    let newest = carried.iter().filter(|copy| copy.group.as_ref() == Some(group));
    Known {
        name: group.name.clone(),
        uuid: group.uuid.clone(),
        seqno: group.seqno,
        checksum: newest.filter_map(|copy| copy.head.committed).map(|stamp| stamp.checksum).next(),
        changed: group.changed.0,
        by: group.changed.1.clone(),
        system_id: group.system_id.clone(),
        exported: group.exported,
        physical: group.physical.keys().cloned().collect(),
    }
}

/// Whether each copy of another group was seen like that before.
fn was_seen(other: &Found, carried: &[Carried], before: &Output) -> bool {
    let of_it = carried.iter().filter(|copy| copy.group.as_ref().is_some_and(|g| g.uuid == other.group.uuid));
    of_it.map(|copy| one_seen(&copy.head)).all(|seen| before.seen.contains(&seen))
}

fn one_seen(head: &Head) -> Seen {
    let of = |part: fn(Stamp) -> u64| head.committed.map(part);
    Seen {
        uuid: head.uuid.clone(),
        offset: of(|stamp| stamp.offset),
        bytes: of(|stamp| stamp.bytes),
        checksum: head.committed.map(|stamp| stamp.checksum),
    }
}

fn seen(heads: &[Head]) -> Vec<Seen> {
    heads.iter().map(one_seen).collect::<BTreeSet<_>>().into_iter().collect()
}

fn sorted(seen: &[Seen]) -> Vec<Seen> {
    seen.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Reads devices by the host.
pub(crate) struct Devices<'a, 'c>(pub &'a Context<'c>);

/// How long metadata that is being changed is left alone, in milliseconds.
const PAUSE: u64 = 25;

impl Reader for Devices<'_, '_> {
    fn read(&mut self, device: &str, offset: u64, bytes: usize) -> Result<Vec<u8>, String> {
        let length = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.0.host().read_block(device, offset, length).map_err(|fault| fault.message)
    }

    fn pause(&mut self) {
        // Told to stop: the last tries follow at once.
        let _stopping = self.0.host().sleep(PAUSE);
    }
}
