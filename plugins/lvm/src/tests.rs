//! The steps against a group that behaves as LVM 2.03.16 was seen to, half-made snapshots, suspended origins and merges that
//! nobody watches included.

mod merging;
mod watching;

use crate::{Activate, CheckExtents, Deactivate, Fence, Plugin, Remove, Snapshot, Usable};
use cutwater_sdk::call::{self, Reply};
use cutwater_sdk::fake::{Host, Output};
use cutwater_sdk::host::Command;
use cutwater_sdk::{Context, Partial, Plugin as _, Probed, Story, Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Debug, Clone, Default, PartialEq)]
struct Lv {
    extents: u64,
    active: bool,
    suspended: bool,
    invalid: bool,
    tags: Vec<String>,
    origin: String,
    chunk: u64,
    barred: bool,
    uuid: Option<String>,
    percent: f64,
    open: bool,
    /// It is to be merged.
    merging: bool,
    /// The kernel is at it.
    kernel: bool,
    /// LVM watches for the kernel's end.
    watched: bool,
    unmerged: bool,
}

#[derive(Debug, Default)]
struct Group {
    lvs: BTreeMap<String, Lv>,
    free: u64,
    /// How the next lvcreate is cut short: "plain" leaves a volume that is no snapshot, "suspended" also the origin.
    cut: Option<&'static str>,
    /// Nobody can ask any more once something has changed.
    deaf: bool,
    changed: bool,
}

const EXTENT: u64 = 4 << 20;

impl Group {
    fn vgs(&self) -> Output {
        Output::ok(
            json!({ "report": [{ "vg": [{ "vg_name": "vg00", "vg_uuid": "vg-uuid",
            "vg_extent_size": EXTENT.to_string(), "vg_free_count": self.free.to_string() }] }] })
            .to_string(),
        )
    }

    /// Each look finds a merge further on.
    fn lvs(&mut self, args: &[String]) -> Output {
        let all = args.iter().any(|arg| arg == "-a");
        let snapped = |name: &str| self.lvs.values().any(|lv| lv.origin == name);
        let into = |name: &str| self.lvs.values().find(|lv| lv.origin == name && lv.merging);
        let rows: Vec<Value> = self.lvs.iter().filter(|(_, lv)| all || !lv.merging).map(|(name, lv)| {
            let target = into(name);
            let into = target.filter(|_| lv.active);
            let kind = match (lv.origin.is_empty(), lv.merging, snapped(name)) {
                (false, false, _) => 's',
                (false, true, _) => 'S',
                (true, _, true) if target.is_some() => 'O',
                (true, _, true) => 'o',
                (true, _, false) => '-',
            };
            let state = match (lv.active, lv.suspended, lv.invalid) {
                (false, ..) => '-',
                (_, true, _) => 's',
                (_, _, true) => 'I',
                _ => 'a',
            };
            let percent = match (into, lv.origin.is_empty(), lv.active) {
                (Some(snapshot), ..) if snapshot.kernel => format!("{:.2}", snapshot.percent),
                (None, false, true) => format!("{:.2}", lv.percent),
                _ => String::new(),
            };
            let told = |known: bool, yes: bool| if !known { "-1" } else if yes { "1" } else { "0" };
            json!({ "lv_name": if lv.merging { format!("[{name}]") } else { name.clone() },
                "lv_uuid": lv.uuid.clone().unwrap_or_else(|| format!("uuid-{name}")), "lv_size": (lv.extents * EXTENT).to_string(),
                "lv_attr": format!("{kind}wi-{state}-----"), "lv_tags": lv.tags.join(","), "origin": lv.origin,
                "chunk_size": lv.chunk.to_string(), "snap_percent": percent,
                "lv_snapshot_invalid": told(!lv.origin.is_empty() && lv.active, lv.invalid),
                "lv_skip_activation": told(true, lv.barred), "lv_autoactivation": told(true, !lv.barred),
                "lv_device_open": told(lv.active, lv.open),
                "lv_merge_failed": told(lv.active && (lv.merging || into.is_some()), lv.unmerged) })
        }).collect();
        self.merge_on();
        Output::ok(json!({ "report": [{ "lv": rows }] }).to_string())
    }

