//! Rolling back: merges that begin at once, later, or under somebody else's hands, and what is left when nobody watches.

use super::*;
use crate::{Merge, Unfence};
use cutwater_sdk::Exit;

impl Group {
    pub(super) fn lvconvert(&mut self, args: &[String]) -> Output {
        let name = args.last().unwrap().strip_prefix("vg00/").unwrap();
        let cut = self.cut.take();
        if cut == Some("refused") {
            return Output::failed(5, "  Can't get lock for vg00.");
        }
        let Some(origin) =
            self.lvs.get(name).filter(|lv| !lv.merging && !lv.invalid).map(|lv| lv.origin.clone())
        else {
            return Output::failed(5, format!("  Command not permitted on LV vg00/{name}."));
        };
        let begins = self.lvs[&origin].active && !self.lvs[&origin].open && cut != Some("scheduled");
        let lv = self.lvs.get_mut(name).unwrap();
        (lv.merging, lv.kernel, lv.watched) = (true, begins, begins && cut != Some("unwatched"));
        match begins {
            true => Output::ok(format!("  Merging of volume vg00/{name} started.\n")),
            false => Output::ok(format!(
                "  Merging of snapshot vg00/{name} will occur on next activation of vg00/{origin}.\n"
            )),
        }
    }

    pub(super) fn merge_on(&mut self) {
        self.lvs.retain(|_, lv| !(lv.kernel && lv.watched && lv.percent == 0.0));
        for lv in self.lvs.values_mut().filter(|lv| lv.kernel) {
            lv.percent = (lv.percent - 5.0).max(0.0);
        }
    }
}

const MARK: &str = "cutwater.r1.merge";

/// `dat` with a snapshot `before` of 16 MiB, an eighth of it in use.
fn snapped() -> World {
    let world = world(300);
    let lv =
        Lv { extents: 4, active: true, origin: "dat".into(), chunk: 16384, percent: 12.5, ..Lv::default() };
    world.group.borrow_mut().lvs.insert("before".into(), lv);
    world
}

fn input() -> Value {
    json!({ "vg": "vg00", "origin": "dat", "snapshot": "vg00/before", "uuid": "uuid-before" })
}

fn ctx(world: &World) -> Context<'_> {
    Context::over(&world.host, "merge")
}

fn preview(world: &World, input: Value) -> Result<call::Preview, cutwater_sdk::Refusal> {
    call::preview::<Merge>(&ctx(world), &Partial::known(input), false)
}

fn code(world: &World, input: Value) -> String {
    preview(world, input).unwrap_err().code
}

fn change(world: &World, name: &str, change: impl FnOnce(&mut Lv)) {
    change_of(&mut world.group.borrow_mut(), name, change);
}

fn change_of(group: &mut Group, name: &str, change: impl FnOnce(&mut Lv)) {
    change(group.lvs.get_mut(name).unwrap());
}

/// What a crash would leave of the attempt.
fn story(world: &World) -> Story {
    Story { checkpoint: world.host.saved.borrow().last().cloned(), ..Story::default() }
}

#[track_caller]
fn rolled_back(world: &World) {
    let dat = world.lv("dat");
    assert_eq!((world.group.borrow().lvs.len(), dat.active, dat.tags.len()), (1, true, 0), "{dat:?}");
    assert!(matches!(call::probe::<Merge>(&ctx(world), input(), &story(world)), Probed::Applied(_)));
}

