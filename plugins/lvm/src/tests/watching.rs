//! `lvm.watch-snapshots` against stores that fill as the test says.

use super::*;
use crate::Watch;

/// How much of a store is in use at a time.
type Used = fn(u64) -> u64;

const MIB: u64 = 1 << 20;

/// vg00 with so many free extents and a snapshot of `dat` with a store of 64 MiB, of this run.
fn filling(free: u64, used: Used) -> World {
    let mut world = world(free);
    let snap = Lv {
        extents: 16,
        active: true,
        origin: "dat".into(),
        chunk: 16 << 10,
        tags: vec!["cutwater.r1.snap".into()],
        ..Lv::default()
    };
    world.group.borrow_mut().lvs.insert("snap".into(), snap);
    let (looked, extended) = (world.group.clone(), world.group.clone());
    world.host = world
        .host
        .program("lvs", move |host, command| {
            let mut group = looked.borrow_mut();
            if let Some(snap) = group.lvs.get_mut("snap") {
                let (used, size) = (used(host.time.get()), snap.extents * EXTENT);
                snap.invalid |= used >= size;
                snap.percent = if snap.invalid { 100.0 } else { used as f64 * 100.0 / size as f64 };
            }
            group.lvs(&command.args)
        })
        .program("lvextend", move |_, command| {
            let mut group = extended.borrow_mut();
            let by = command.args[2].trim_matches(['+', 'b']).parse::<u64>().unwrap().div_ceil(EXTENT);
            let free = group.free;
            let snap = group.lvs.get_mut("snap").unwrap();
            // Of an overflowed one it says that all is well, and changes nothing.
            if !snap.invalid {
                snap.extents += by;
                group.free = free.checked_sub(by).unwrap();
            }
            Output::ok("  Logical volume vg00/snap successfully resized.\n")
        });
    world
}

/// Watches until the time, then is told to stop.
fn watched(world: &World, until: u64, more: Value) -> Reply {
    watched_from(world, until, more, None)
}

fn watched_from(world: &World, until: u64, more: Value, checkpoint: Option<Value>) -> Reply {
    let mut input = json!({ "snapshots": ["vg00/snap"] });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.host.stops_at.set(until);
    call::apply::<Watch>(&Context::over(&world.host, "watch-snapshots"), input, checkpoint)
}

fn extend() -> Value {
    json!({ "extend-by": "32MiB" })
}

fn gauges(world: &World) -> Vec<f64> {
    let shown = world.host.gauges.borrow();
    assert!(shown.iter().all(|(name, _)| name == "minutes until overflow"));
    shown.iter().filter_map(|(_, value)| *value).collect()
}

/// Sabotage: the level looked at and not the rate (a store that fills slowly is extended at once, one that fills fast too late).
#[test]
fn a_store_that_fills_is_extended_before_it_overflows_and_as_often_as_there_is_need() {
    let world = filling(300, |at| at * MIB / 1_000);
    let Reply::Changed(output) = watched(&world, 150_000, extend()) else { panic!() };
    let extents = world.lv("snap").extents;
    assert!(!world.lv("snap").invalid);
    assert!(
        (46..=64).contains(&extents),
        "{extents}: room for the next minute, and no more than one step beyond"
    );
    assert_eq!(output["snapshots"][0]["extended"], json!(cutwater_sdk::Bytes((extents - 16) * EXTENT)));
    assert!(world.changes().iter().all(|line| line == "run lvextend -y -L +33554432b vg00/snap"));
    let least = gauges(&world).into_iter().fold(f64::MAX, f64::min);
    assert!(least > 0.5, "{least}");
}

#[test]
fn a_store_that_is_quiet_is_left_alone_and_told_of_without_a_figure() {
    let world = filling(300, |_| 60 * MIB);
    let Reply::Unchanged(output) = watched(&world, 60_000, extend()) else { panic!() };
    assert_eq!(
        output["snapshots"],
        json!([{ "id": "vg00/snap", "size": "64MiB", "used": "60MiB", "extended": "0B" }])
    );
    assert!(gauges(&world).is_empty() && !world.host.gauges.borrow().is_empty());
    assert!(world.changes().is_empty());
    let looks = world.host.calls().iter().filter(|call| call.starts_with("look lvs")).count();
    assert!((30..=33).contains(&looks), "{looks}");
}

/// Sabotage: a refusal left to the overflow.
#[test]
fn without_room_the_run_is_turned_back_before_it_overflows() {
    for (free, more, why) in [
        (7, extend(), "`vg00` has 7 free extents, 8 are needed"),
        (300, json!({}), "the step has no `extend-by`"),
    ] {
        let world = filling(free, |at| at * MIB / 1_000);
        let Reply::Refused(refusal) = watched(&world, 100_000, more) else { panic!() };
        assert_eq!(refusal.code, "snapshot-overflows");
        assert!(
            refusal.message.contains(why) && refusal.message.contains("`vgextend vg00 DEVICE`"),
            "{}",
            refusal.message
        );
        assert!(!world.lv("snap").invalid && world.host.time.get() > 60_000, "{}", world.host.time.get());
        assert_eq!(
            world.host.words.borrow().len(),
            1,
            "said once, when it came near: {:?}",
            world.host.words
        );
    }
}