    fn lvcreate(&mut self, args: &[String]) -> Output {
        let value =
            |option: &str| args.iter().position(|a| a == option).map(|at| args[at + 1].clone()).unwrap();
        let number = |option: &str| value(option).strip_suffix('b').unwrap().parse::<u64>().unwrap();
        let origin = args.last().unwrap().strip_prefix("vg00/").unwrap().to_owned();
        let extents = number("-L").div_ceil(EXTENT);
        if extents > self.free {
            let words = format!(
                "  Volume group \"vg00\" has insufficient free space ({} extents): {extents} required.",
                self.free
            );
            return Output::failed(5, words);
        }
        let mut lv = Lv {
            extents,
            active: true,
            tags: vec![value("--addtag")],
            chunk: number("-c"),
            percent: 12.5,
            ..Lv::default()
        };
        if self.cut.is_none() {
            lv.origin = origin.clone();
        }
        lv.active = self.cut.is_none();
        self.free -= extents;
        self.lvs.insert(value("-n"), lv);
        match self.cut.take() {
            Some("suspended") => {
                self.lvs.get_mut(&origin).unwrap().suspended = true;
                Output::failed(137, "")
            }
            Some(_) => Output::failed(5, "  Failed to suspend origin dat."),
            None => Output::ok("  Logical volume created.\n"),
        }
    }

    fn lvremove(&mut self, args: &[String]) -> Output {
        let name = args.last().unwrap().strip_prefix("vg00/").unwrap();
        match self.lvs.remove(name) {
            Some(lv) => {
                self.free += lv.extents;
                Output::ok("")
            }
            None => Output::failed(5, format!("  Failed to find logical volume \"vg00/{name}\"")),
        }
    }

    fn lvchange(&mut self, args: &[String]) -> Output {
        let name = args.last().unwrap().strip_prefix("vg00/").unwrap();
        let Some(lv) = self.lvs.get_mut(name) else {
            return Output::failed(5, "  Failed to find logical volume");
        };
        let mut rest = args.iter();
        let keep = args.iter().any(|arg| arg == "-K");
        let (mut begins, mut polled) = (false, false);
        while let Some(arg) = rest.next() {
            match arg.as_str() {
                "-ay" if !lv.barred || keep => (lv.active, begins) = (true, true),
                "-an" => lv.active = false,
                "--refresh" => (lv.suspended, begins, polled) = (false, !lv.open, true),
                "--poll" => polled = rest.next().unwrap() == "y",
                "--setactivationskip" => lv.barred = rest.next().unwrap() == "y",
                "--addtag" => lv.tags.push(rest.next().unwrap().clone()),
                "--deltag" => {
                    let tag = rest.next().unwrap();
                    lv.tags.retain(|own| own != tag);
                }
                _ => {}
            }
        }
        let active = lv.active;
        for snapshot in self.lvs.values_mut().filter(|lv| lv.origin == name) {
            snapshot.active = active;
            snapshot.kernel = active && (snapshot.kernel || snapshot.merging && begins);
            snapshot.watched |= polled;
        }
        Output::ok("")
    }
}

struct World {
    host: Host,
    group: Rc<RefCell<Group>>,
}

/// vg00 with `dat` of 1 GiB, and so many free extents.
fn world(free: u64) -> World {
    let dat = Lv { extents: 256, active: true, ..Lv::default() };
    let group = Rc::new(RefCell::new(Group {
        lvs: BTreeMap::from([("dat".to_owned(), dat)]),
        free,
        ..Group::default()
    }));
    let mut host = Host::new();
    type Does = fn(&mut Group, &[String]) -> Output;
    let programs: [(&str, Does); 6] = [
        ("vgs", |group, _| group.vgs()),
        ("lvs", Group::lvs),
        ("lvcreate", Group::lvcreate),
        ("lvremove", Group::lvremove),
        ("lvchange", Group::lvchange),
        ("lvconvert", Group::lvconvert),
    ];
    for (name, does) in programs {
        let group = group.clone();
        host =
            host.program(name, move |_, command: &Command| match command.args.last().map(String::as_str) {
                Some("nope") => {
                    Output::failed(5, "  Volume group \"nope\" not found\n  Cannot process volume group nope")
                }
                _ if name == "lvs" && group.borrow().deaf && group.borrow().changed => {
                    Output::failed(5, "  Can't get lock for vg00")
                }
                _ => {
                    group.borrow_mut().changed |= !name.ends_with('s');
                    does(&mut group.borrow_mut(), &command.args)
                }
            });
    }
    World { host, group }
}

