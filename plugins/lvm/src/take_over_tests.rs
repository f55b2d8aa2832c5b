//! `lvm.take-over` against a group with real metadata: without a proof, with the wrong one, killed at every point, with somebody
//! else in the way.

mod group;

use crate::TakeOver;
use cutwater_sdk::call::{self, Reply};
use cutwater_sdk::{Context, Partial, Probed, Story, Value, json};
use group::{A, B, World, world};

const MARK: &str = "cutwater.r1.take-over";
const PROOF: &str = "/run/cutwater-fencing/node-a";
const BEFORE: &str = "node-a [] ";
const AFTER: &str = "node-b [cutwater.r1.take-over] dat log";

fn record() -> Value {
    json!({ "cutwater-fencing": 1, "host": "node-a", "action": "off", "at": 1000, "by": "fence_test" })
}

fn input() -> Value {
    json!({ "vg": "vgx", "from": "node-a", "volumes": ["dat", "log"], "devices": [A, B], "proof": PROOF })
}

fn apply_with(world: &World, input: Value) -> Reply {
    let checkpoint = world.host.saved.borrow().last().cloned();
    call::apply::<TakeOver>(&Context::over(&world.host, "take-over"), input, checkpoint)
}

fn apply(world: &World) -> Reply {
    apply_with(world, input())
}

fn story(world: &World) -> Story {
    Story { checkpoint: world.host.saved.borrow().last().cloned(), ..Story::default() }
}

fn probe(world: &World) -> Probed<Value> {
    call::probe::<TakeOver>(&Context::over(&world.host, "take-over"), input(), &story(world))
}

fn undo(world: &World) -> Reply {
    call::undo::<TakeOver>(&Context::over(&world.host, "take-over"), input(), &story(world))
}

