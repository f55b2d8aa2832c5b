//! A test of the tests: what a step says it has done, and has not, is found by the steps that look. Through the binary, with
//! real plugins; the sabotage is a fault hook. Needs root and loop devices. It must not need LVM or a database.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::Place;
use std::os::unix::fs::PermissionsExt;

/// A disk of 6 MiB without a zero in it, a target for it, and a service that runs while the file `flag` is there.
fn machine() -> Place {
    let place = Place::new();
    let here = place.path("").display().to_string();
    let policy = format!(
        "cutwater-policy: 1
faults: allow
services:
  demo:
    start: [touch, {here}flag]
    stop: [rm, -f, {here}flag]
    status: [test, -e, {here}flag]
"
    );
    std::fs::create_dir_all(place.path("root/etc/cutwater")).unwrap();
    let file = place.file("root/etc/cutwater/policy.yaml", policy);
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
    place.file("flag", "");
    place.file("from", vec![7; 6 << 20]);
    place.file("to", vec![0; 6 << 20]);
    let (from, to) = (place.device("from"), place.device("to"));
    place.file(
        "w.yaml",
        format!(
            "cutwater: 1
name: copy
summary: Copies and looks.
grants:
  block: {{ read: ['{from}', '{to}'], write: ['{to}'] }}
  service: {{ units: [demo] }}
steps:
  copy: {{ uses: block.sync, with: {{ from: '{from}', to: '{to}' }} }}
  same: {{ uses: block.compare, needs: [copy], with: {{ a: '{from}', b: '{to}' }} }}
  stop: {{ uses: service.stop, needs: [same], with: {{ unit: demo }} }}
"
        ),
    );
    place
}

#[test]
fn without_a_sabotage_nothing_is_found() {
    let place = machine();
    let said = place.cutwater(&["run", "w.yaml"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(std::fs::read(place.path("to")).unwrap(), vec![7; 6 << 20]);
    assert!(!place.path("flag").exists());
}

#[test]
fn each_sabotage_is_found_by_a_step_that_looks_and_the_run_is_undone() {
    for (sabotage, fault, found_by) in [
        ("one piece of a pass dropped", "claimed@change:copy", "turning back: `same`"),
        ("a pass skipped", "claimed@apply:copy", "turning back: `same`"),
        ("a service not stopped", "claimed@change:stop", "turning back: `stop`"),
    ] {
        let place = machine();
        let said = place.cutwater(&["run", "w.yaml", "--fault", fault]);
        assert_eq!(said.code, 4, "{sabotage}: {said:?}");
        assert!(said.out.contains(found_by), "{sabotage}: {said:?}");
        assert!(place.path("flag").exists(), "{sabotage}");
        println!("{sabotage}: {}", said.out);
    }
}

/// Sabotage of the hook itself: the engine dies after the change, which is then found in effect.
#[test]
fn an_engine_that_is_killed_right_before_its_change_has_changed_nothing() {
    let place = machine();
    let run = place.command(&["run", "w.yaml", "--fault", "killed-before@change:copy"]).output().unwrap();
    assert!(!run.status.success(), "{run:?}");
    assert_eq!(std::fs::read(place.path("to")).unwrap(), vec![0; 6 << 20]);
    let said = place.cutwater(&["resume", "--all"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(std::fs::read(place.path("to")).unwrap(), vec![7; 6 << 20]);
}
