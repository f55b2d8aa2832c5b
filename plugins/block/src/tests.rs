//! The steps against devices in memory: parts and checkpoints, what is refused, and what undo leaves.

use crate::{Compare, Converges, Plugin, Resync, Sync};
use cutwater_sdk::call::{self, Reply};
use cutwater_sdk::fake::Host;
use cutwater_sdk::host::Changed;
use cutwater_sdk::{Context, Partial, Plugin as _, Probed, Story, Value, json};
use std::collections::BTreeMap;

const MIB: usize = 1 << 20;

fn world(length: usize) -> Host {
    let source: Vec<u8> = (0..length).map(|at| (at / 4096 % 251) as u8 + 1).collect();
    Host::new()
        .device("/dev/vg00/dat-cutwater", source.clone())
        .device("/dev/vg00/dat", source)
        .device("/dev/vg01/new", vec![0; length])
}

fn copying() -> Value {
    json!({ "from": "/dev/vg00/dat-cutwater", "to": "/dev/vg01/new", "at-most": "80MiB/s" })
}

fn story(host: &Host) -> Story {
    Story { checkpoint: host.saved.borrow().last().cloned(), ..Story::default() }
}

#[test]
fn a_copy_is_shown_whole_and_its_undo_erases_the_target() {
    let host = world(4 * MIB);
    let ctx = Context::over(&host, "sync");
    let shown = call::preview::<Sync>(&ctx, &Partial::known(copying()), false).unwrap();
    assert_eq!(
        shown.effects[0].detail,
        json!({ "verb": "copy", "from": "/dev/vg00/dat-cutwater", "to": "/dev/vg01/new", "at-most": "80MiB/s" })
    );
    assert_eq!(shown.estimate, json!({ "seconds": 0.05, "bytes": 4 * MIB }));
    assert_eq!(shown.output.value["identity"], "id:/dev/vg01/new");
    assert!(shown.output.unknown.contains_key("/base") && !shown.output.unknown.contains_key("/bytes"));
    let undo = call::preview::<Sync>(&ctx, &Partial::known(copying()), true).unwrap();
    assert_eq!(undo.effects[0].detail, json!({ "verb": "erase", "to": "/dev/vg01/new" }));
    assert!(host.changes().is_empty());
}

#[test]
fn a_copy_is_whole_and_probed_and_its_undo_touches_only_what_it_wrote() {
    let host = world(4 * MIB);
    let ctx = Context::over(&host, "sync");
    assert_eq!(call::probe::<Sync>(&ctx, copying(), &Story::default()), Probed::NotApplied);
    assert_eq!(call::undo::<Sync>(&ctx, copying(), &Story::default()), Reply::Unchanged(json!(null)));
    let Reply::Changed(output) = call::apply::<Sync>(&ctx, copying(), None) else { panic!() };
    assert_eq!(output["bytes"], "4MiB");
    assert_eq!(output["base"]["to"], "id:/dev/vg01/new");
    assert_eq!(host.contents.borrow()["/dev/vg01/new"], host.contents.borrow()["/dev/vg00/dat"]);
    assert_eq!(call::probe::<Sync>(&ctx, copying(), &story(&host)), Probed::Applied(output));

    host.devices.borrow_mut().get_mut("/dev/vg01/new").unwrap().identity = "id:another".into();
    assert!(matches!(call::undo::<Sync>(&ctx, copying(), &story(&host)), Reply::Failed(_)));
    assert!(host.contents.borrow()["/dev/vg01/new"].iter().all(|&byte| byte != 0));
    host.devices.borrow_mut().get_mut("/dev/vg01/new").unwrap().identity = "id:/dev/vg01/new".into();
    assert_eq!(call::undo::<Sync>(&ctx, copying(), &story(&host)), Reply::Changed(json!(null)));
    assert!(host.contents.borrow()["/dev/vg01/new"][..MIB].iter().all(|&byte| byte == 0));
}

#[test]
fn a_head_is_written_last_and_each_part_follows_a_checkpoint() {
    let host = world(4 * MIB);
    call::apply::<Sync>(&Context::over(&host, "sync"), copying(), None);
    let calls: Vec<String> = host.calls().into_iter().filter(|call| call.starts_with(['c', 's'])).collect();
    let copy =
        |offset: usize, length: usize| format!("copy /dev/vg00/dat-cutwater /dev/vg01/new {offset} {length}");
    assert_eq!(
        calls,
        [
            copy(0, 0),
            "save".to_owned(),
            copy(MIB, 3 * MIB),
            "save".to_owned(),
            copy(0, MIB),
            "save".to_owned()
        ]
    );
}