impl World {
    fn lv(&self, name: &str) -> Lv {
        self.group.borrow().lvs[name].clone()
    }

    fn changes(&self) -> Vec<String> {
        self.host.changes().into_iter().filter(|call| call.starts_with("run ")).collect()
    }
}

fn snapshot_input() -> Value {
    json!({ "vg": "vg00", "origin": "dat", "size": "160MiB" })
}

fn room(world: &World, more: Value) -> Reply {
    let mut input = json!({ "vg": "vg00", "volumes": ["dat"], "lasting": "30m" });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call::check::<CheckExtents>(&Context::over(&world.host, "check-extents"), input)
}

#[test]
fn room_is_found_by_the_rule_and_by_the_model() {
    let Reply::Unchanged(by_rule) = room(&world(300), json!({})) else { panic!() };
    assert_eq!(by_rule["volumes"][0]["cow"], "156MiB");
    assert_eq!((by_rule["needed"].clone(), by_rule["free"].clone()), (json!(39), json!(300)));
    assert_eq!(by_rule["vg"], json!({ "name": "vg00", "uuid": "vg-uuid" }));
    let Reply::Unchanged(by_model) = room(&world(300), json!({ "rate": "100KiB/s" })) else { panic!() };
    // 175.8 MiB written in scattered pages of 4 KiB touch 32536 chunks of 16 KiB, times 1.3.
    assert_eq!(by_model["volumes"][0]["cow"], "664MiB");
}

#[test]
fn too_few_extents_are_refused_with_what_is_missing_and_the_command_that_adds_it() {
    let Reply::Refused(refusal) = room(&world(10), json!({})) else { panic!() };
    assert_eq!(refusal.code, "not-enough-extents");
    let needed =
        "`vg00` has 10 free extents of 4MiB, the snapshots need 39: 29 extents (116MiB, 121634816 bytes)";
    assert!(
        refusal.message.starts_with(needed) && refusal.message.contains("`vgextend vg00 DEVICE`"),
        "{}",
        refusal.message
    );
    assert_eq!(refusal.details["deficit"], 29);
}

/// Sabotage: the deficit counted without the margin, or in volumes.
#[test]
fn what_is_missing_is_told_where_that_is_no_refusal() {
    let Reply::Unchanged(told) = room(&world(10), json!({ "refuse": false })) else { panic!() };
    assert_eq!((&told["deficit"], &told["lacking"]), (&json!(29), &json!("116MiB")));
    assert_eq!(told["command"], "vgextend vg00 DEVICE");
    let Reply::Unchanged(enough) = room(&world(39), json!({ "refuse": false })) else { panic!() };
    assert_eq!((&enough["deficit"], &enough["command"]), (&json!(0), &json!("")));
}

/// Sabotage: sectors counted for bytes, or the time that was asked for in place of the time that passed.
#[test]
fn a_rate_is_measured_by_what_the_kernel_counts_and_is_not_known_to_the_plan() {
    let world = world(300);
    let host = world.host.device("/dev/vg00/dat", vec![0; 4096]);
    host.load.set(200);
    let world = World { host, group: world.group };
    let Reply::Unchanged(measured) = room(&world, json!({ "measure": "10s" })) else { panic!() };
    let Reply::Unchanged(given) = room(&world, json!({ "rate": "100KiB/s" })) else { panic!() };
    assert_eq!(measured["volumes"], given["volumes"]);
    let input = json!({ "vg": "vg00", "volumes": ["dat"], "lasting": "30m", "measure": "10s" });
    let ctx = Context::over(&world.host, "check-extents");
    let shown = call::preview_check::<CheckExtents>(&ctx, &Partial::known(input)).unwrap();
    assert!(!shown.output.unknown.is_empty(), "{:?}", shown.output);
    let Reply::Refused(both) = room(&world, json!({ "measure": "10s", "rate": "1KiB/s" })) else { panic!() };
    assert_eq!(both.code, "invalid-input");
}

#[test]
fn a_group_or_volume_that_is_not_there_is_refused_in_lvms_words() {
    let Reply::Refused(group) = room(&world(10), json!({ "vg": "nope" })) else { panic!() };
    assert_eq!(group.code, "no-such-volume-group");
    assert!(group.message.contains("Volume group \"nope\" not found"));
    let Reply::Refused(volume) = room(&world(10), json!({ "volumes": ["other"] })) else { panic!() };
    assert_eq!(
        (volume.code.as_str(), volume.message.as_str()),
        ("no-such-volume", "`vg00` has no volume `other`; it has: dat")
    );
    for name in ["-y", "--config", "a/b", ""] {
        let Reply::Refused(refusal) = room(&world(10), json!({ "vg": name })) else { panic!() };
        assert_eq!(refusal.code, "invalid-name");
    }
}

