//! `lvm.lend-extents` against a machine that behaves as LVM 2.03.16, losetup and lsblk were seen to: killed at any program, after
//! a boot, with somebody else's things in the way.

use crate::{LendExtents, Snapshot};
use cutwater_sdk::call::{self, DOUBT, Reply};
use cutwater_sdk::fake::{Host, Output};
use cutwater_sdk::{Command, Context, Ending, Hold as _, Partial, Refusal, Value, json};
use std::cell::RefCell;
use std::rc::Rc;

const MARK: &str = "cutwater.r1.lend-extents";
const FILE: &str = "/srv/spare/room.cutwater.r1.lend-extents";
const LOOP: &str = "/dev/loop40";

#[derive(Debug, Clone, Default, PartialEq)]
struct Pv {
    device: String,
    uuid: String,
    group: String,
    tags: Vec<String>,
    extents: u64,
}

#[derive(Debug, Default)]
struct Machine {
    pvs: Vec<Pv>,
    /// Loop devices and their files.
    loops: Vec<(String, String)>,
    /// Volumes of vg00 and the physical volume that each lies on.
    lvs: Vec<(String, String)>,
    /// Where the folder's file system lies, and of which kind it is.
    spare: (String, String),
    /// The program at which the machine or its engine dies, after it is done.
    dies_at: Option<String>,
}

impl Machine {
    fn number(device: &str) -> String {
        match device {
            "/dev/sda" => "8:0".into(),
            "/dev/sdb" => "8:16".into(),
            "/dev/sdc" => "8:32".into(),
            "/dev/mapper/vg00-dat" => "254:0".into(),
            other => other.strip_prefix("/dev/loop").map_or("9:9".into(), |n| format!("7:{n}")),
        }
    }

    fn there(&self, device: &str) -> bool {
        !device.starts_with("/dev/loop") || self.loops.iter().any(|(name, _)| name == device)
    }

    fn pvs(&self) -> Output {
        let rows: Vec<Value> = self.pvs.iter().filter(|pv| self.there(&pv.device) || !pv.group.is_empty()).map(|pv| {
            let there = self.there(&pv.device);
            let number = Self::number(&pv.device);
            let (major, minor) = number.split_once(':').unwrap();
            json!({ "pv_name": if there { pv.device.as_str() } else { "[unknown]" }, "pv_uuid": pv.uuid, "vg_name": pv.group,
                "pv_tags": pv.tags.join(","), "pv_pe_count": pv.extents.to_string(), "pv_major": if there { major } else { "-1" },
                "pv_minor": if there { minor } else { "-1" }, "pv_missing": if there { "0" } else { "1" } })
        }).collect();
        Output::ok(json!({ "report": [{ "pv": rows }] }).to_string())
    }

    fn lvs(&self) -> Output {
        let rows: Vec<Value> = self.lvs.iter().map(|(name, on)| {
            json!({ "lv_name": name, "lv_uuid": format!("uuid-{name}"), "lv_attr": "-wi-a-----", "lv_tags": "", "move_pv": "",
                "copy_percent": "", "segtype": "linear", "seg_start_pe": "0", "seg_size_pe": "4",
                "seg_pe_ranges": format!("{on}:0-3"), "vg_extent_size": "4194304", "vg_seqno": "3" })
        }).collect();
        Output::ok(json!({ "report": [{ "lv": rows }] }).to_string())
    }

    fn lsblk(&self, device: &str) -> Output {
        let line = |kind: &str, device: &str| format!("{kind} {} {device}\n", Self::number(device));
        Output::ok(match device {
            "/dev/mapper/vg00-dat" => line("lvm", device) + &line("disk", "/dev/sda"),
            loops if loops.starts_with("/dev/loop") => line("loop", loops),
            disk => line("disk", disk),
        })
    }