#[test]
fn a_copy_that_breaks_off_goes_on_from_its_checkpoint() {
    let host = world(4 * MIB);
    let ctx = Context::over(&host, "sync");
    host.fault("copy /dev/vg00/dat-cutwater /dev/vg01/new 0 1048576", "io");
    let Reply::Failed(failure) = call::apply::<Sync>(&ctx, copying(), None) else { panic!() };
    assert_eq!(failure.left, "the target holds a part of the copy, without its beginning");
    assert!(matches!(call::probe::<Sync>(&ctx, copying(), &story(&host)), Probed::PartWay(Some(_))));
    let before = host.calls().len();
    let checkpoint = host.saved.borrow().last().cloned();
    assert!(matches!(call::apply::<Sync>(&ctx, copying(), checkpoint), Reply::Changed(_)));
    let copies = host.calls()[before..].iter().filter(|call| call.starts_with("copy")).count();
    assert_eq!(copies, 1, "only the head was missing");
    assert_eq!(host.contents.borrow()["/dev/vg01/new"], host.contents.borrow()["/dev/vg00/dat"]);
}

#[test]
fn a_target_that_cannot_take_the_copy_is_refused_while_planning() {
    let refused = |change: fn(&mut cutwater_sdk::host::BlockFacts), more: Value| {
        let host = world(4 * MIB);
        change(host.devices.borrow_mut().get_mut("/dev/vg01/new").unwrap());
        let mut input = copying();
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let shown = call::preview::<Sync>(&Context::over(&host, "sync"), &Partial::known(input), false);
        shown.err().map(|refusal| refusal.code)
    };
    let carries = |facts: &mut cutwater_sdk::host::BlockFacts| facts.signature = Some("xfs".into());
    assert_eq!(refused(|_| {}, json!({})), None);
    assert_eq!(refused(|_| {}, json!({ "at-most": "0B/s" })).as_deref(), Some("invalid-input"));
    assert_eq!(refused(|facts| facts.bytes = 4096, json!({})).as_deref(), Some("too-small"));
    assert_eq!(refused(|facts| facts.mounts = vec!["/srv".into()], json!({})).as_deref(), Some("busy"));
    assert_eq!(refused(|facts| facts.holders = vec!["dm-3".into()], json!({})).as_deref(), Some("busy"));
    assert_eq!(refused(carries, json!({})).as_deref(), Some("carries-data"));
    assert_eq!(refused(carries, json!({ "replaces": "id:other" })).as_deref(), Some("other-device"));
    assert_eq!(refused(carries, json!({ "replaces": "id:/dev/vg01/new" })), None);
}

#[test]
fn what_the_data_path_refuses_before_its_first_byte_leaves_nothing() {
    for code in ["busy", "carries-data", "too-small", "base-moved", "missing"] {
        let host = world(4 * MIB);
        host.fault("copy", code);
        let Reply::Refused(refusal) = call::apply::<Sync>(&Context::over(&host, "sync"), copying(), None)
        else {
            panic!("{code}")
        };
        assert_eq!((refusal.code.as_str(), refusal.again), (code, code == "busy"));
        // Had the answer been lost, an undo would know of nothing to discard: what is on the target is not of this step.
        let before = host.contents.borrow()["/dev/vg01/new"].clone();
        let ctx = Context::over(&host, "sync");
        assert_eq!(call::probe::<Sync>(&ctx, copying(), &story(&host)), Probed::NotApplied);
        assert_eq!(call::undo::<Sync>(&ctx, copying(), &story(&host)), Reply::Unchanged(json!(null)));
        assert_eq!(host.contents.borrow()["/dev/vg01/new"], before);
    }
}