#[test]
fn a_snapshot_does_exactly_what_its_preview_showed_and_its_undo_leaves_nothing() {
    let world = world(300);
    let ctx = Context::over(&world.host, "snapshot");
    let shown = call::preview::<Snapshot>(&ctx, &Partial::known(snapshot_input()), false).unwrap();
    assert!(world.changes().is_empty());
    assert_eq!(shown.effects.len(), 1);
    let args = "-s -y -n dat-cutwater -L 167772160b -c 16384b --addtag cutwater.r1.snapshot vg00/dat";
    assert_eq!(
        shown.effects[0].detail,
        json!({ "program": "lvcreate", "args": args.split(' ').collect::<Vec<_>>() })
    );
    assert_eq!(shown.output.value["device"], "/dev/vg00/dat-cutwater");
    assert_eq!(shown.output.unknown.keys().collect::<Vec<_>>(), ["/uuid"]);

    for _ in 0..2 {
        assert_eq!(call::probe::<Snapshot>(&ctx, snapshot_input(), &Story::default()), Probed::NotApplied);
        let Reply::Changed(output) = call::apply::<Snapshot>(&ctx, snapshot_input(), None) else { panic!() };
        assert_eq!(
            output,
            json!({ "id": "vg00/dat-cutwater", "device": "/dev/vg00/dat-cutwater",
            "store": "/dev/mapper/vg00-dat--cutwater-cow", "origin": "/dev/vg00/dat",
            "identity": "uuid-dat", "uuid": "uuid-dat-cutwater", "chunk": "16KiB" })
        );
        assert_eq!(world.changes().last().unwrap(), &format!("run lvcreate {args}"));
        assert_eq!(
            call::probe::<Snapshot>(&ctx, snapshot_input(), &Story::default()),
            Probed::Applied(output)
        );
        assert_eq!(
            call::undo::<Snapshot>(&ctx, snapshot_input(), &Story::default()),
            Reply::Changed(json!(null))
        );
        assert_eq!(world.group.borrow().free, 300);
    }
    assert_eq!(
        call::undo::<Snapshot>(&ctx, snapshot_input(), &Story::default()),
        Reply::Unchanged(json!(null))
    );
}

#[test]
fn a_size_that_is_known_later_leaves_a_hole_in_the_plan() {
    let world = world(300);
    let input = Partial {
        value: json!({ "vg": "vg00", "origin": "dat", "size": null }),
        unknown: BTreeMap::from([("/size".to_owned(), "room".to_owned())]),
    };
    let shown = call::preview::<Snapshot>(&Context::over(&world.host, "snapshot"), &input, false).unwrap();
    assert_eq!(shown.effects[0].detail["args"][5], "\u{e000}~/size\u{e001}b");
}

#[test]
fn a_snapshot_that_lvm_refuses_is_refused_in_its_words_and_leaves_nothing() {
    let world = world(5);
    let ctx = Context::over(&world.host, "snapshot");
    let Reply::Refused(refusal) = call::apply::<Snapshot>(&ctx, snapshot_input(), None) else { panic!() };
    assert!(
        refusal.message.contains("insufficient free space (5 extents): 40 required"),
        "{}",
        refusal.message
    );
    assert_eq!(world.group.borrow().lvs.len(), 1);
}

#[test]
fn a_name_that_is_taken_is_refused_and_never_touched() {
    let world = world(300);
    let other = Lv { extents: 4, active: true, tags: vec!["cutwater.r0.snapshot".into()], ..Lv::default() };
    world.group.borrow_mut().lvs.insert("dat-cutwater".into(), other.clone());
    let ctx = Context::over(&world.host, "snapshot");
    let refused = call::preview::<Snapshot>(&ctx, &Partial::known(snapshot_input()), false).unwrap_err();
    assert_eq!(refused.code, "name-taken");
    assert!(matches!(call::apply::<Snapshot>(&ctx, snapshot_input(), None), Reply::Refused(_)));
    assert_eq!(call::probe::<Snapshot>(&ctx, snapshot_input(), &Story::default()), Probed::NotApplied);
    assert_eq!(
        call::undo::<Snapshot>(&ctx, snapshot_input(), &Story::default()),
        Reply::Unchanged(json!(null))
    );
    assert_eq!(world.lv("dat-cutwater"), other);
}