#[test]
fn a_merge_does_what_its_preview_showed_and_is_followed_to_its_end() {
    let world = snapped();
    let shown = preview(&world, input()).unwrap();
    assert!(world.changes().is_empty());
    let lines: Vec<String> = shown
        .effects
        .iter()
        .map(|effect| format!("{} {}", effect.detail["program"], effect.detail["args"]))
        .collect();
    assert_eq!(lines[1], r#""lvconvert" ["--merge","-b","-i","1","vg00/before"]"#);
    assert_eq!(shown.estimate["bytes"], 2 << 20);

    let Reply::Changed(output) = call::apply::<Merge>(&ctx(&world), input(), None) else { panic!() };
    let wanted = json!({ "id": "vg00/dat", "device": "/dev/vg00/dat", "identity": "uuid-dat", "merged": "uuid-before",
        "bytes": "2MiB" });
    assert_eq!(output, wanted);
    let mark = format!("run lvchange --addtag {MARK} vg00/dat");
    let unmark = format!("run lvchange --deltag {MARK} vg00/dat");
    assert_eq!(world.changes(), [&mark, "run lvconvert --merge -b -i 1 vg00/before", &unmark]);
    rolled_back(&world);
}

#[test]
fn what_should_not_be_merged_is_refused_before_anything_is_done() {
    type Breaks = fn(&mut Group);
    let cases: [(&str, Breaks); 9] = [
        ("snapshot-overflowed", |group| change_of(group, "before", |lv| lv.invalid = true)),
        ("in-use", |group| change_of(group, "dat", |lv| lv.open = true)),
        ("in-use", |group| change_of(group, "before", |lv| lv.open = true)),
        ("not-active", |group| change_of(group, "before", |lv| lv.active = false)),
        ("not-a-snapshot", |group| change_of(group, "before", |lv| lv.origin.clear())),
        ("suspended", |group| change_of(group, "dat", |lv| lv.suspended = true)),
        ("merge-running", |group| change_of(group, "before", |lv| (lv.merging, lv.kernel) = (true, true))),
        ("other-snapshot", |group| change_of(group, "before", |lv| lv.uuid = Some("uuid-later".into()))),
        ("no-such-volume", |group| drop(group.lvs.remove("before"))),
    ];
    for (wanted, breaks) in cases {
        let world = snapped();
        breaks(&mut world.group.borrow_mut());
        assert_eq!(code(&world, input()), wanted);
        // It may also come between the preview and the step.
        let Reply::Refused(refusal) = call::apply::<Merge>(&ctx(&world), input(), None) else {
            panic!("{wanted}")
        };
        assert_eq!(refusal.code, wanted);
        assert!(world.changes().is_empty() && world.host.saved.borrow().is_empty(), "{wanted}");
        assert_eq!(call::probe::<Merge>(&ctx(&world), input(), &story(&world)), Probed::NotApplied);
    }
    let world = snapped();
    for (wanted, key, value) in [
        ("invalid-name", "snapshot", "vg01/before"),
        ("invalid-name", "snapshot", "-y"),
        ("not-a-snapshot", "snapshot", "dat"),
    ] {
        let mut input = input();
        input[key] = json!(value);
        input["uuid"] = Value::Null;
        assert_eq!(code(&world, input), wanted, "{value}");
    }
}

#[test]
fn only_the_merge_of_the_same_origin_is_in_the_way() {
    let world = snapped();
    for (name, origin) in [("later", "dat"), ("wal", ""), ("wal-before", "wal")] {
        let lv = Lv { extents: 4, active: true, origin: origin.into(), ..Lv::default() };
        world.group.borrow_mut().lvs.insert(name.into(), lv);
    }
    change(&world, "wal-before", |lv| (lv.merging, lv.percent) = (true, 50.0));
    let notes = preview(&world, input()).unwrap().notes;
    assert!(notes.iter().any(|note| note.ends_with("stores of other snapshots: later")), "{notes:?}");
    let other = json!({ "vg": "vg00", "origin": "wal", "snapshot": "before" });
    assert_eq!(code(&world, other), "other-origin");
    change(&world, "later", |lv| lv.merging = true);
    assert_eq!(code(&world, input()), "merge-running");
}

#[test]
fn a_snapshot_that_is_taken_later_in_the_plan_needs_not_be_there_yet() {
    let world = world(300);
    let mut later = Partial::known(input());
    later.value["uuid"] = Value::Null;
    later.unknown.insert("/uuid".into(), "snap".into());
    let shown = call::preview::<Merge>(&ctx(&world), &later, false).unwrap();
    assert_eq!(shown.effects.len(), 6);
    let holes: Vec<&str> = shown.output.unknown.keys().map(String::as_str).collect();
    assert_eq!(holes, ["/bytes", "/merged"]);
}

#[test]
fn while_planning_nobody_has_to_have_closed_anything() {
    let world = snapped();
    change(&world, "dat", |lv| lv.open = true);
    let mut planning = ctx(&world);
    planning.run = "\u{e000}run\u{e001}".into();
    call::preview::<Merge>(&planning, &Partial::known(input()), false).unwrap();
    assert_eq!(code(&world, input()), "in-use");
}

/// Sabotage: follow a merge without a nudge, or take `lvconvert`'s 0 for its end.
#[test]
fn a_merge_that_nobody_watches_or_that_has_not_begun_is_seen_through() {
    for (cut, nudge) in [("unwatched", "--poll y"), ("scheduled", "--refresh")] {
        let world = snapped();
        world.group.borrow_mut().cut = Some(cut);
        assert!(matches!(call::apply::<Merge>(&ctx(&world), input(), None), Reply::Changed(_)), "{cut}");
        let line = format!("run lvchange {nudge} vg00/dat");
        assert_eq!(world.changes().iter().filter(|call| **call == line).count(), 1, "{:?}", world.changes());
        rolled_back(&world);
    }
}

#[test]
fn a_merge_that_waits_for_somebody_is_not_taken_for_done() {
    let world = snapped();
    // It is opened between the last look and lvconvert, and stays so.
    world.group.borrow_mut().cut = Some("scheduled");
    let opens = world.group.clone();
    let host = std::mem::take(&mut { world.host });
    let group = opens.clone();
    let host = host.program("lvconvert", move |_, command: &Command| {
        let answer = group.borrow_mut().lvconvert(&command.args);
        change_of(&mut group.borrow_mut(), "dat", |lv| lv.open = true);
        answer
    });
    let world = World { host, group: opens };
    let Reply::Failed(failure) = call::apply::<Merge>(&ctx(&world), input(), None) else { panic!() };
    assert_eq!((failure.code.as_str(), failure.again), ("not-merged", true));
    let Probed::PartWay(checkpoint) = call::probe::<Merge>(&ctx(&world), input(), &story(&world)) else {
        panic!()
    };
    preview(&world, input()).unwrap();
    change(&world, "dat", |lv| lv.open = false);
    assert!(matches!(call::apply::<Merge>(&ctx(&world), input(), checkpoint), Reply::Changed(_)));
    assert_eq!(world.changes().iter().filter(|call| call.contains("lvconvert")).count(), 1);
    rolled_back(&world);
}

#[test]
fn a_merge_whose_attempt_was_stopped_or_went_down_with_the_machine_is_followed_by_the_next() {
    for boots in [false, true] {
        let world = snapped();
        world.host.fault("sleep", "stopping");
        assert!(matches!(call::apply::<Merge>(&ctx(&world), input(), None), Reply::Failed(_)));
        if boots {
            let mut group = world.group.borrow_mut();
            group.lvs.values_mut().for_each(|lv| (lv.active, lv.kernel, lv.watched) = (false, false, false));
        }
        let Probed::PartWay(checkpoint) = call::probe::<Merge>(&ctx(&world), input(), &story(&world)) else {
            panic!()
        };
        assert_eq!(preview(&world, input()).unwrap().effects.len(), 6);
        assert!(
            matches!(call::apply::<Merge>(&ctx(&world), input(), checkpoint), Reply::Changed(_)),
            "{boots}"
        );
        assert_eq!(world.changes().iter().filter(|call| call.contains("lvconvert")).count(), 1);
        rolled_back(&world);
    }
}

/// Sabotage: choose without asking whether the origin carries the tag.
#[test]
fn an_attempt_that_died_at_any_call_is_probed_and_finished() {
    let all = {
        let world = snapped();
        call::apply::<Merge>(&ctx(&world), input(), None);
        world.changes()
    };
    assert_eq!(all.len(), 3);
    for dies in &all {
        let world = snapped();
        // The program does its work, and nobody hears of it.
        let lost = dies.strip_prefix("run ").unwrap();
        let (program, args) = lost.split_once(' ').unwrap();
        let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        world.host.fault(dies, "lost");
        assert!(matches!(call::apply::<Merge>(&ctx(&world), input(), None), Reply::Unknown(_)), "{dies}");
        let mut group = world.group.borrow_mut();
        match program {
            "lvconvert" => drop(group.lvconvert(&args)),
            _ => drop(group.lvchange(&args)),
        }
        // All of it, before anybody looks.
        (0..9).for_each(|_| group.merge_on());
        drop(group);
        let exits = vec![Exit { program: program.into(), args, status: None, signal: None }];
        let story = Story { exits, ..story(&world) };
        match call::probe::<Merge>(&ctx(&world), input(), &story) {
            Probed::PartWay(checkpoint) => {
                preview(&world, input()).unwrap();
                let reply = call::apply::<Merge>(&ctx(&world), input(), checkpoint);
                assert!(matches!(reply, Reply::Changed(_)), "{dies}: {reply:?}");
            }
            Probed::Applied(_) => {}
            other => panic!("{dies}: {other:?}"),
        }
        rolled_back(&world);
    }
}

#[test]
fn a_snapshot_that_somebody_else_removed_was_not_merged() {
    let world = snapped();
    world.host.fault("run lvconvert", "lost");
    assert!(matches!(call::apply::<Merge>(&ctx(&world), input(), None), Reply::Unknown(_)));
    world.group.borrow_mut().lvs.remove("before");
    let failed = Exit { program: "lvconvert".into(), status: Some(5), ..Exit::default() };
    let story = Story { exits: vec![failed], ..story(&world) };
    let Probed::PartWay(checkpoint) = call::probe::<Merge>(&ctx(&world), input(), &story) else { panic!() };
    let Reply::Refused(refusal) = call::apply::<Merge>(&ctx(&world), input(), checkpoint) else { panic!() };
    assert_eq!(refusal.code, "no-such-volume");
    assert!(world.lv("dat").tags.is_empty());
    assert_eq!(call::probe::<Merge>(&ctx(&world), input(), &story), Probed::NotApplied);
}

#[test]
fn what_lvm_refuses_is_refused_in_its_words_and_leaves_no_tag() {
    let world = snapped();
    world.group.borrow_mut().cut = Some("refused");
    let Reply::Refused(refusal) = call::apply::<Merge>(&ctx(&world), input(), None) else { panic!() };
    assert!(refusal.message.contains("Can't get lock"), "{}", refusal.message);
    assert!(world.lv("dat").tags.is_empty() && world.lv("before").percent == 12.5);
    assert_eq!(call::probe::<Merge>(&ctx(&world), input(), &story(&world)), Probed::NotApplied);
}

#[test]
fn a_merge_that_the_kernel_gave_up_is_failed() {
    let world = snapped();
    world.host.fault("sleep", "stopping");
    call::apply::<Merge>(&ctx(&world), input(), None);
    change(&world, "before", |lv| lv.unmerged = true);
    let checkpoint = story(&world).checkpoint;
    let Reply::Failed(failure) = call::apply::<Merge>(&ctx(&world), input(), checkpoint) else { panic!() };
    assert_eq!(failure.code, "not-merged");
}

/// A boot passes over what this run has barred: the snapshot is activated, and looked at before it is merged.
#[test]
fn what_this_run_has_barred_is_activated_and_merged_unless_it_turns_out_to_be_broken() {
    for whole in [true, false] {
        let world = snapped();
        let barred = json!({ "vg": "vg00", "volume": "dat" });
        let fencing = Context::over(&world.host, "fence");
        let Reply::Changed(fenced) = call::apply::<Fence>(&fencing, barred.clone(), None) else { panic!() };
        world.group.borrow_mut().lvs.values_mut().for_each(|lv| lv.active = false);
        change(&world, "before", |lv| lv.invalid = !whole);
        preview(&world, input()).unwrap();
        let reply = call::apply::<Merge>(&ctx(&world), input(), None);
        if !whole {
            assert!(matches!(reply, Reply::Failed(failure) if failure.code == "snapshot-overflowed"));
            continue;
        }
        assert!(matches!(reply, Reply::Changed(_)), "{reply:?}");
        // Down again before the bar is lifted.
        change(&world, "dat", |lv| lv.active = false);
        let lifting = Context::over(&world.host, "unfence");
        let lift = json!({ "vg": "vg00", "volume": "dat", "tag": fenced["tag"] });
        assert!(matches!(
            call::probe::<Unfence>(&lifting, lift.clone(), &Story::default()),
            Probed::NotApplied
        ));
        assert!(matches!(call::apply::<Unfence>(&lifting, lift.clone(), None), Reply::Changed(_)));
        assert!(!world.lv("dat").barred);
        assert!(matches!(
            call::probe::<Unfence>(&lifting, lift.clone(), &Story::default()),
            Probed::Applied(_)
        ));
        assert!(matches!(call::apply::<Unfence>(&lifting, lift, None), Reply::Unchanged(_)));
        rolled_back(&world);
    }
}

#[test]
fn a_bar_of_another_run_is_not_lifted() {
    let world = world(300);
    let lift = json!({ "vg": "vg00", "volume": "dat", "tag": "cutwater.r2.fence" });
    let Reply::Refused(refusal) = call::apply::<Unfence>(&Context::over(&world.host, "unfence"), lift, None)
    else {
        panic!()
    };
    assert_eq!(refusal.code, "not-ours");
}

#[test]
fn a_gate_asks_for_what_the_merge_will_need() {
    let world = snapped();
    let ctx = Context::over(&world.host, "snapshot-usable");
    let gate =
        |merge: bool| call::check::<Usable>(&ctx, json!({ "volume": "vg00/before", "to-merge": merge }));
    assert!(matches!((gate(false), gate(true)), (Reply::Unchanged(_), Reply::Unchanged(_))));
    change(&world, "dat", |lv| lv.open = true);
    assert!(matches!((gate(false), gate(true)), (Reply::Unchanged(_), Reply::Refused(_))));
}
