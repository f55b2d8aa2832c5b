//! A group of two disks of 100 extents each that moves volumes as LVM 2.03.16 was seen to. It must not know steps.

use cutwater_sdk::fake::{Host, Output};
use cutwater_sdk::host::Command;
use cutwater_sdk::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

pub const EXTENT: u64 = 4 << 20;
pub const SIZE: u64 = 100;
pub const DISKS: [&str; 2] = ["/dev/a", "/dev/b"];

#[derive(Debug, Clone, PartialEq)]
pub struct Lv {
    pub disk: &'static str,
    pub first: u64,
    pub extents: u64,
    pub tags: Vec<String>,
    pub kind: &'static str,
    pub active: bool,
    pub suspended: bool,
}

/// A move that the metadata holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Moving {
    pub volumes: Vec<String>,
    pub from: &'static str,
    pub to: &'static str,
    pub atomic: bool,
}

/// How the next pvmove that would begin a move, or go on with one, ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Killed while the kernel copies.
    UnderWay,
    /// Killed between its two last writes of the metadata.
    AtItsEnd,
    /// Killed one write earlier: the mirror is none any more, and the volume still lies on it.
    Apart,
    /// Somebody aborts it: it ends well.
    Aborted,
    /// Killed while it has the volume suspended.
    Suspended,
}

#[derive(Debug, Default)]
pub struct Group {
    pub lvs: BTreeMap<String, Lv>,
    pub moving: Option<Moving>,
    pub left_over: bool,
    /// The volume that lies on a linear pvmove0.
    pub apart: Option<String>,
    pub seqno: u64,
    /// One for each pvmove to come; none: it ends well.
    pub cuts: Vec<Option<Cut>>,
}

impl Group {
    fn used(&self, disk: &str) -> u64 {
        let on = |lv: &&Lv| lv.disk == disk;
        let coming = self.moving.iter().filter(|moving| moving.to == disk).flat_map(|m| &m.volumes);
        self.lvs.values().filter(on).map(|lv| lv.extents).sum::<u64>()
            + coming.map(|name| self.lvs[name].extents).sum::<u64>()
    }

    fn pvs(&self, device: &str) -> Output {
        let device = if device == "/dev/alias" { "/dev/a" } else { device };
        if !DISKS.contains(&device) && device != "/dev/other" {
            return Output::failed(5, format!("  Failed to find physical volume \"{device}\"."));
        }
        let group = if device == "/dev/other" { "vg99" } else { "vg00" };
        let row = json!({ "pv_name": device, "pv_uuid": format!("uuid{device}"), "vg_name": group,
            "pv_pe_count": SIZE.to_string(), "pv_pe_alloc_count": self.used(device).to_string(),
            "pv_allocatable": "1" });
        Output::ok(json!({ "report": [{ "pv": [row] }] }).to_string())
    }

    fn lvs(&self) -> Output {
        let row = |name: &str, attr: &str, kind: &str, extents: u64, ranges: String| {
            json!({ "lv_name": name, "lv_uuid": format!("uuid-{name}"), "lv_attr": attr, "lv_tags": "",
                "move_pv": "", "copy_percent": "", "segtype": kind, "seg_start_pe": "0",
                "seg_size_pe": extents.to_string(), "seg_pe_ranges": ranges,
                "vg_extent_size": EXTENT.to_string(), "vg_seqno": self.seqno.to_string() })
        };
        let range = |on: &str, first: u64, extents: u64| format!("{on}:{first}-{}", first + extents - 1);
        let moves = |name: &str| self.moving.as_ref().filter(|m| m.volumes.iter().any(|v| v == name));
        let mut rows: Vec<Value> = Vec::new();
        for (name, lv) in &self.lvs {
            let state = match (lv.active, lv.suspended) {
                (false, _) => '-',
                (_, true) => 's',
                (_, false) => 'a',
            };
            let on = match moves(name).is_some() || self.apart.as_ref() == Some(name) {
                true => range("pvmove0", 0, lv.extents),
                false => range(lv.disk, lv.first, lv.extents),
            };
            let mut row = row(name, &format!("-wi-{state}-----"), lv.kind, lv.extents, on);
            row["lv_tags"] = json!(lv.tags.join(","));
            rows.push(row);
        }
        if let Some(moving) = &self.moving {
            let extents = moving.volumes.iter().map(|name| self.lvs[name].extents).sum();
            let images = ["pvmove0_mimage_0", "pvmove0_mimage_1"];
            let under = if moving.atomic { images } else { [moving.from, moving.to] };
            let ranges = under.map(|on| range(on, 0, extents)).join(" ");
            let mut hidden = row("[pvmove0]", "p-C-aom---", "mirror", extents, ranges);
            hidden["move_pv"] = json!(moving.from);
            hidden["copy_percent"] = json!("40.00");
            rows.push(hidden);
            for (image, disk) in images.into_iter().zip([moving.from, moving.to]).filter(|_| moving.atomic) {
                let name = format!("[{image}]");
                rows.push(row(&name, "Iwi-aom---", "linear", extents, range(disk, 0, extents)));
            }
        }
        if let Some(lv) = self.apart.as_ref().map(|name| &self.lvs[name]) {
            let ranges = range(lv.disk, lv.first, lv.extents);
            rows.push(row("pvmove0_mimage_1", "vwi-a-v---", "error", lv.extents, String::new()));
            rows.push(row("[pvmove0]", "p-C-aom---", "linear", lv.extents, ranges));
        }
        if self.left_over {
            rows.push(row("[pvmove0]", "vwc---v---", "error", 0, String::new()));
        }
        Output::ok(json!({ "report": [{ "lv": rows }] }).to_string())
    }