#[test]
fn what_a_killed_lvcreate_leaves_is_found_and_taken_back() {
    for cut in ["plain", "suspended"] {
        let world = world(300);
        world.group.borrow_mut().cut = Some(cut);
        let ctx = Context::over(&world.host, "snapshot");
        let Reply::Failed(failure) = call::apply::<Snapshot>(&ctx, snapshot_input(), None) else { panic!() };
        assert_eq!(failure.code, "half-made", "{cut}");
        assert_eq!(call::probe::<Snapshot>(&ctx, snapshot_input(), &Story::default()), Probed::PartWay(None));
        assert!(
            matches!(call::apply::<Snapshot>(&ctx, snapshot_input(), None), Reply::Failed(_)),
            "no second lvcreate"
        );
        assert_eq!(
            call::undo::<Snapshot>(&ctx, snapshot_input(), &Story::default()),
            Reply::Changed(json!(null))
        );
        let dat = world.lv("dat");
        assert!(!dat.suspended && dat.active && world.group.borrow().lvs.len() == 1, "{cut}");
        assert_eq!(call::probe::<Snapshot>(&ctx, snapshot_input(), &Story::default()), Probed::NotApplied);
    }
}

#[test]
fn an_lvcreate_whose_end_was_not_seen_is_unknown() {
    let world = world(300);
    world.host.fault("run lvcreate", "lost");
    let ctx = Context::over(&world.host, "snapshot");
    assert!(matches!(call::apply::<Snapshot>(&ctx, snapshot_input(), None), Reply::Unknown(_)));
}

#[test]
fn only_a_volume_of_this_run_is_removed() {
    let world = world(300);
    let ctx = Context::over(&world.host, "remove");
    let input = json!({ "volume": "vg00/dat-cutwater" });
    for (tag, ours) in [("cutwater.r1.snap", true), ("cutwater.r11.snap", false), ("other", false)] {
        let lv = Lv { extents: 4, tags: vec![tag.into()], ..Lv::default() };
        world.group.borrow_mut().lvs.insert("dat-cutwater".into(), lv);
        let reply = call::apply::<Remove>(&ctx, input.clone(), None);
        match ours {
            true => assert_eq!(reply, Reply::Changed(json!({ "removed": "vg00/dat-cutwater" }))),
            false => assert!(matches!(reply, Reply::Refused(refusal) if refusal.code == "not-ours"), "{tag}"),
        }
    }
    world.group.borrow_mut().lvs.remove("dat-cutwater");
    assert!(matches!(call::apply::<Remove>(&ctx, input.clone(), None), Reply::Unchanged(_)));
    assert!(matches!(call::probe::<Remove>(&ctx, input, &Story::default()), Probed::Applied(_)));
}

#[test]
fn a_fence_is_given_back_as_it_was_and_activates_what_a_boot_passed_over() {
    let world = world(300);
    let ctx = Context::over(&world.host, "fence");
    let input = json!({ "vg": "vg00", "volume": "dat" });
    let before = world.lv("dat");
    let Reply::Changed(output) = call::apply::<Fence>(&ctx, input.clone(), None) else { panic!() };
    assert_eq!(output["device"], "/dev/vg00/dat");
    assert!(world.lv("dat").barred && world.lv("dat").active);
    assert!(matches!(call::probe::<Fence>(&ctx, input.clone(), &Story::default()), Probed::Applied(_)));
    world.group.borrow_mut().lvs.get_mut("dat").unwrap().active = false;
    assert_eq!(call::undo::<Fence>(&ctx, input.clone(), &Story::default()), Reply::Changed(json!(null)));
    assert_eq!(world.lv("dat"), before);
    assert_eq!(call::undo::<Fence>(&ctx, input, &Story::default()), Reply::Unchanged(json!(null)));
}

