//! Which extents of a group lie on which physical volume, and which moves are under way, from LVM's metadata alone. It must
//! not know why anything is moved.
//!
//! Seen with LVM 2.03.16 while `pvmove --atomic -n vg00/one A B` is under way (`lvs -a`): `one` lies on `pvmove0:0-9`, its
//! `lv_attr` is `-wI-a-----`; `[pvmove0]` (`p-C-aom---`, type `mirror`, `move_pv` A, `copy_percent` rising) lies on
//! `pvmove0_mimage_0:0-9 pvmove0_mimage_1:0-9`, and these two, linear, on A and on B. Without `--atomic`, `pvmove0` lies on A
//! and B itself, piece by piece. A pvmove that is killed between its two last writes of the metadata leaves `[pvmove0]` behind,
//! with no room and nobody on it (`vwc---v---`, type `error`); neither `pvmove` nor `pvmove --abort` takes it away, `lvremove`
//! does. One that is cut off a write earlier leaves `one` on `[pvmove0]` (`p-C-aom---`), which is linear, without `move_pv`, on A
//! or on B, and perhaps the images, visible; no command of LVM finishes that.

use crate::{name, report};
use cutwater_sdk::serde::Deserialize;
use cutwater_sdk::{Context, Refusal};
use std::fmt;

/// Consecutive extents of something: of a physical volume, or of a hidden volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Of what.
    pub on: String,
    /// The first of them.
    pub first: u64,
}

/// Consecutive extents of a volume that are mapped alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The first extent.
    pub start: u64,
    /// How many.
    pub extents: u64,
    /// `linear`, `striped`, `mirror`, `error`, …
    pub kind: String,
    /// What they lie on.
    pub areas: Vec<Area>,
}

/// A volume, hidden ones too.
#[derive(Debug, Clone, PartialEq)]
pub struct Lv {
    /// Its name, without the brackets of a hidden one.
    pub name: String,
    /// Only LVM itself uses it.
    pub hidden: bool,
    /// Its uuid.
    pub uuid: String,
    /// The letters of `lv_attr`.
    pub attr: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The physical volume that a move empties, where this is one.
    pub source: Option<String>,
    /// How much of a mirror is copied, in per cent.
    pub percent: Option<f64>,
    /// Its extents, in order.
    pub segments: Vec<Segment>,
}

/// Where a volume lies.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// All of it on this physical volume.
    On(String),
    /// All of it is being moved.
    Moving(Move),
    /// Anything else, in words.
    Apart(String),
}

/// A pvmove that the metadata holds, whether or not a process looks after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// The hidden volume.
    pub name: String,
    /// From this physical volume.
    pub from: String,
    /// To this one; none where it is several, or the move is not all-or-nothing.
    pub to: Option<String>,
    /// What is moved.
    pub volumes: Vec<String>,
    /// How much of it is copied, in per cent.
    pub percent: Option<f64>,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.to.as_deref().unwrap_or("elsewhere, or piece by piece");
        write!(f, "a pvmove of {} from {} to {to} is under way", self.volumes.join(", "), self.from)
    }
}

/// A pvmove that was cut off after its mirror had become linear, and before the volumes lay elsewhere than on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOff {
    /// The hidden volume.
    pub name: String,
    /// The physical volume that has all of the data.
    pub on: String,
    /// The group.
    pub group: String,
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, the rest of a pvmove that was cut off while it was ended: all data is on {}, and can be used; no command \
             of LVM finishes this, `workflows/lvm/finish-move.sh {}` does",
            self.name, self.on, self.group
        )
    }
}

/// A group, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Its name.
    pub group: String,
    /// Bytes in an extent.
    pub extent: u64,
    /// Counts the changes of the metadata.
    pub seqno: u64,
    /// Its volumes.
    pub lvs: Vec<Lv>,
}

impl Lv {
    /// How many extents it has.
    pub fn extents(&self) -> u64 {
        self.segments.iter().map(|segment| segment.extents).sum()
    }

    /// Whether the device is there.
    pub fn active(&self) -> bool {
        matches!(self.attr.as_bytes().get(4), Some(b'a' | b's' | b'I' | b'S'))
    }

    /// Whether every access to it hangs until somebody resumes it.
    pub fn suspended(&self) -> bool {
        matches!(self.attr.as_bytes().get(4), Some(b's' | b'S'))
    }