fn shown(world: &World, input: &Value, undo: bool) -> Result<Vec<String>, cutwater_sdk::Refusal> {
    let ctx = Context::over(&world.host, "take-over");
    let line = |effect: &cutwater_sdk::Effect| {
        let args = effect.detail["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
        [effect.detail["program"].as_str().unwrap()].into_iter().chain(args).collect::<Vec<_>>().join(" ")
    };
    let shown = call::preview::<TakeOver>(&ctx, &Partial::known(input.clone()), undo)?;
    Ok(shown.effects.iter().map(line).collect())
}

/// Refused by the preview and by apply alike, and nothing was written.
#[track_caller]
fn refused(world: &World, input: Value, code: &str) -> String {
    let refusal = shown(world, &input, false).unwrap_err();
    assert_eq!(refusal.code, code, "{}", refusal.message);
    assert_eq!(apply_with(world, input), Reply::Refused(refusal.clone()));
    assert_eq!(world.changes(), [""; 0]);
    refusal.message
}

/// Sabotage: a volume more activated, a device more shown to LVM; the tag taken away after the group was given back.
#[test]
fn a_group_is_taken_as_the_preview_showed_and_given_back() {
    let world = world();
    let on = "--devices /dev/sdb,/dev/sdc";
    let forth = shown(&world, &input(), false).unwrap();
    assert_eq!(
        forth,
        [
            format!(
                "vgchange -y --systemid node-b --config local/extra_system_ids=[\"node-a\",\"{MARK}\"] {on} vgx"
            ),
            format!("vgchange --addtag {MARK} {on} vgx"),
            format!("lvchange -ay {on} vgx/dat"),
            format!("lvchange -ay {on} vgx/log"),
        ]
    );
    let back = shown(&world, &input(), true).unwrap();
    assert_eq!(
        back,
        [
            format!("lvchange -an {on} vgx/log"),
            format!("lvchange -an {on} vgx/dat"),
            format!("vgchange --deltag {MARK} {on} vgx"),
            format!("vgchange -y --systemid node-a {on} vgx"),
        ]
    );
    assert_eq!(probe(&world), Probed::NotApplied);
    let Reply::Changed(output) = apply(&world) else { panic!() };
    assert_eq!(world.state(), AFTER);
    let volume = |name: &str| json!({ "id": format!("vgx/{name}"), "device": format!("/dev/vgx/{name}") });
    let volumes = [volume("dat"), volume("log")];
    assert_eq!(
        output,
        json!({ "vg": "vgx", "identity": "vguuid", "system-id": "node-b", "volumes": volumes })
    );
    assert!(matches!(probe(&world), Probed::Applied(_)));
    assert_eq!(world.changes(), forth);

    assert_eq!(undo(&world), Reply::Changed(json!(null)));
    assert_eq!(world.state(), BEFORE);
    assert_eq!(probe(&world), Probed::NotApplied);
    assert_eq!(world.changes(), [forth, back].concat());
    assert_eq!(undo(&world), Reply::Unchanged(json!(null)));
    // Whoever has it again may be at it: the same proof does not take it a second time.
    refused_again(&world);
}

#[track_caller]
fn refused_again(world: &World) {
    world.set(|group| group.changed = 1010);
    let Reply::Refused(refusal) = apply(world) else { panic!() };
    assert_eq!(refusal.code, "proof-outlived", "{}", refusal.message);
    assert_eq!(world.state(), BEFORE);
}

/// Sabotage: any of the checks of `proof.rs` left out.
#[test]
fn without_a_fresh_proof_of_that_very_host_nothing_is_taken() {
    let cases = [
        ("proof-of-another-host", "host", json!("node-c"), "`fence_test`, tells of `node-c`"),
        ("proof-not-off", "action", json!("reboot"), "says `reboot`"),
        ("proof-stale", "at", json!(429), "is 601 s old, and 600 s are allowed"),
        ("proof-from-the-future", "at", json!(1036), "is 6 s ahead of this clock"),
        ("proof-outlived", "at", json!(899), "the group was changed 1 s after"),
        ("proof-not-understood", "cutwater-fencing", json!(2), "is of version 2"),
        ("proof-not-understood", "more", json!(true), "unknown field `more`"),
        ("proof-not-understood", "at", json!("today"), "invalid type"),
    ];
    for (code, key, value, words) in cases {
        let world = world();
        if code == "proof-stale" {
            world.set(|group| group.changed = 0);
        }
        let mut record = record();
        record[key] = value;
        world.proof(&record);
        let said = refused(&world, input(), code);
        assert!(said.contains(words), "{said}");
        assert!(said.ends_with("fence `node-a`, and have its fencing agent leave a new record"), "{said}");
    }
    let world = world();
    world.host.files.borrow_mut().clear();
    refused(&world, input(), "no-proof");
}

/// Sabotage: `proof` made optional; the limit of `proof-age` left out.
#[test]
fn no_workflow_can_leave_the_proof_out_or_let_it_live_for_ever() {
    let mut without = input();
    without.as_object_mut().unwrap().remove("proof");
    let said = shown(&world(), &without, false).unwrap_err();
    assert!(said.message.contains("missing field `proof`"), "{said:?}");
    let mut for_ever = input();
    for_ever["proof-age"] = json!("61m");
    refused(&world(), for_ever, "invalid-input");
    let mut short = input();
    short["proof-age"] = json!("29s");
    refused(&world(), short, "proof-stale");
}

/// Sabotage: a group taken whose metadata nobody may believe.
#[test]
fn a_group_in_transition_or_that_misses_a_disk_is_stale_or_split_is_not_taken() {
    let half = world();
    let mut disk = half.host.contents.borrow()[A].clone();
    // A second text beside the one that counts; the header's sum is the writer's.
    let slot: Vec<u8> = disk[4096 + 40..4096 + 64].to_vec();
    disk[4096 + 64..4096 + 88].copy_from_slice(&slot);
    let sum = group::crc(&disk[4100..4608]);
    disk[4096..4100].copy_from_slice(&sum.to_le_bytes());
    half.host.contents.borrow_mut().insert(A.to_owned(), disk);
    refused(&half, input(), "in-transition");

    let one = world();
    let mut only = input();
    only["devices"] = json!([A]);
    refused(&one, only, "missing");
    let gone = world();
    gone.host.contents.borrow_mut().remove(B);
    refused(&gone, input(), "unreadable");

    for (code, seqno) in [("stale", 8), ("split", 7)] {
        let world = group::world();
        let old = world.host.contents.borrow()[B].clone();
        world.set(|group| (group.seqno, group.by) = (seqno, "somebody".into()));
        world.host.contents.borrow_mut().insert(B.to_owned(), old);
        refused(&world, input(), code);
    }
}

/// Sabotage: a group of a third host, or of nobody, taken; a bar of its owner's lifted; a volume that is active here already
/// passed over.
#[test]
fn what_is_not_the_failed_hosts_or_may_not_be_used_is_not_taken() {
    for id in ["node-c", ""] {
        let world = world();
        world.set(|group| group.system_id = id.into());
        refused(&world, input(), "other-owner");
    }
    let barred = world();
    barred.set(|group| group.lvs.get_mut("log").unwrap().skipped = true);
    refused(&barred, input(), "barred");
    let active = world();
    active.set(|group| group.lvs.get_mut("other").unwrap().active = true);
    refused(&active, input(), "already-active");
    let unknown = world();
    let mut wrong = input();
    wrong["volumes"] = json!(["dat", "nil"]);
    refused(&unknown, wrong, "no-such-volume");
    for devices in [json!([]), json!(["/dev/sdb,/dev/sda"]), json!(["sdb"])] {
        let mut wrong = input();
        wrong["devices"] = devices;
        refused(&world(), wrong, "invalid-input");
    }
}

/// Sabotage: the mark left out of the command line that takes the group (nobody knows then who did), or the tag's removal
/// not known by it; the tag looked for and nothing else.
#[test]
fn killed_at_any_program_it_goes_on_or_comes_back() {
    let lines =
        ["run vgchange -y --systemid", "run vgchange --addtag", "run lvchange -ay", "run lvchange -ay"];
    for (at, line) in lines.into_iter().enumerate() {
        for goes_on in [true, false] {
            let world = world();
            let fault = if at == 3 { "run lvchange -ay --devices /dev/sdb,/dev/sdc vgx/log" } else { line };
            world.host.fault(fault, "lost");
            assert!(matches!(apply(&world), Reply::Unknown(_)), "{fault}");
            match (at, probe(&world)) {
                (0, Probed::NotApplied) | (_, Probed::PartWay(_)) => {}
                (_, other) => panic!("{fault}: {other:?}"),
            }
            if goes_on {
                assert!(matches!(apply(&world), Reply::Changed(_)), "{fault}");
                assert_eq!(world.state(), AFTER, "{fault}");
            }
            let expected =
                if at == 0 && !goes_on { Reply::Unchanged(json!(null)) } else { Reply::Changed(json!(null)) };
            assert_eq!(undo(&world), expected, "{fault}");
            assert_eq!(world.state(), BEFORE, "{fault}");
        }
    }
    let back = ["run lvchange -an", "run vgchange --deltag", "run vgchange -y --systemid node-a"];
    for line in back {
        let world = world();
        assert!(matches!(apply(&world), Reply::Changed(_)));
        world.host.fault(line, "lost");
        assert!(matches!(undo(&world), Reply::Unknown(_)), "{line}");
        assert!(matches!(probe(&world), Probed::PartWay(_) | Probed::Applied(_)), "{line}");
        assert_eq!(undo(&world), Reply::Changed(json!(null)), "{line}");
        assert_eq!(world.state(), BEFORE, "{line}");
    }
}

/// Two writers, which must never be. Sabotage: the group given back while something of it is active here.
#[test]
fn nothing_is_given_back_while_any_of_its_volumes_is_in_use_here() {
    for (name, stuck, code) in [("other", false, "still-active"), ("dat", true, "lvchange")] {
        let world = world();
        assert!(matches!(apply(&world), Reply::Changed(_)));
        world.set(|group| {
            let lv = group.lvs.get_mut(name).unwrap();
            (lv.active, lv.stuck) = (true, stuck);
        });
        let Reply::Failed(failure) = undo(&world) else { panic!("{name}") };
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.left.contains("this host's") || failure.left.contains("node-b"), "{failure:?}");
        assert!(world.state().starts_with("node-b "), "{}", world.state());
        world.set(|group| {
            *group.lvs.get_mut(name).unwrap() = group::Lv { active: false, skipped: false, stuck: false }
        });
        assert_eq!(undo(&world), Reply::Changed(json!(null)));
        assert_eq!(world.state(), BEFORE);
    }
}