    fn pvmove(&mut self, args: &[String]) -> Output {
        let disk = |text: &str| DISKS.into_iter().find(|disk| *disk == text).unwrap();
        assert_eq!(self.apart, None, "pvmove does nothing about it");
        let over = "  No pvmove in progress - already finished or aborted.";
        if let [abort, source] = args
            && abort == "--abort"
        {
            if self.moving.as_ref().is_some_and(|moving| moving.from == source.as_str()) {
                self.moving = None;
                self.seqno += 1;
                self.lvs.values_mut().for_each(|lv| lv.suspended = false);
            }
            return Output::ok(over);
        }
        let [atomic, i, one, n, volume, source, target] = args else { panic!("{args:?}") };
        assert_eq!([atomic, i, one, n].map(String::as_str), ["--atomic", "-i", "1", "-n"]);
        let name = volume.strip_prefix("vg00/").unwrap().to_owned();
        // With a move from that source under way all else is ignored.
        if self.moving.as_ref().is_none_or(|moving| moving.from != source.as_str()) {
            let Some(lv) = self.lvs.get(&name).filter(|lv| lv.disk == source.as_str()) else {
                return Output::failed(5, "  No data to move for vg00.");
            };
            let (needed, free) = (lv.extents, SIZE - self.used(target));
            if needed > free {
                let words =
                    format!("  Insufficient free space: {needed} extents needed, but only {free} available");
                return Output::failed(5, words);
            }
            let (from, to) = (disk(source), disk(target));
            self.moving = Some(Moving { volumes: vec![name.clone()], from, to, atomic: true });
            self.seqno += 1;
        }
        match if self.cuts.is_empty() { None } else { self.cuts.remove(0) } {
            Some(Cut::UnderWay) => return Output::failed(137, ""),
            Some(Cut::Suspended) => {
                self.lvs.get_mut(&name).unwrap().suspended = true;
                return Output::failed(137, "");
            }
            Some(Cut::Aborted) => {
                self.moving = None;
                return Output::ok(over);
            }
            Some(Cut::AtItsEnd) => self.left_over = true,
            Some(Cut::Apart) => self.apart = Some(name.clone()),
            None => {}
        }
        let Moving { volumes, to, .. } = self.moving.take().unwrap();
        for name in volumes {
            let lv = self.lvs.get_mut(&name).unwrap();
            (lv.disk, lv.active, lv.suspended) = (to, true, false);
        }
        self.seqno += 1;
        if self.left_over || self.apart.is_some() {
            Output::failed(137, "")
        } else {
            Output::ok("  /dev/a: Moved: 100.00%\n")
        }
    }

    fn lvchange(&mut self, args: &[String]) -> Output {
        let names = |from: usize| args[from..].iter().map(|id| id.strip_prefix("vg00/").unwrap());
        match args[0].as_str() {
            "--refresh" => names(1).for_each(|name| self.lvs.get_mut(name).unwrap().suspended = false),
            "--addtag" | "--deltag" => names(2).for_each(|name| {
                let tags = &mut self.lvs.get_mut(name).unwrap().tags;
                tags.retain(|tag| *tag != args[1]);
                tags.extend((args[0] == "--addtag").then(|| args[1].clone()));
            }),
            other => panic!("{other}"),
        }
        self.seqno += 1;
        Output::ok("")
    }

    fn lvremove(&mut self, args: &[String]) -> Output {
        assert_eq!((args[1].as_str(), self.left_over), ("vg00/pvmove0", true));
        self.left_over = false;
        self.seqno += 1;
        Output::ok("")
    }
}

pub struct World {
    pub host: Host,
    pub group: Rc<RefCell<Group>>,
}

/// vg00 with `one` (40 extents) and `two` (20) on /dev/a, and nothing on /dev/b.
pub fn world() -> World {
    let lv = |first, extents| Lv {
        disk: "/dev/a",
        first,
        extents,
        tags: Vec::new(),
        kind: "linear",
        active: true,
        suspended: false,
    };
    let lvs = BTreeMap::from([("one".to_owned(), lv(0, 40)), ("two".to_owned(), lv(40, 20))]);
    let group = Rc::new(RefCell::new(Group { lvs, seqno: 7, ..Group::default() }));
    type Does = fn(&mut Group, &[String]) -> Output;
    let programs: [(&str, Does); 5] = [
        ("lvs", |group, _| group.lvs()),
        ("pvs", |group, args| group.pvs(args.last().unwrap())),
        ("pvmove", Group::pvmove),
        ("lvchange", Group::lvchange),
        ("lvremove", Group::lvremove),
    ];
    let mut host = Host::new();
    for (name, does) in programs {
        let group = group.clone();
        host = host.program(name, move |_, command: &Command| does(&mut group.borrow_mut(), &command.args));
    }
    World { host, group }
}

impl World {
    /// The disk of each volume, and what else there is to see.
    pub fn lies(&self) -> String {
        let group = self.group.borrow();
        let one = |(name, lv): (&String, &Lv)| {
            let tags = if lv.tags.is_empty() { String::new() } else { format!(" {}", lv.tags.join(",")) };
            let hangs = if lv.suspended { " suspended" } else { "" };
            format!("{name} {}{tags}{hangs}", lv.disk)
        };
        let mut all: Vec<String> = group.lvs.iter().map(one).collect();
        all.extend(group.moving.iter().map(|moving| format!("{} under way", moving.volumes.join("+"))));
        all.extend(group.apart.iter().map(|name| format!("{name} on pvmove0")));
        all.extend(group.left_over.then(|| "left over".to_owned()));
        all.join("; ")
    }

    pub fn changes(&self) -> Vec<String> {
        let runs = self.host.changes().into_iter();
        runs.filter_map(|call| call.strip_prefix("run ").map(str::to_owned)).collect()
    }
}
