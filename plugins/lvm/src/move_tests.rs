//! `lvm.move` against a group that behaves as LVM 2.03.16 was seen to, killed at every point and aborted by others.

mod group;

use crate::{MoveVolumes, Placed};
use cutwater_sdk::call::{self, Reply};
use cutwater_sdk::{Context, Partial, Probed, Story, Value, json};
use group::{Cut, EXTENT, Moving, World, world};

const BEFORE: &str = "one /dev/a; two /dev/a";
const AFTER: &str = "one /dev/b; two /dev/b";
const MARK: &str = "cutwater.r1.move";

fn input() -> Value {
    json!({ "vg": "vg00", "volumes": ["one", "two"], "from": "/dev/a", "to": "/dev/b" })
}

fn apply(world: &World) -> Reply {
    let checkpoint = world.host.saved.borrow().last().cloned();
    call::apply::<MoveVolumes>(&Context::over(&world.host, "move"), input(), checkpoint)
}

fn story(world: &World) -> Story {
    Story { checkpoint: world.host.saved.borrow().last().cloned(), ..Story::default() }
}

fn probe(world: &World) -> Probed<Value> {
    call::probe::<MoveVolumes>(&Context::over(&world.host, "move"), input(), &story(world))
}

fn undo(world: &World) -> Reply {
    call::undo::<MoveVolumes>(&Context::over(&world.host, "move"), input(), &story(world))
}

