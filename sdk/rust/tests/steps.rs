//! A whole plugin, called natively the way the boundary calls it. It must not know WebAssembly.

use cutwater_sdk::call::Reply;
use cutwater_sdk::*;

#[path = "../../build/tests/first/src/lib.rs"]
mod first;

use first::{Keep, Plugin as First};

fn input() -> Value {
    json!({ "path": "/etc/x", "content": "new" })
}

#[test]
fn a_step_is_applied_probed_and_taken_back() {
    let host = fake::Host::new().file("/etc/x", "old");
    let ctx = Context::over(&host, Keep::NAME);
    let Reply::Changed(output) = First::apply(&ctx, input(), None) else { panic!("not changed") };
    assert_eq!(output, json!({ "before": "old" }));
    assert_eq!(host.text("/etc/x").unwrap(), "new");

    let story = Story { checkpoint: host.saved.borrow().last().cloned(), ..Story::default() };
    assert_eq!(First::probe(&ctx, input(), &story), Probed::Applied(output));
    assert_eq!(First::undo(&ctx, input(), &story), Reply::Changed(Value::Null));
    assert_eq!(host.text("/etc/x").unwrap(), "old");
    assert_eq!(First::probe(&ctx, input(), &story), Probed::NotApplied);
}

#[test]
fn a_fault_is_refused_before_the_first_change_and_unknown_when_lost() {
    let host = fake::Host::new();
    host.fault("replace", "denied");
    let Reply::Refused(refusal) = First::apply(&Context::over(&host, Keep::NAME), input(), None) else {
        panic!("not refused")
    };
    assert_eq!((refusal.code.as_str(), refusal.again), ("denied", false));
    host.fault("replace", "lost");
    assert!(matches!(First::apply(&Context::over(&host, Keep::NAME), input(), None), Reply::Unknown(_)));
    host.fault("replace", "io");
    let Reply::Failed(failure) = First::apply(&Context::over(&host, Keep::NAME), input(), None) else {
        panic!("not failed")
    };
    assert_eq!(failure.checkpoint, Some(Value::Null), "the last one saved");
}

#[test]
fn a_preview_shows_holes_for_what_is_not_known() {
    let host = fake::Host::new();
    let mut partial = Partial::known(json!({ "path": "/etc/x", "content": null }));
    partial.unknown.insert("/content".into(), "make".into());
    let shown = First::preview(&Context::over(&host, Keep::NAME), &partial, false).unwrap();
    assert_eq!(shown.effects[0].detail["content"], json!("\u{e000}/content\u{e001}"));
    assert!(host.changes().is_empty());

    partial.unknown.insert("/path".into(), "make".into());
    partial.value["path"] = Value::Null;
    let refusal = First::preview(&Context::over(&host, Keep::NAME), &partial, false).unwrap_err();
    assert_eq!(refusal.code, NOT_KNOWN_YET);
}

#[test]
fn a_plugin_describes_itself_within_the_subset() {
    let description = First::describe();
    let keep = &description["steps"]["keep"];
    assert_eq!(keep["kind"], "action");
    assert_eq!(keep["undo"], "restores");
    assert_eq!(keep["needs"]["write"], json!(["with:/path"]));
    assert_eq!(keep["input"]["properties"]["path"]["format"], "path");
    assert_eq!(schema::outside_subset(&keep["input"]), None);
    assert_eq!(schema::outside_subset(&keep["output"]), None);
}