/// The origin with chunks 1 and 3 (of 64 KiB) changed, and the copy of the snapshot on the target.
fn changed(host: &Host) -> Value {
    let ctx = Context::over(host, "sync");
    let Reply::Changed(copied) = call::apply::<Sync>(&ctx, copying(), None) else { panic!() };
    host.saved.borrow_mut().clear();
    for chunk in [1, 3] {
        host.contents.borrow_mut().get_mut("/dev/vg00/dat").unwrap()[chunk * 65536] = 0xff;
    }
    let ranges = vec![(65536, 65536), (3 * 65536, 65536)];
    let listed = Changed { chunk: 65536, chunks: 2, bytes: 131072, ranges };
    host.stores.borrow_mut().insert("/dev/mapper/vg00-dat--cutwater-cow".into(), listed);
    json!({ "from": "/dev/vg00/dat", "to": "/dev/vg01/new", "changed-since": "vg00/dat-cutwater", "base": copied["base"] })
}

#[test]
fn a_resync_shows_its_devices_copies_what_is_listed_and_is_probed() {
    let host = world(4 * MIB);
    let input = changed(&host);
    let ctx = Context::over(&host, "resync");
    let shown = call::preview::<Resync>(&ctx, &Partial::known(input.clone()), false).unwrap();
    let store = "/dev/mapper/vg00-dat--cutwater-cow";
    let expected =
        json!({ "verb": "resync", "store": store, "from": "/dev/vg00/dat", "to": "/dev/vg01/new" });
    assert_eq!(shown.effects[0].detail, expected);
    assert_eq!(shown.estimate["bytes"], 131072);
    assert_eq!(call::probe::<Resync>(&ctx, input.clone(), &Story::default()), Probed::NotApplied);
    let Reply::Changed(output) = call::apply::<Resync>(&ctx, input.clone(), None) else { panic!() };
    assert_eq!((output["chunks"].clone(), output["bytes"].clone()), (json!(2), json!("128KiB")));
    assert_eq!(host.contents.borrow()["/dev/vg01/new"], host.contents.borrow()["/dev/vg00/dat"]);
    assert_eq!(call::probe::<Resync>(&ctx, input.clone(), &story(&host)), Probed::Applied(output));
    assert_eq!(call::undo::<Resync>(&ctx, input, &story(&host)), Reply::Changed(json!(null)));
    assert!(host.contents.borrow()["/dev/vg01/new"][..MIB].iter().all(|&byte| byte == 0));
}

/// An engine dies between the intent to take a copy back and the first byte of that; later steps had mounted the copy.
/// Sabotage: a probe that cannot tell (the way back stops there, and the service stays down).
#[test]
fn what_later_steps_wrote_to_a_copy_does_not_stop_the_way_back() {
    let host = world(4 * MIB);
    let input = changed(&host);
    let ctx = Context::over(&host, "resync");
    let Reply::Changed(output) = call::apply::<Resync>(&ctx, input.clone(), None) else { panic!() };
    host.devices.borrow_mut().get_mut("/dev/vg01/new").unwrap().written += 8;
    let unanswered = story(&host);
    let answered = Story { output: Some(output), ..unanswered.clone() };
    assert!(matches!(call::probe::<Resync>(&ctx, input.clone(), &unanswered), Probed::CannotTell(_)));
    assert!(matches!(call::probe::<Resync>(&ctx, input.clone(), &answered), Probed::PartWay(Some(_))));
    assert_eq!(call::undo::<Resync>(&ctx, input.clone(), &answered), Reply::Changed(json!(null)));
    assert_eq!(call::probe::<Resync>(&ctx, input, &answered), Probed::NotApplied);
}

#[test]
fn a_resync_of_an_overflowed_snapshot_is_refused() {
    let host = world(4 * MIB);
    let input = changed(&host);
    host.fault("changed", "overflowed");
    let Reply::Refused(refusal) = call::apply::<Resync>(&Context::over(&host, "resync"), input, None) else {
        panic!()
    };
    assert_eq!(refusal.code, "overflowed");
}

#[test]
fn a_resync_that_breaks_off_allows_itself_what_it_may_have_written() {
    let host = world(4 * MIB);
    let input = changed(&host);
    let ctx = Context::over(&host, "resync");
    host.fault("resync", "io");
    assert!(matches!(call::apply::<Resync>(&ctx, input.clone(), None), Reply::Failed(_)));
    assert!(matches!(call::probe::<Resync>(&ctx, input.clone(), &story(&host)), Probed::PartWay(Some(_))));
    let checkpoint = host.saved.borrow().last().cloned();
    assert_eq!(checkpoint.as_ref().unwrap()["slack"], 256);
    assert!(matches!(call::apply::<Resync>(&ctx, input, checkpoint), Reply::Changed(_)));
    assert_eq!(host.saved.borrow().last().unwrap()["slack"], 512);
}