    fn change(&mut self, host: &Host, command: &Command) -> Output {
        let args: Vec<&str> = command.args.iter().map(String::as_str).collect();
        let last = *args.last().unwrap();
        let missing = self.pvs.iter().any(|pv| pv.group == "vg00" && !self.there(&pv.device));
        match (command.program.as_str(), args.as_slice()) {
            ("fallocate", ["-l", bytes, path]) => {
                host.files
                    .borrow_mut()
                    .insert((*path).to_owned(), vec![0; bytes.parse::<usize>().unwrap() >> 20]);
            }
            ("chmod", ["600", path]) if host.files.borrow().contains_key(*path) => {}
            ("losetup", ["-d", device]) => self.loops.retain(|(name, _)| name != device),
            ("losetup", [device, path]) if !self.there(device) => {
                self.loops.push(((*device).into(), (*path).into()))
            }
            ("losetup", _) => return Output::failed(1, "losetup: device or resource busy"),
            ("pvcreate", ["--uuid", uuid, "--norestorefile", "--pvmetadatacopies", "0", device]) => {
                let extents = self
                    .loops
                    .iter()
                    .find(|(name, _)| name == device)
                    .map_or(64, |(_, file)| (host.files.borrow()[file].len() as u64 - 1) / 4);
                self.pvs.push(Pv {
                    device: (*device).into(),
                    uuid: (*uuid).into(),
                    extents,
                    ..Pv::default()
                });
            }
            ("vgextend" | "vgreduce" | "pvchange", _) if missing => {
                return Output::failed(5, "  Cannot change VG vg00 while PVs are missing.");
            }
            ("vgextend", ["vg00", device]) => self.pv(device).group = "vg00".into(),
            ("pvchange", ["--addtag", tag, device]) => {
                let tag = (*tag).to_owned();
                self.pv(device).tags.push(tag);
            }
            ("vgreduce", ["vg00", device]) => {
                if self.lvs.iter().any(|(_, on)| on == device) {
                    return Output::failed(5, format!("  Physical volume \"{device}\" still in use"));
                }
                let pv = self.pv(device);
                (pv.group, pv.tags) = (String::new(), Vec::new());
            }
            ("pvremove", [_]) => {
                if self.pv(last).group == "vg00" {
                    return Output::failed(
                        5,
                        format!("  PV {last} is used by VG vg00 so please use vgreduce first."),
                    );
                }
                self.pvs.retain(|pv| pv.device != last);
            }
            other => panic!("{other:?}"),
        }
        Output::ok("")
    }

    fn pv(&mut self, device: &str) -> &mut Pv {
        self.pvs.iter_mut().find(|pv| pv.device == device).unwrap()
    }
}

struct World {
    host: Host,
    machine: Rc<RefCell<Machine>>,
}

/// vg00 on sda, and a folder for files on sdb.
fn world() -> World {
    let own = Pv {
        device: "/dev/sda".into(),
        uuid: "sda".into(),
        group: "vg00".into(),
        extents: 256,
        ..Pv::default()
    };
    let machine = Rc::new(RefCell::new(Machine {
        pvs: vec![own],
        lvs: vec![("dat".into(), "/dev/sda".into())],
        spare: ("ext4".into(), "/dev/sdb".into()),
        ..Machine::default()
    }));
    let mut host = Host::new().device("/dev/sdc", vec![0; 4096]);
    type Reads = fn(&Machine, &Command) -> Output;
    let reads: [(&str, Reads); 6] = [
        ("pvs", |machine, _| machine.pvs()),
        ("lvs", |machine, _| machine.lvs()),
        ("vgs", |_, _| {
            let vg = json!({ "vg_name": "vg00", "vg_uuid": "GroupU-uidO-fAll-Test-sAre-Like-This01",
                "vg_extent_size": "4194304", "vg_free_count": "0" });
            Output::ok(json!({ "report": [{ "vg": [vg] }] }).to_string())
        }),
        ("lsblk", |machine, command| machine.lsblk(command.args.last().unwrap())),
        ("findmnt", |machine, _| Output::ok(format!("{} {}\n", machine.spare.0, machine.spare.1))),
        ("losetup", |machine, _| {
            let all: Vec<Value> =
                machine.loops.iter().map(|(name, file)| json!({ "name": name, "back-file": file })).collect();
            Output::ok(if all.is_empty() { String::new() } else { json!({ "loopdevices": all }).to_string() })
        }),
    ];
    let changing =
        ["fallocate", "chmod", "pvcreate", "vgextend", "pvchange", "vgreduce", "pvremove", "losetup"];
    for name in changing.into_iter().chain(["pvs", "lvs", "vgs", "lsblk", "findmnt"]) {
        let machine = machine.clone();
        let read = reads.iter().find(|(program, _)| *program == name).map(|(_, does)| *does);
        host = host.program(name, move |host, command| match read.filter(|_| command.reads) {
            Some(does) => does(&machine.borrow(), command),
            None => {
                let done = machine.borrow_mut().change(host, command);
                let mut machine = machine.borrow_mut();
                if machine.dies_at.as_deref().is_some_and(|at| command.to_string().starts_with(at)) {
                    machine.dies_at = None;
                    host.fault("", "lost");
                }
                done
            }
        });
    }
    World { host, machine }
}

