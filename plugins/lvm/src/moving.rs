//! What `lvm.move` finds and what it may go on with: the two physical volumes, the volumes, and whose move is under way. It
//! must not know how anything is moved.

use crate::layout::{self, Layout, Lv, Move, Place};
use crate::move_volumes::{Extents, Input};
use crate::name;
use crate::physical::{self, Pv};
use cutwater_sdk::serde::{Deserialize, Serialize};
use cutwater_sdk::{Context, Refusal};

/// How things stood before anything was done; saved before the first effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
pub struct Before {
    /// The metadata's sequence number: a lower one later means that somebody put older metadata back.
    pub seqno: u64,
    /// Milliseconds since 1970.
    pub began: u64,
    /// The volumes, in the order in which they are moved.
    pub volumes: Vec<Was>,
}

/// How a volume lay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
pub struct Was {
    /// Its name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// Its extents.
    pub extents: Vec<Extents>,
}

impl Before {
    /// The volumes' names.
    pub fn names(&self) -> Vec<String> {
        self.volumes.iter().map(|was| was.name.clone()).collect()
    }
}

impl Was {
    /// Its size.
    pub fn bytes(&self, extent: u64) -> u64 {
        self.extents.iter().map(|run| run.extents).sum::<u64>() * extent
    }
}

/// Where a volume is on its way.
#[derive(Debug, Clone, PartialEq)]
pub enum At {
    /// All of it on `from`.
    Source,
    /// All of it on `to`.
    Target,
    /// Under way from `from` to `to`, alone and all-or-nothing; how far, in per cent.
    Forth(f64),
    /// Under way back.
    Back(f64),
    /// Neither of these: nothing that this step does.
    Elsewhere(String),
}

/// The group and the two physical volumes, at one moment.
pub struct Look {
    /// The group.
    pub layout: Layout,
    /// What is emptied.
    pub from: Pv,
    /// What takes it.
    pub to: Pv,
}

/// What a fresh look allows.
pub enum Ready {
    /// It can begin, or go on.
    Go,
    /// All of them are on the target already.
    Already,
}

impl Look {
    /// Asks LVM.
    ///
    /// # Errors
    /// `invalid-name`, `no-such-volume-group`, `no-such-physical-volume`, `not-in-group`, `same-device`.
    pub fn at(ctx: &Context<'_>, input: &Input) -> Result<Self, Refusal> {
        let group = name::plain(&input.vg)?;
        let layout = Layout::read(ctx, group)?;
        let of_group = |device| physical::of_group(ctx, group, device);
        let (from, to) = (of_group(&input.from)?, of_group(&input.to)?);
        if from.uuid == to.uuid {
            let message = format!("`{}` and `{}` are one physical volume", input.from, input.to);
            return Err(Refusal::new("same-device", message));
        }
        Ok(Self { layout, from, to })
    }

    /// The volumes that are meant: the named ones, or all that lie on the source and those that this step has begun with.
    ///
    /// # Errors
    /// `invalid-name`, `no-such-volume`, `nothing-to-move`.
    pub fn volumes(&self, input: &Input, mark: &str) -> Result<Vec<&Lv>, Refusal> {
        let mut found = self.layout.named(&input.vg, &input.volumes)?;
        if input.volumes.is_empty() {
            let meant = |lv: &&Lv| !lv.hidden && (lv.carries(mark) || self.of(lv) == At::Source);
            found = self.layout.lvs.iter().filter(meant).collect();
        }
        match found.is_empty() {
            false => Ok(found),
            true => Err(Refusal::new("nothing-to-move", format!("no volume lies on `{}`", input.from))),
        }
    }

    /// Where a volume is on its way.
    pub fn of(&self, lv: &Lv) -> At {
        let (from, to) = (&self.from.name, &self.to.name);
        match self.layout.place(lv) {
            Place::On(pv) if pv == *from => At::Source,
            Place::On(pv) if pv == *to => At::Target,
            Place::On(pv) => At::Elsewhere(format!("it lies on {pv}")),
            Place::Apart(what) => At::Elsewhere(what),
            Place::Moving(moving) if moving.volumes == [lv.name.clone()] => {
                let percent = moving.percent.unwrap_or(0.0);
                match (&moving.from, &moving.to) {
                    (a, Some(b)) if a == from && b == to => At::Forth(percent),
                    (a, Some(b)) if a == to && b == from => At::Back(percent),
                    _ => At::Elsewhere(moving.to_string()),
                }
            }
            Place::Moving(moving) => At::Elsewhere(moving.to_string()),
        }
    }