    /// Whether it carries that tag.
    pub fn carries(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    /// What its extents lie on, each once.
    fn under(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.segments.iter().flat_map(|s| &s.areas).map(|area| area.on.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether it is a move, or what a killed one leaves.
    fn is_pvmove(&self) -> bool {
        let number = self.name.strip_prefix("pvmove").unwrap_or_default();
        self.hidden && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    }

    /// What a killed pvmove leaves.
    fn is_left_over(&self) -> bool {
        self.is_pvmove() && self.source.is_none() && self.segments.iter().all(|s| s.kind == "error")
    }
}

impl Layout {
    /// Asks for a group.
    ///
    /// # Errors
    /// `no-such-volume-group`, or `lvm`, with LVM's own words.
    pub fn read(ctx: &Context<'_>, group: &str) -> Result<Self, Refusal> {
        let rows: Vec<Row> = report::rows(ctx, report::command("lvs", &["-a"], FIELDS, group), "lv")?;
        let extent = rows.first().map_or(0, |row| report::figure(&row.vg_extent_size));
        let seqno = rows.first().map_or(0, |row| report::figure(&row.vg_seqno));
        let mut lvs: Vec<Lv> = Vec::new();
        for row in rows {
            let segment = row.segment();
            match lvs.iter_mut().find(|lv| lv.uuid == row.lv_uuid) {
                Some(lv) => lv.segments.push(segment),
                None => lvs.push(row.lv(segment)),
            }
        }
        Ok(Self { group: group.to_owned(), extent, seqno, lvs })
    }

    /// Finds a volume that is not hidden.
    ///
    /// # Errors
    /// `no-such-volume`, naming those that there are.
    pub fn find(&self, group: &str, name: &str) -> Result<&Lv, Refusal> {
        let seen = || self.lvs.iter().filter(|lv| !lv.hidden);
        seen().find(|lv| lv.name == name).ok_or_else(|| {
            let names: Vec<&str> = seen().map(|lv| lv.name.as_str()).collect();
            let message = format!("`{group}` has no volume `{name}`; it has: {}", names.join(", "));
            Refusal::new("no-such-volume", message)
        })
    }

    /// Finds volumes that are not hidden, in this order.
    ///
    /// # Errors
    /// `invalid-name`, `no-such-volume`; `invalid-input`: one is named twice.
    pub fn named(&self, group: &str, names: &[String]) -> Result<Vec<&Lv>, Refusal> {
        let mut found: Vec<&Lv> = Vec::new();
        for wanted in names {
            let lv = self.find(group, name::plain(wanted)?)?;
            if found.iter().any(|other| other.uuid == lv.uuid) {
                return Err(Refusal::new("invalid-input", format!("`{wanted}` is named twice")));
            }
            found.push(lv);
        }
        Ok(found)
    }

    /// Where a volume lies.
    pub fn place(&self, lv: &Lv) -> Place {
        let under = lv.under();
        match under.as_slice() {
            [one] => match self.moves().into_iter().find(|moving| moving.name == *one) {
                Some(moving) => Place::Moving(moving),
                None => match self.cut_off() {
                    Some(cut) if cut.name == *one => Place::Apart(format!("it lies on {cut}")),
                    _ => Place::On((*one).to_owned()),
                },
            },
            [] => Place::Apart("it has no extents of its own".to_owned()),
            several => Place::Apart(format!("its extents lie on {}", several.join(", "))),
        }
    }

    /// A move that was cut off while it was ended.
    pub fn cut_off(&self) -> Option<CutOff> {
        let cut = |lv: &&Lv| lv.is_pvmove() && lv.source.is_none() && !lv.is_left_over();
        let lv = self.lvs.iter().find(cut)?;
        Some(CutOff { name: lv.name.clone(), on: lv.under().join(", "), group: self.group.clone() })
    }

    /// Every move that the metadata holds.
    pub fn moves(&self) -> Vec<Move> {
        let of = |lv: &Lv, from: &String| {
            let image = |name: &str| self.lvs.iter().find(|lv| lv.name == name);
            let images: Option<Vec<&Lv>> = lv.under().into_iter().map(image).collect();
            let mut disks: Vec<&str> = images.iter().flatten().flat_map(|image| image.under()).collect();
            disks.sort_unstable();
            disks.dedup();
            let to = match disks.iter().filter(|disk| *disk != from).collect::<Vec<_>>().as_slice() {
                [to] if disks.len() == 2 => Some((**to).to_owned()),
                _ => None,
            };
            let holds = |other: &&Lv| other.under().contains(&lv.name.as_str());
            let volumes = self.lvs.iter().filter(holds).map(|other| other.name.clone()).collect();
            Move { name: lv.name.clone(), from: from.clone(), to, volumes, percent: lv.percent }
        };
        self.lvs.iter().filter_map(|lv| Some(of(lv, lv.source.as_ref()?))).collect()
    }

    /// The names of what killed moves have left.
    pub fn left_over(&self) -> Vec<&str> {
        self.lvs.iter().filter(|lv| lv.is_left_over()).map(|lv| lv.name.as_str()).collect()
    }
}

const FIELDS: &str = "lv_name,lv_uuid,lv_attr,lv_tags,move_pv,copy_percent,segtype,seg_start_pe,seg_size_pe,\
seg_pe_ranges,vg_extent_size,vg_seqno";

#[derive(Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
struct Row {
    lv_name: String,
    lv_uuid: String,
    lv_attr: String,
    lv_tags: String,
    move_pv: String,
    copy_percent: String,
    segtype: String,
    seg_start_pe: String,
    seg_size_pe: String,
    seg_pe_ranges: String,
    vg_extent_size: String,
    vg_seqno: String,
}

impl Row {
    /// `seg_pe_ranges` is `DEVICE:FIRST-LAST` for each stripe or image.
    fn segment(&self) -> Segment {
        let area = |range: &str| {
            let (on, extents) = range.rsplit_once(':')?;
            Some(Area { on: on.to_owned(), first: report::figure(extents.split('-').next()?) })
        };
        Segment {
            start: report::figure(&self.seg_start_pe),
            extents: report::figure(&self.seg_size_pe),
            kind: self.segtype.clone(),
            areas: self.seg_pe_ranges.split_whitespace().filter_map(area).collect(),
        }
    }

    fn lv(self, segment: Segment) -> Lv {
        let inner = self.lv_name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        Lv {
            hidden: inner.is_some(),
            name: inner.unwrap_or(&self.lv_name).to_owned(),
            uuid: self.lv_uuid,
            attr: self.lv_attr,
            tags: self.lv_tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            source: Some(self.move_pv).filter(|pv| !pv.is_empty()),
            percent: self.copy_percent.trim().parse().ok(),
            segments: vec![segment],
        }
    }
}