/// Sabotage: what cannot be asked behind a change told as a refusal, which says that nothing was done.
#[test]
fn where_lvm_cannot_be_asked_behind_a_change_the_step_failed_and_was_not_refused() {
    let dat = json!({ "volume": "vg00/dat" });
    type Applies = fn(&Context<'_>, Value, Option<Value>) -> Reply;
    let steps: [(&str, Applies, Value); 4] = [
        ("fence", call::apply::<Fence>, json!({ "vg": "vg00", "volume": "dat" })),
        ("deactivate", call::apply::<Deactivate>, dat.clone()),
        ("activate", call::apply::<Activate>, dat.clone()),
        ("remove", call::apply::<Remove>, dat),
    ];
    for (name, apply, input) in steps {
        let world = world(300);
        {
            let mut group = world.group.borrow_mut();
            let dat = group.lvs.get_mut("dat").unwrap();
            dat.tags = vec![Context::over(&world.host, "snap").mark];
            dat.active = name != "activate";
            group.deaf = true;
        }
        let reply = apply(&Context::over(&world.host, name), input, None);
        assert!(
            matches!(&reply, Reply::Failed(failure) if failure.left.contains("perhaps")),
            "{name}: {reply:?}"
        );
    }
}

#[test]
fn a_volume_that_somebody_else_barred_stays_barred() {
    let world = world(300);
    world.group.borrow_mut().lvs.get_mut("dat").unwrap().barred = true;
    let ctx = Context::over(&world.host, "fence");
    let input = json!({ "vg": "vg00", "volume": "dat" });
    assert!(matches!(call::apply::<Fence>(&ctx, input.clone(), None), Reply::Unchanged(_)));
    assert_eq!(call::undo::<Fence>(&ctx, input, &Story::default()), Reply::Unchanged(json!(null)));
    assert!(world.lv("dat").barred && world.changes().is_empty());
}

#[test]
fn activation_is_taken_back_only_where_this_step_did_it() {
    let world = world(300);
    let input = json!({ "volume": "vg00/dat" });
    let ctx = Context::over(&world.host, "activate");
    assert!(matches!(call::apply::<Activate>(&ctx, input.clone(), None), Reply::Unchanged(_)));
    assert_eq!(call::probe::<Activate>(&ctx, input.clone(), &Story::default()), Probed::NotApplied);
    assert_eq!(call::undo::<Activate>(&ctx, input.clone(), &Story::default()), Reply::Unchanged(json!(null)));

    let ctx = Context::over(&world.host, "deactivate");
    assert!(matches!(call::apply::<Deactivate>(&ctx, input.clone(), None), Reply::Changed(_)));
    assert!(!world.lv("dat").active);
    let story = Story { checkpoint: world.host.saved.borrow().last().cloned(), ..Story::default() };
    assert!(matches!(call::probe::<Deactivate>(&ctx, input.clone(), &story), Probed::Applied(_)));
    assert_eq!(call::undo::<Deactivate>(&ctx, input, &story), Reply::Changed(json!(null)));
    assert!(world.lv("dat").active);
}

#[test]
fn an_overflowed_snapshot_is_refused_and_a_sound_one_tells_how_full_it_is() {
    let world = world(300);
    let ctx = Context::over(&world.host, "snapshot");
    call::apply::<Snapshot>(&ctx, snapshot_input(), None);
    let ctx = Context::over(&world.host, "snapshot-usable");
    let input = json!({ "volume": "vg00/dat-cutwater" });
    assert_eq!(call::check::<Usable>(&ctx, input.clone()), Reply::Unchanged(json!({ "percent": 12.5 })));
    world.group.borrow_mut().lvs.get_mut("dat-cutwater").unwrap().invalid = true;
    let Reply::Refused(refusal) = call::check::<Usable>(&ctx, input) else { panic!() };
    assert_eq!(refusal.code, "snapshot-overflowed");
}

#[test]
fn the_plugin_tells_its_steps_within_the_subset_of_json_schema() {
    let told = Plugin::describe();
    let steps = told["steps"].as_object().unwrap();
    let names = [
        "activate",
        "check-extents",
        "deactivate",
        "fence",
        "lend-extents",
        "merge",
        "metadata-check",
        "move",
        "placed",
        "remove",
        "snapshot",
        "snapshot-usable",
        "take-over",
        "unfence",
        "watch-snapshots",
    ];
    let mut found: Vec<&str> = steps.keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, names);
    for (name, step) in steps {
        for schema in ["input", "output", "taken"].into_iter().filter(|schema| step.get(schema).is_some()) {
            assert_eq!(cutwater_sdk::schema::outside_subset(&step[schema]), None, "{name}");
        }
    }
    assert_eq!(steps["check-extents"]["output"]["properties"]["free"]["x-estimate"], true);
}