/// Sabotage: an overflowed snapshot that is extended, or that is taken for removed.
#[test]
fn an_overflow_between_two_looks_is_said_plainly_and_never_extended() {
    let world = filling(300, |at| if at < 5_000 { MIB } else { 64 * MIB });
    let Reply::Refused(refusal) = watched(&world, 100_000, extend()) else { panic!() };
    assert_eq!(refusal.code, "snapshot-overflowed");
    assert!(
        refusal.message.contains("is lost") && refusal.message.contains("`dat` itself is whole"),
        "{}",
        refusal.message
    );
    assert!(world.changes().is_empty());
    assert!(world.host.time.get() < 8_000);
}

/// Sabotage: lvextend's 0 believed.
#[test]
fn an_extension_that_changes_nothing_is_none() {
    let mut world = filling(300, |at| at * MIB / 1_000);
    world.host = world
        .host
        .program("lvextend", |_, _| Output::ok("  Logical volume vg00/snap successfully resized.\n"));
    let Reply::Refused(refusal) = watched(&world, 100_000, extend()) else { panic!() };
    assert_eq!(refusal.code, "snapshot-overflows");
    assert!(refusal.message.contains("successfully resized"), "{}", refusal.message);
}

/// Sabotage: what is not of this run extended.
#[test]
fn a_snapshot_of_somebody_else_is_watched_and_not_extended() {
    let world = filling(300, |at| at * MIB / 1_000);
    world.group.borrow_mut().lvs.get_mut("snap").unwrap().tags = vec!["cutwater.r11.snap".into()];
    let Reply::Refused(refusal) = watched(&world, 100_000, extend()) else { panic!() };
    assert!(refusal.message.contains("not a snapshot of this run"), "{}", refusal.message);
    assert!(world.changes().is_empty());
}

/// Sabotage: an extension without its intent before it.
#[test]
fn the_intent_is_saved_before_each_extension_and_a_later_attempt_counts_from_the_beginning() {
    let world = filling(300, |at| at * MIB / 1_000);
    watched(&world, 40_000, extend());
    let calls = world.host.calls();
    let first = calls.iter().position(|call| call.starts_with("run lvextend")).unwrap();
    assert_eq!(calls[first - 1], "save");
    let saved = world.host.saved.borrow().last().cloned().unwrap();
    assert_eq!(saved["extending"], "vg00/snap");
    let story = Story { checkpoint: Some(saved.clone()), ..Story::default() };
    let ctx = Context::over(&world.host, "watch-snapshots");
    let input = json!({ "snapshots": ["vg00/snap"] });
    assert_eq!(call::probe::<Watch>(&ctx, input.clone(), &story), Probed::PartWay(Some(saved.clone())));
    assert_eq!(call::probe::<Watch>(&ctx, input.clone(), &Story::default()), Probed::NotApplied);
    let Reply::Changed(output) = watched_from(&world, 41_000, extend(), Some(saved)) else { panic!() };
    assert_ne!(output["snapshots"][0]["extended"], "0B");
    assert_eq!(call::undo::<Watch>(&ctx, input, &story), Reply::Unchanged(json!(null)));
}

/// Sabotage: another snapshot of the same name watched, and extended, in place of the first.
#[test]
fn the_watch_ends_with_the_snapshots() {
    for gone in ["removed", "merging", "another"] {
        let world = filling(300, |at| at * MIB / 1_000);
        watched(&world, 3_000, json!({}));
        let saved = world.host.saved.borrow().last().cloned();
        {
            let mut group = world.group.borrow_mut();
            match gone {
                "removed" => drop(group.lvs.remove("snap")),
                "merging" => group.lvs.get_mut("snap").unwrap().merging = true,
                _ => group.lvs.get_mut("snap").unwrap().uuid = Some("other".into()),
            }
        }
        let reply = watched_from(&world, u64::MAX, extend(), saved);
        assert_eq!(reply, Reply::Unchanged(json!({ "snapshots": [] })), "{gone}");
        assert!(world.host.words.borrow().iter().any(|words| words.contains("no longer watched")), "{gone}");
    }
}

#[test]
fn the_plan_shows_how_a_store_would_be_extended() {
    let world = filling(300, |_| 0);
    let ctx = Context::over(&world.host, "watch-snapshots");
    let input = json!({ "snapshots": ["vg00/snap"], "extend-by": "32MiB" });
    let shown = call::preview::<Watch>(&ctx, &Partial::known(input), false).unwrap();
    let args = json!(["-y", "-L", "+33554432b", "vg00/snap"]);
    assert_eq!(shown.effects[0].detail, json!({ "program": "lvextend", "args": args }));
    let input = json!({ "snapshots": ["vg00/snap"] });
    let shown = call::preview::<Watch>(&ctx, &Partial::known(input), false).unwrap();
    assert!(shown.effects.is_empty());
    assert_eq!(Plugin::describe()["steps"]["watch-snapshots"]["watch"], true);
}