fn shown(world: &World, input: Value) -> Result<Vec<String>, cutwater_sdk::Refusal> {
    let ctx = Context::over(&world.host, "move");
    let line = |effect: &cutwater_sdk::Effect| {
        let args = effect.detail["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
        [effect.detail["program"].as_str().unwrap()].into_iter().chain(args).collect::<Vec<_>>().join(" ")
    };
    let all = |undo| call::preview::<MoveVolumes>(&ctx, &Partial::known(input.clone()), undo);
    Ok(all(false)?.effects.iter().chain(&all(true)?.effects).map(line).collect())
}

fn refused(world: &World, input: Value) -> String {
    let refusal = shown(world, input.clone()).unwrap_err();
    let reply = call::apply::<MoveVolumes>(&Context::over(&world.host, "move"), input, None);
    assert_eq!(reply, Reply::Refused(refusal.clone()));
    assert!(world.changes().is_empty() && world.host.saved.borrow().is_empty());
    format!("{}: {}", refusal.code, refusal.message)
}

#[test]
fn volumes_move_as_the_preview_showed_and_come_back() {
    let world = world();
    let lines = shown(&world, input()).unwrap();
    assert_eq!(
        lines,
        [
            "lvchange --addtag cutwater.r1.move vg00/one vg00/two",
            "pvmove --atomic -i 1 -n vg00/one /dev/a /dev/b",
            "pvmove --atomic -i 1 -n vg00/two /dev/a /dev/b",
            "lvremove -y vg00/pvmove0",
            "lvchange --deltag cutwater.r1.move vg00/one vg00/two",
            "pvmove --abort /dev/a",
            "pvmove --atomic -i 1 -n vg00/one /dev/b /dev/a",
            "pvmove --atomic -i 1 -n vg00/two /dev/b /dev/a",
            "lvchange --refresh vg00/one",
            "lvchange --refresh vg00/two",
            "lvremove -y vg00/pvmove0",
            "lvchange --deltag cutwater.r1.move vg00/one vg00/two",
        ]
    );
    for _ in 0..2 {
        assert_eq!(probe(&world), Probed::NotApplied);
        world.host.time.set(1000);
        let Reply::Changed(output) = apply(&world) else { panic!() };
        assert_eq!(world.lies(), AFTER);
        assert_eq!(output["bytes"], json!(format!("{}MiB", (60 * EXTENT) >> 20)));
        let one = &output["volumes"][0];
        assert_eq!((&one["id"], &one["identity"]), (&json!("vg00/one"), &json!("uuid-one")));
        let run = |on: &str| json!([{ "start": 0, "extents": 40, "on": on, "first": 0 }]);
        assert_eq!((&one["before"], &one["after"]), (&run("/dev/a"), &run("/dev/b")));
        assert!(matches!(probe(&world), Probed::Applied(_)));
        assert_eq!(undo(&world), Reply::Changed(json!(null)));
        assert_eq!(world.lies(), BEFORE);
    }
    assert_eq!(undo(&world), Reply::Unchanged(json!(null)));
    assert!(world.changes().iter().all(|change| lines.contains(change)), "{:?}", world.changes());
}

#[test]
fn without_names_all_that_lie_on_the_source_are_moved() {
    let world = world();
    world.group.borrow_mut().lvs.get_mut("two").unwrap().disk = "/dev/b";
    let all = json!({ "vg": "vg00", "from": "/dev/alias", "to": "/dev/b" });
    let lines = shown(&world, all).unwrap();
    assert_eq!(lines[1], "pvmove --atomic -i 1 -n vg00/one /dev/alias /dev/b");
    assert_eq!(lines.iter().filter(|line| line.contains("two")).count(), 0);
    let none = json!({ "vg": "vg00", "from": "/dev/a", "to": "/dev/b" });
    world.group.borrow_mut().lvs.get_mut("one").unwrap().disk = "/dev/b";
    assert_eq!(shown(&world, none).unwrap_err().code, "nothing-to-move");
    assert!(matches!(apply(&world), Reply::Unchanged(_)), "both are there already");
}

#[test]
fn what_cannot_be_moved_is_refused_before_anything_is_done() {
    let full = world();
    full.group.borrow_mut().lvs.get_mut("two").unwrap().extents = 70;
    assert_eq!(
        refused(&full, input()),
        "not-enough-extents: `/dev/b` has 100 free extents of 4MiB, the move needs 110: 10 extents (41943040 bytes) too few"
    );
    let with = |key: &str, value: Value| {
        let mut input = input();
        input[key] = value;
        input
    };
    let world = world();
    for (wrong, says) in [
        (with("to", json!("/dev/a")), "same-device: `/dev/a` and `/dev/a` are one physical volume"),
        (with("to", json!("/dev/other")), "not-in-group: `/dev/other` is no physical volume of `vg00`"),
        (
            with("to", json!("/dev/nope")),
            "no-such-physical-volume: Failed to find physical volume \"/dev/nope\".",
        ),
        (with("volumes", json!(["three"])), "no-such-volume: `vg00` has no volume `three`; it has: one, two"),
        (with("volumes", json!(["one", "one"])), "invalid-input: `one` is named twice"),
        (with("volumes", json!(["-y"])), "invalid-name: `-y` is no name of a group or volume"),
    ] {
        assert_eq!(refused(&world, wrong), says);
    }
    let two = |change: fn(&mut group::Lv)| {
        let world = group::world();
        change(world.group.borrow_mut().lvs.get_mut("two").unwrap());
        refused(&world, input())
    };
    assert!(two(|lv| lv.kind = "thin").starts_with("unmovable: `vg00/two` is of type thin"));
    assert!(two(|lv| lv.active = false).starts_with("not-active: "));
    let half = two(|lv| lv.disk = "/dev/b");
    assert_eq!(half, "not-on-source: `vg00/two` is not wholly on `/dev/a`: it lies on /dev/b already");
}

#[test]
fn a_move_of_somebody_else_is_refused_and_left_alone() {
    for (volumes, from, to, atomic) in [
        (vec!["one"], "/dev/a", "/dev/b", true),
        (vec!["one", "two"], "/dev/a", "/dev/b", true),
        (vec!["one"], "/dev/a", "/dev/b", false),
    ] {
        let world = world();
        let volumes = volumes.into_iter().map(str::to_owned).collect();
        let other = Moving { volumes, from, to, atomic };
        world.group.borrow_mut().moving = Some(other.clone());
        assert!(refused(&world, input()).starts_with("move-under-way: in `vg00` a pvmove of one"));
        assert_eq!(undo(&world), Reply::Unchanged(json!(null)));
        assert_eq!(world.group.borrow().moving, Some(other));
    }
    let world = world();
    world.group.borrow_mut().left_over = true;
    assert!(refused(&world, input()).contains("`lvremove vg00/pvmove0` takes it away"));
}

#[test]
fn a_move_of_somebody_else_that_begins_later_is_neither_taken_for_ours_nor_aborted() {
    let world = world();
    world.group.borrow_mut().cuts = vec![None, Some(Cut::Aborted)];
    assert!(matches!(apply(&world), Reply::Failed(_)));
    let other = Moving { volumes: vec!["one".into()], from: "/dev/b", to: "/dev/a", atomic: false };
    world.group.borrow_mut().moving = Some(other.clone());
    assert!(matches!(probe(&world), Probed::CannotTell(why) if why.contains("piece by piece")));
    let Reply::Failed(failure) = undo(&world) else { panic!() };
    assert!(failure.again && failure.left.contains("one a pvmove of one from /dev/b"), "{failure:?}");
    assert_eq!(world.group.borrow().moving, Some(other));
    world.group.borrow_mut().moving = None;
    assert_eq!(undo(&world), Reply::Changed(json!(null)));
    assert_eq!(world.lies(), BEFORE);
}

/// Sabotage: an apply that trusts pvmove's status; an undo that does not look again after an abort.
#[test]
fn a_killed_move_goes_on_or_comes_back_by_choice() {
    for cut in [Cut::UnderWay, Cut::AtItsEnd, Cut::Suspended] {
        for earlier in [0, 1] {
            for on in [true, false] {
                let world = world();
                world.group.borrow_mut().cuts = vec![None; earlier];
                world.group.borrow_mut().cuts.push(Some(cut));
                let reply = apply(&world);
                if cut == Cut::AtItsEnd {
                    assert!(matches!(reply, Reply::Changed(_)), "the metadata says so: {reply:?}");
                    assert_eq!(world.lies(), AFTER);
                    continue;
                }
                let Reply::Failed(failure) = reply else { panic!("{cut:?}: {reply:?}") };
                assert!(failure.again && failure.left.contains("on its way to /dev/b (40 %)"), "{failure:?}");
                assert!(matches!(probe(&world), Probed::PartWay(Some(_))), "{}", world.lies());
                assert!(shown(&world, input()).is_ok(), "it can go on");
                if on {
                    assert!(matches!(apply(&world), Reply::Changed(_)));
                    assert_eq!(world.lies(), AFTER);
                }
                assert_eq!(undo(&world), Reply::Changed(json!(null)));
                assert_eq!(world.lies(), BEFORE, "{cut:?} {earlier} {on}");
                assert_eq!(probe(&world), Probed::NotApplied);
            }
        }
    }
}

/// Sabotage: an undo that moves the other volumes back beforehand; a place that takes what a volume lies on for a disk.
#[test]
fn a_move_that_was_cut_off_while_it_was_ended_waits_for_a_person_and_goes_on_or_back_afterwards() {
    for on in [true, false] {
        let world = world();
        world.group.borrow_mut().cuts = vec![None, Some(Cut::Apart)];
        let Reply::Failed(failure) = apply(&world) else { panic!() };
        assert!(
            failure.left.starts_with("one on /dev/b, two it lies on pvmove0, the rest of a"),
            "{failure:?}"
        );
        let done = world.changes();
        let Probed::CannotTell(why) = probe(&world) else { panic!() };
        assert!(
            why.starts_with("`two`: it lies on pvmove0") && why.contains("all data is on /dev/b"),
            "{why}"
        );
        assert!(why.ends_with("`workflows/lvm/finish-move.sh vg00` does"), "{why}");
        let Reply::Failed(failure) = undo(&world) else { panic!() };
        assert!(failure.message.contains("finish-move.sh"), "{failure:?}");
        let other = json!({ "vg": "vg00", "volumes": ["one"], "from": "/dev/b", "to": "/dev/a" });
        for input in [input(), other] {
            assert_eq!(shown(&world, input).unwrap_err().code, "cut-off-move");
        }
        assert_eq!(world.changes(), done);

        world.group.borrow_mut().apart = None;
        assert!(matches!(probe(&world), Probed::PartWay(_)), "{}", world.lies());
        if on {
            assert!(matches!(apply(&world), Reply::Changed(_)));
            assert_eq!(world.lies(), AFTER);
        }
        assert_eq!(undo(&world), Reply::Changed(json!(null)));
        assert_eq!(world.lies(), BEFORE);
    }
}

#[test]
fn a_killed_undo_goes_on() {
    for cut in [Cut::UnderWay, Cut::AtItsEnd, Cut::Aborted, Cut::Suspended] {
        let world = world();
        assert!(matches!(apply(&world), Reply::Changed(_)));
        world.group.borrow_mut().cuts = vec![Some(cut)];
        assert_eq!(undo(&world), Reply::Changed(json!(null)), "{cut:?}: another look, another try");
        assert_eq!(world.lies(), BEFORE);
    }
}

#[test]
fn a_move_that_lvm_refuses_leaves_nothing_and_one_after_it_leaves_the_first() {
    let none = world();
    none.group.borrow_mut().cuts = vec![Some(Cut::Aborted)];
    let Reply::Refused(refusal) = apply(&none) else { panic!() };
    assert!(refusal.message.contains("somebody aborted it"), "{}", refusal.message);
    assert_eq!((none.lies().as_str(), probe(&none)), (BEFORE, Probed::NotApplied));

    let second = world();
    second.group.borrow_mut().cuts = vec![None, Some(Cut::Aborted)];
    let Reply::Failed(failure) = apply(&second) else { panic!() };
    assert_eq!((failure.left.as_str(), failure.again), ("one on /dev/b, two on /dev/a", false));
    assert!(matches!(probe(&second), Probed::PartWay(_)));
    assert_eq!(undo(&second), Reply::Changed(json!(null)));
    assert_eq!(second.lies(), BEFORE);
}

#[test]
fn an_attempt_that_ends_between_any_two_programs_is_found_part_way() {
    for (program, code) in [("pvmove", "stopping"), ("pvmove", "lost"), ("lvchange --deltag", "lost")] {
        let world = world();
        world.host.fault(&format!("run {program}"), code);
        let reply = apply(&world);
        assert!(matches!(reply, Reply::Failed(_) | Reply::Unknown(_)), "{program} {code}: {reply:?}");
        assert!(matches!(probe(&world), Probed::PartWay(_)), "{}", world.lies());
        assert!(world.lies().contains(MARK));
        assert!(matches!(apply(&world), Reply::Changed(_)));
        assert_eq!(world.lies(), AFTER);
    }
}

#[test]
fn older_metadata_and_a_volume_that_is_gone_leave_it_to_a_person() {
    let world = world();
    assert!(matches!(apply(&world), Reply::Changed(_)));
    world.group.borrow_mut().seqno = 3;
    assert!(matches!(probe(&world), Probed::CannotTell(why) if why.contains("older")));
    world.group.borrow_mut().seqno = 30;
    world.group.borrow_mut().lvs.remove("two");
    assert!(matches!(probe(&world), Probed::CannotTell(why) if why == "`two` is gone"));
}

fn placed(world: &World, volumes: &[&str], on: &[&str], room_on: Option<&str>) -> Result<Value, String> {
    let input = json!({ "vg": "vg00", "volumes": volumes, "on": on, "room-on": room_on });
    match call::check::<Placed>(&Context::over(&world.host, "placed"), input) {
        Reply::Unchanged(output) => Ok(output),
        Reply::Refused(refusal) => Err(format!("{}: {}", refusal.code, refusal.message)),
        other => panic!("{other:?}"),
    }
}

/// Sabotage: room asked for each volume by itself; a disk that holds none of them passed over, which `lvm.move` would empty.
#[test]
fn a_check_tells_where_volumes_lie_and_whether_there_is_room_for_all_of_them() {
    let world = world();
    let told = placed(&world, &[], &["/dev/alias"], Some("/dev/b")).unwrap();
    assert_eq!((&told["needed"], &told["free"]), (&json!(60), &json!(100)));
    let names: Vec<_> =
        told["volumes"].as_array().unwrap().iter().map(|lv| (&lv["name"], &lv["on"])).collect();
    let on = json!("/dev/alias");
    assert_eq!(names, [(&json!("one"), &on), (&json!("two"), &on)], "as the input calls it");
    world.group.borrow_mut().lvs.get_mut("two").unwrap().extents = 70;
    let full = placed(&world, &["one", "two"], &["/dev/a"], Some("/dev/b")).unwrap_err();
    assert!(full.contains("has 100 free extents of 4MiB, the move needs 110"), "{full}");
    assert!(placed(&world, &["one", "two"], &["/dev/a"], None).is_ok());
    for (on, says) in [
        (["/dev/a", "/dev/b"].as_slice(), "not-placed: none of the volumes lies on `/dev/b`"),
        (&["/dev/b"], "not-placed: `vg00/one` is elsewhere: it lies on /dev/a"),
        (&["/dev/other"], "not-in-group: `/dev/other` is no physical volume of `vg00`"),
        (&[], "invalid-input: `on` names no physical volume"),
    ] {
        assert_eq!(placed(&world, &["one"], on, None).unwrap_err(), says);
    }
    assert!(placed(&world, &["one", "one"], &["/dev/a"], None).unwrap_err().contains("named twice"));
    world.group.borrow_mut().lvs.get_mut("one").unwrap().suspended = true;
    let hangs = placed(&world, &["one"], &["/dev/a"], None).unwrap_err();
    assert_eq!(
        hangs,
        "suspended: every access to `vg00/one` hangs; `lvchange --refresh vg00/one` resumes it"
    );
    let volumes = vec!["two".to_owned()];
    world.group.borrow_mut().moving = Some(Moving { volumes, from: "/dev/a", to: "/dev/b", atomic: true });
    assert!(placed(&world, &["two"], &["/dev/a"], None).unwrap_err().contains("a pvmove of two from /dev/a"));
    assert!(world.changes().is_empty());
}

#[test]
fn a_check_after_a_move_is_not_made_before_it() {
    let world = world();
    let mut input = Partial::known(json!({ "vg": "vg00", "volumes": ["one"], "on": [null] }));
    input.unknown.insert("/on/0".into(), "move".into());
    let shown = call::preview_check::<Placed>(&Context::over(&world.host, "placed"), &input).unwrap();
    assert_eq!(shown.output.unknown.get("").map(String::as_str), Some("move"));
}