impl World {
    fn ctx(&self) -> Context<'_> {
        Context::over(&self.host, LendExtents::NAME)
    }

    fn changes(&self) -> Vec<String> {
        self.host.changes()
    }

    /// Nothing of the loan is left, and all else is as it was.
    #[track_caller]
    fn is_as_before(&self, case: &str) {
        let machine = self.machine.borrow();
        assert_eq!(
            machine.pvs.iter().map(|pv| pv.device.as_str()).collect::<Vec<_>>(),
            ["/dev/sda"],
            "{case}"
        );
        assert!(
            machine.loops.is_empty() && self.host.files.borrow().is_empty(),
            "{case}: {:?}",
            machine.loops
        );
    }

    fn orphan(&self) -> Reply {
        call::release_orphan::<LendExtents>(&self.ctx(), of_file())
    }
}

fn world_preview(world: &World, input: Value) -> Result<call::Preview, Refusal> {
    call::preview_hold::<LendExtents>(&world.ctx(), &Partial::known(input), false)
}

fn of_file() -> Value {
    json!({ "vg": "vg00", "device": LOOP, "file": "/srv/spare/room", "size": "30MiB" })
}

fn of_device() -> Value {
    json!({ "vg": "vg00", "device": "/dev/sdc" })
}

fn lines(effects: &[cutwater_sdk::Effect]) -> Vec<String> {
    let words = |effect: &cutwater_sdk::Effect| match effect.kind.as_str() {
        "run" => {
            let args: Vec<&str> =
                effect.detail["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
            format!("run {} {}", effect.detail["program"].as_str().unwrap(), args.join(" "))
        }
        kind => format!("{kind} {}", effect.detail["path"].as_str().unwrap()),
    };
    effects.iter().map(words).collect()
}

/// Sabotage: a command line that is built twice, once for the preview.
#[test]
fn what_is_lent_is_what_the_preview_showed_and_all_of_it_is_given_back() {
    let world = world();
    let shown = world_preview(&world, of_file()).unwrap();
    let shown = lines(&shown.effects);
    assert_eq!(
        shown[0],
        format!("run fallocate -l {} {FILE}", (32 << 20) + (1 << 20)),
        "30 MiB are 8 extents of 4 MiB"
    );
    assert!(world.changes().is_empty());
    let mut taken = call::take::<LendExtents>(world.ctx(), of_file()).unwrap();
    assert_eq!(world.changes(), shown);
    assert_eq!((&taken.output["device"], &taken.output["extents"]), (&json!(LOOP), &json!(8)));
    assert!(taken.give_backs.is_empty(), "the guard does nothing alone");
    assert_eq!(taken.held.intact(), Ok(()));
    let pv = world.machine.borrow().pvs[1].clone();
    assert_eq!((pv.group.as_str(), pv.tags.as_slice()), ("vg00", &[MARK.to_owned()][..]));
    assert!(pv.uuid.starts_with("LentGr-") && pv.uuid.len() == 38, "{}", pv.uuid);

    let before = world.changes().len();
    assert!(matches!(taken.held.release(Ending::Done), Reply::Changed(_)));
    let back = call::preview_hold::<LendExtents>(&world.ctx(), &Partial::known(of_file()), true).unwrap();
    assert_eq!(world.changes()[before..], lines(&back.effects)[1..], "the first is for after a boot");
    world.is_as_before("given back");
    assert_eq!(world.orphan(), Reply::Unchanged(json!(null)));
}

/// Sabotage: the physical volume looked for by its tag, which it does not have until it is in the group; the file by the
/// loop device, which a boot takes away.
#[test]
fn an_orphan_is_taken_back_from_wherever_lending_or_taking_back_stopped() {
    let lending = ["fallocate", "chmod", "losetup /dev", "pvcreate", "vgextend", "pvchange"];
    let back = ["vgreduce", "pvremove", "losetup -d"];
    for at in lending.iter().chain(&back) {
        let world = world();
        world.machine.borrow_mut().dies_at = Some((*at).to_owned());
        if back.contains(at) {
            let mut taken = call::take::<LendExtents>(world.ctx(), of_file()).unwrap();
            assert!(!matches!(taken.held.release(Ending::Failed), Reply::Changed(_)), "{at}");
        } else {
            let refusal = call::take::<LendExtents>(world.ctx(), of_file()).err().unwrap();
            assert_eq!(refusal.code, DOUBT, "{at}: {refusal:?}");
        }
        assert_eq!(world.orphan(), Reply::Changed(json!(null)), "{at}");
        world.is_as_before(at);
        assert_eq!(world.orphan(), Reply::Unchanged(json!(null)), "{at}");
    }
}

/// Sabotage: the file not put behind its device again (the group stays without a physical volume, and nothing of it can be
/// changed).
#[test]
fn after_a_boot_the_file_is_put_behind_its_device_again_and_taken_back() {
    let world = world();
    drop(call::take::<LendExtents>(world.ctx(), of_file()).unwrap());
    world.machine.borrow_mut().loops.clear();
    assert_eq!(world.orphan(), Reply::Changed(json!(null)));
    world.is_as_before("after a boot");

    drop(call::take::<LendExtents>(world.ctx(), of_file()).unwrap());
    world.machine.borrow_mut().loops.clear();
    world.host.files.borrow_mut().clear();
    let Reply::Failed(failure) = world.orphan() else { panic!("not failed") };
    assert!(
        failure.code == "missing" && failure.message.contains("vgreduce --removemissing vg00"),
        "{failure:?}"
    );
}

/// Sabotage: what lies on it not looked at, or thrown away; a release that says that it is done.
#[test]
fn what_lies_on_it_is_named_with_the_way_to_move_it_and_nothing_is_taken() {
    let world = world();
    let mut taken = call::take::<LendExtents>(world.ctx(), of_file()).unwrap();
    world.machine.borrow_mut().lvs.push(("theirs".into(), LOOP.into()));
    let before = world.changes().len();
    let Reply::Failed(failure) = taken.held.release(Ending::Done) else { panic!("not failed") };
    assert!(failure.again && failure.code == "in-use", "{failure:?}");
    assert!(failure.message.contains("`vg00/theirs` still lies on `/dev/loop40`"), "{}", failure.message);
    assert!(
        failure.message.contains("`pvmove /dev/loop40`") && failure.left.contains("nothing of it is lost")
    );
    assert_eq!(world.changes().len(), before);

    world.machine.borrow_mut().lvs.pop();
    assert_eq!(world.orphan(), Reply::Changed(json!(null)));
    world.is_as_before("moved away");
}

/// Sabotage: the block stack not followed, or followed no further than a loop device's own number.
#[test]
fn a_place_on_the_group_itself_is_refused_however_it_comes_to_lie_there() {
    let refused = |world: &World, input: Value| {
        let shown = world_preview(world, input.clone()).unwrap_err();
        let taken = call::take::<LendExtents>(world.ctx(), input).err().unwrap();
        assert_eq!(shown.code, taken.code);
        assert!(world.changes().is_empty(), "{:?}", world.changes());
        shown
    };
    let on_the_origin = world();
    on_the_origin.machine.borrow_mut().spare.1 = "/dev/mapper/vg00-dat".into();
    let refusal = refused(&on_the_origin, of_file());
    assert_eq!(refusal.code, "inside-itself");
    let words = "`/srv/spare` lies on `vg00` itself (by way of /dev/mapper/vg00-dat, /dev/sda): `/dev/sda` is a physical volume";
    assert!(refusal.message.starts_with(words), "{}", refusal.message);

    // A file system in a file that lies on the origin: each findmnt answers for the path that it is asked for.
    let nested = world();
    nested.machine.borrow_mut().loops.push(("/dev/loop7".into(), "/srv/postgresql/image".into()));
    let host = nested.host.answers(
        "findmnt -n -v -r -o FSTYPE,SOURCE -T /srv/postgresql/image",
        [Output::ok("xfs /dev/mapper/vg00-dat\n")],
    );
    let nested = World { host, machine: nested.machine };
    nested.machine.borrow_mut().spare.1 = "/dev/loop7".into();
    assert_eq!(refused(&nested, of_file()).code, "inside-itself");

    let in_memory = world();
    in_memory.machine.borrow_mut().spare = ("tmpfs".into(), "tmpfs".into());
    assert_eq!(refused(&in_memory, of_file()).code, "not-followed");
}

#[test]
fn a_device_that_is_not_blank_and_a_loop_device_in_use_are_refused() {
    let world = world();
    drop(call::take::<LendExtents>(world.ctx(), of_device()).unwrap());
    assert_eq!(call::release_orphan::<LendExtents>(&world.ctx(), of_device()), Reply::Changed(json!(null)));
    world.is_as_before("a device");

    world.host.devices.borrow_mut().get_mut("/dev/sdc").unwrap().signature = Some("xfs".into());
    assert_eq!(world_preview(&world, of_device()).unwrap_err().code, "carries-data");
    world.machine.borrow_mut().loops.push((LOOP.into(), "/somebody/elses".into()));
    assert_eq!(world_preview(&world, of_file()).unwrap_err().code, "loop-in-use");
    for wrong in [
        json!({ "vg": "vg00", "device": LOOP, "file": "/srv/spare/room" }),
        json!({ "vg": "vg00", "device": "/dev/sdc", "file": "/srv/spare/room", "size": "4MiB" }),
        json!({ "vg": "vg00", "device": "/dev/sdc", "size": "4MiB" }),
        json!({ "vg": "vg00", "device": "/etc/passwd" }),
        json!({ "vg": "vg00", "device": LOOP, "file": "/srv/../etc/x", "size": "4MiB" }),
    ] {
        assert_eq!(world_preview(&world, wrong.clone()).unwrap_err().code, "invalid-input", "{wrong}");
    }
}

/// Sabotage: whatever physical volume is on the device taken for this step's; another run's mark not looked at.
#[test]
fn somebody_elses_physical_volume_on_the_same_device_is_left_alone() {
    let ours = |world: &World| {
        drop(call::take::<LendExtents>(world.ctx(), of_device()).unwrap());
        world.machine.borrow().pvs[1].clone()
    };
    for (case, theirs) in [
        ("made by hand", Pv { device: "/dev/sdc".into(), uuid: "other".into(), ..Pv::default() }),
        (
            "in another group",
            Pv { device: "/dev/sdc".into(), uuid: "other".into(), group: "vg01".into(), ..Pv::default() },
        ),
        ("of another run", Pv { tags: vec!["cutwater.r0.lend-extents".into()], ..ours(&world()) }),
    ] {
        let world = world();
        world.machine.borrow_mut().pvs.push(theirs.clone());
        assert_eq!(
            call::release_orphan::<LendExtents>(&world.ctx(), of_device()),
            Reply::Unchanged(json!(null)),
            "{case}"
        );
        assert_eq!(world.machine.borrow().pvs[1], theirs, "{case}");
    }
}

/// Sabotage: a failure told as a refusal while something of it is there.
#[test]
fn a_program_that_fails_leaves_nothing_behind_and_is_a_refusal() {
    for at in ["chmod", "losetup /dev", "pvcreate", "vgextend", "pvchange"] {
        let world = world();
        let host = world.host.answers(at, [Output::failed(5, "  no luck")]);
        let world = World { host, machine: world.machine };
        let refusal = call::take::<LendExtents>(world.ctx(), of_file()).err().unwrap();
        assert!(refusal.code != DOUBT && refusal.message.contains("no luck"), "{at}: {refusal:?}");
        world.is_as_before(at);
    }
}

#[test]
fn a_hold_that_lost_its_physical_volume_is_not_intact() {
    let world = world();
    let mut taken = call::take::<LendExtents>(world.ctx(), of_file()).unwrap();
    world.machine.borrow_mut().loops.clear();
    assert!(taken.held.intact().unwrap_err().contains("no physical volume of `vg00` any more"));
}

#[test]
fn a_snapshot_is_kept_on_the_physical_volume_that_it_is_told() {
    let host = Host::new().program("lvs", |_, _| {
        let dat = json!({ "lv_name": "dat", "lv_uuid": "u", "lv_size": "1073741824", "lv_attr": "-wi-a-----", "lv_tags": "",
            "origin": "", "chunk_size": "0", "snap_percent": "", "lv_snapshot_invalid": "-1", "lv_skip_activation": "0",
            "lv_autoactivation": "1", "lv_device_open": "0", "lv_merge_failed": "-1" });
        Output::ok(json!({ "report": [{ "lv": [dat] }] }).to_string())
    });
    let ctx = Context::over(&host, "snapshot");
    let input = json!({ "vg": "vg00", "origin": "dat", "size": "16MiB", "on": LOOP });
    let shown = call::preview::<Snapshot>(&ctx, &Partial::known(input), false).unwrap();
    let args = shown.effects[0].detail["args"].as_array().unwrap();
    assert_eq!(args[args.len() - 2..], [json!("vg00/dat"), json!(LOOP)]);
}