/// Sabotage: the prefix left out (what was written to the origin behind a later snapshot counts as what it differs in).
#[test]
fn a_resync_says_how_much_of_the_list_counts() {
    let host = world(4 * MIB);
    let input = changed(&host);
    let ctx = Context::over(&host, "resync");
    assert!(matches!(call::apply::<Resync>(&ctx, input, None), Reply::Changed(_)));
    assert_eq!(host.first.get(), Some(2));
}

/// 1 MiB has changed, `per_second` sectors more each second; an earlier pass copied 10 MiB in a second.
fn forecast(sectors_per_second: u64, more: Value) -> Reply {
    let host = Host::new();
    let listed = Changed { chunk: 65536, chunks: 16, bytes: 1 << 20, ranges: Vec::new() };
    host.stores.borrow_mut().insert("/dev/mapper/vg00-dat--second-cow".into(), listed);
    host.load.set(sectors_per_second);
    let mut input = json!({
        "changed-since": "vg00/dat-second", "bytes": "10MiB", "milliseconds": 1000, "limit": "1s", "measure": "1s",
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call::check::<Converges>(&Context::over(&host, "converges"), input)
}

/// Sabotage: the quotient of the rates the wrong way round; the time until the writers stop left out.
#[test]
fn a_last_pass_that_fits_is_foretold_and_one_that_does_not_is_refused_with_the_way_out() {
    let Reply::Unchanged(fits) = forecast(2048, json!({})) else { panic!() };
    assert_eq!(
        fits,
        json!({ "changes": "1MiB/s", "copies": "10MiB/s", "last": "2MiB", "milliseconds": 200 })
    );
    let refused = |sectors: u64, more: Value| {
        let Reply::Refused(refusal) = forecast(sectors, more) else { panic!() };
        assert_eq!(refusal.code, "too-long");
        (refusal.message, refusal.details["more-passes"].clone())
    };
    // 5 of 10 MiB/s change: each further pass leaves half.
    let (words, more) = refused(5 * 2048, json!({ "limit": "200ms" }));
    assert!(
        words.contains("6MiB in 600ms") && words.contains("after 2 more passes it would take 150ms"),
        "{words}"
    );
    assert_eq!(more, 2);
    let (words, more) = refused(20 * 2048, json!({}));
    assert!(words.contains("as fast as it is copied"), "{words}");
    assert_eq!(more, Value::Null);
    let (words, _) = refused(5 * 2048, json!({ "lead": "10s" }));
    assert!(words.contains("until the writers are stopped"), "{words}");
    let Reply::Refused(refusal) = forecast(0, json!({ "bytes": 0 })) else { panic!() };
    assert_eq!(refusal.code, "no-rate");
}

#[test]
fn a_comparison_is_not_made_while_planning_and_a_difference_is_refused_with_its_place() {
    let host = world(4 * MIB);
    let input = json!({ "a": "/dev/vg00/dat", "b": "/dev/vg01/new" });
    let ctx = Context::over(&host, "compare");
    let shown = call::preview_check::<Compare>(&ctx, &Partial::known(input.clone())).unwrap();
    assert_eq!(shown.output.unknown, BTreeMap::from([(String::new(), "compare".to_owned())]));
    assert!(host.calls().is_empty());
    let Reply::Refused(refusal) = call::check::<Compare>(&ctx, input.clone()) else { panic!() };
    assert_eq!((refusal.code.as_str(), refusal.details["first-difference"].clone()), ("differs", json!(0)));
    call::apply::<Sync>(&Context::over(&host, "sync"), copying(), None);
    let equal = json!({ "equal": true, "bytes": "4MiB" });
    assert_eq!(call::check::<Compare>(&ctx, input), Reply::Unchanged(equal));
}

#[test]
fn the_plugin_tells_its_steps_within_the_subset_of_json_schema() {
    let told = Plugin::describe();
    for (name, step) in told["steps"].as_object().unwrap() {
        for schema in ["input", "output"] {
            assert_eq!(cutwater_sdk::schema::outside_subset(&step[schema]), None, "{name}");
        }
    }
    assert_eq!(told["steps"]["sync"]["scratch"], "/to");
}