    /// Whether the step can begin or go on: what a plan shows as refused rather than what fails at night.
    ///
    /// # Errors
    /// `unmovable`, `not-active`, `not-on-source`, `move-under-way`, `cut-off-move`, `left-over-move`, `not-allocatable`,
    /// `not-enough-extents`.
    pub fn ready(&self, input: &Input, volumes: &[&Lv], mark: &str) -> Result<Ready, Refusal> {
        let fresh = !volumes.iter().any(|lv| lv.carries(mark));
        let id = |lv: &Lv| format!("{}/{}", input.vg, lv.name);
        let refuse = |code: &str, message: String| Err(Refusal::new(code, message));
        let on_its_way = |lv: &Lv| matches!(self.of(lv), At::Forth(_) | At::Back(_));
        let ours =
            |moving: &Move| volumes.iter().any(|lv| on_its_way(lv) && moving.volumes == [lv.name.clone()]);
        if let Some(other) = self.layout.moves().into_iter().find(|moving| fresh || !ours(moving)) {
            return refuse("move-under-way", format!("in `{}` {other}, and not by this step", input.vg));
        }
        if let Some(cut) = self.layout.cut_off() {
            return refuse("cut-off-move", format!("`{}` has {cut}", input.vg));
        }
        if let (true, Some(rest)) = (fresh, self.layout.left_over().first()) {
            return refuse(
                "left-over-move",
                format!(
                    "an interrupted pvmove has left `{0}/{rest}`; `lvremove {0}/{rest}` takes it away",
                    input.vg
                ),
            );
        }
        for lv in volumes {
            let plain = |kind: &str| matches!(kind, "linear" | "striped");
            if let Some(segment) = lv.segments.iter().find(|segment| !plain(&segment.kind)) {
                return refuse(
                    "unmovable",
                    format!(
                        "`{}` is of type {}: its extents belong to hidden volumes that others may share, of which LVM \
                         moves all or says `No data to move for {}`",
                        id(lv),
                        segment.kind,
                        input.vg
                    ),
                );
            }
            if fresh && !lv.active() {
                return refuse(
                    "not-active",
                    format!(
                        "`{}` is not active, and pvmove would leave it active; activate it first",
                        id(lv)
                    ),
                );
            }
        }
        let at: Vec<At> = volumes.iter().map(|lv| self.of(lv)).collect();
        if fresh && at.iter().all(|at| *at == At::Target) {
            return Ok(Ready::Already);
        }
        for (lv, at) in volumes.iter().zip(&at) {
            let what = match at {
                At::Elsewhere(what) => what.clone(),
                At::Target if fresh => format!("it lies on {} already", self.to.name),
                _ => continue,
            };
            return refuse(
                "not-on-source",
                format!("`{}` is not wholly on `{}`: {what}", id(lv), input.from),
            );
        }
        self.room(input, volumes)?;
        Ok(Ready::Go)
    }

    fn room(&self, input: &Input, volumes: &[&Lv]) -> Result<(), Refusal> {
        let staying = volumes.iter().filter(|lv| self.of(lv) == At::Source);
        let needed: u64 = staying.map(|lv| lv.extents()).sum();
        self.to.room(&input.to, needed, self.layout.extent)
    }

    /// How the volumes lie now.
    pub fn before(&self, volumes: &[&Lv], now: u64) -> Before {
        let was = |lv: &&Lv| Was { name: lv.name.clone(), uuid: lv.uuid.clone(), extents: extents(lv) };
        Before { seqno: self.layout.seqno, began: now, volumes: volumes.iter().map(was).collect() }
    }

    /// The volume as it is now.
    pub fn now(&self, was: &Was) -> Option<&Lv> {
        self.layout.lvs.iter().find(|lv| lv.uuid == was.uuid)
    }

    /// Where each of the volumes is on its way, and which; none of them is missing.
    pub fn all(&self, before: &Before) -> Result<Vec<At>, String> {
        if self.layout.seqno < before.seqno {
            return Err(format!(
                "the metadata is older (change {}) than when this step began (change {})",
                self.layout.seqno, before.seqno
            ));
        }
        let at =
            |was: &Was| self.now(was).map(|lv| self.of(lv)).ok_or_else(|| format!("`{}` is gone", was.name));
        before.volumes.iter().map(at).collect()
    }

    /// Whether nothing but where the volumes lie tells of this step.
    pub fn clean(&self, before: &Before, mark: &str) -> bool {
        let carries = |was: &Was| self.now(was).is_some_and(|lv| lv.carries(mark) || lv.suspended());
        !self.left_over() && !before.volumes.iter().any(carries)
    }

    /// Whether a move of ours was killed at its very end: the group had no other when it began, so it was the first.
    pub fn left_over(&self) -> bool {
        self.layout.left_over().contains(&"pvmove0")
    }
}

/// What a volume lies on, in order.
pub fn extents(lv: &Lv) -> Vec<Extents> {
    let of = |segment: &layout::Segment| {
        let area = segment.areas.first();
        Extents {
            start: segment.start,
            extents: segment.extents,
            on: area.map(|area| area.on.clone()).unwrap_or_default(),
            first: area.map_or(0, |area| area.first),
        }
    };
    lv.segments.iter().map(of).collect()
}