/// A host that comes up again with the group its own needs no proof. Sabotage: an undo that gives away what was not taken.
#[test]
fn a_group_that_is_this_hosts_already_is_only_activated_and_never_given_away() {
    let world = world();
    world.host.files.borrow_mut().clear();
    world.set(|group| {
        group.system_id = "node-b".into();
        group.lvs.get_mut("dat").unwrap().active = true;
    });
    let start = world.state();
    assert_eq!(shown(&world, &input(), false).unwrap().len(), 2);
    assert_eq!(probe(&world), Probed::NotApplied);
    assert!(matches!(apply(&world), Reply::Changed(_)));
    assert_eq!(world.state(), "node-b [] dat log");
    assert!(matches!(probe(&world), Probed::Applied(_)));
    assert_eq!(undo(&world), Reply::Changed(json!(null)));
    assert_eq!(world.state(), start, "just what it had activated");

    world.host.saved.borrow_mut().clear();
    world.set(|group| group.lvs.get_mut("log").unwrap().active = true);
    assert!(matches!(apply(&world), Reply::Unchanged(_)));
    assert_eq!(undo(&world), Reply::Unchanged(json!(null)));
    assert_eq!(world.state(), "node-b [] dat log");
}

/// Sabotage: a tag or a command line of another step taken for this one's.
#[test]
fn what_another_step_has_taken_over_is_left_alone() {
    let world = world();
    world.set(|group| {
        group.system_id = "node-b".into();
        group.tags = vec![format!("{MARK}-2")];
        group.by = format!(
            "vgchange -y --systemid node-b --config local/extra_system_ids=[\"node-a\",\"{MARK}-2\"] vgx"
        );
    });
    let before = world.state();
    assert_eq!(probe(&world), Probed::NotApplied);
    assert_eq!(undo(&world), Reply::Unchanged(json!(null)));
    assert_eq!(world.state(), before);
}
