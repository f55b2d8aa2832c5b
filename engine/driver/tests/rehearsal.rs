//! A rehearsal: how far it goes, and that it takes everything back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "common/bench.rs"]
mod bench;
mod common;

use bench::{Bench, Script, events, outage_with, staged};
use common::plans::{action, plan, step};
use cutwater_core::describe::Undo;
use cutwater_core::event::{Event, Outcome};
use cutwater_core::plan::{Body, OnFailure, Plan};
use cutwater_driver::engine::Finish;

/// Something aside and something that a person must agree to, an outage with the mark, something after it.
fn night() -> Plan {
    let mut steps = vec![
        step("aside", action(Undo::Restores), &["before"], None),
        step(
            "agree",
            Body::Approve { message: "Now?".into(), by: vec!["dba".into()], expires_ms: None },
            &["before"],
            None,
        ),
    ];
    let mut down = outage_with(&["stop", "copy", "cross"], true).steps;
    down[1].needs.insert("agree".into());
    steps.extend(down);
    steps.push(step("tidy", action(Undo::None), &["down"], None));
    plan(steps)
}

fn rehearsed(plan: Plan, with_outage: bool, script: Script) -> (Bench, Finish) {
    let mut bench = staged(plan, Script { rehearsal: Some(with_outage), ..script });
    let finish = bench.engine.run().unwrap();
    assert!(bench.world.lock().unwrap().applied.is_empty(), "not everything is taken back");
    assert!(!events(&bench.journal).iter().any(|event| matches!(event, Event::Crossed { .. })));
    (bench, finish)
}

fn asked(bench: &Bench, verb: &str) -> Vec<String> {
    let asked = bench.staged.asked.lock().unwrap();
    let mut names: Vec<String> = asked
        .iter()
        .filter_map(|asked| asked.strip_prefix(verb)?.strip_prefix(' '))
        .map(Into::into)
        .collect();
    names.sort();
    names
}

/// Sabotage: the outage entered, or the person asked, or what waits for them begun; nothing taken back at the end.
#[test]
fn it_stops_before_what_a_person_agrees_to_and_before_the_outage_and_undoes_the_rest() {
    let (bench, finish) = rehearsed(night(), false, Script::default());
    let left_out = "left out: `agree`, `down`, `tidy`".to_owned();
    assert_eq!(finish, Finish::Over(Outcome::Rehearsed, left_out));
    assert_eq!(asked(&bench, "apply"), ["aside", "before"]);
    assert_eq!(asked(&bench, "undo"), ["aside", "before"]);
    let asks = |event: &Event| matches!(event, Event::Asked { .. } | Event::OutageBegan { .. });
    assert!(!events(&bench.journal).iter().any(asks));
}

/// Sabotage: the mark crossed; the outage not given back.
#[test]
fn with_outage_it_stops_right_before_the_mark() {
    let (bench, finish) = rehearsed(outage_with(&["stop", "copy", "cross"], true), true, Script::default());
    assert_eq!(finish, Finish::Over(Outcome::Rehearsed, "left out: `cross`".into()));
    assert_eq!(asked(&bench, "apply"), ["before", "copy", "stop"]);
    assert_eq!(asked(&bench, "undo"), ["before", "copy", "stop"]);
    assert!(bench.guard.covered.lock().unwrap().is_empty(), "the guard still covers something");
}

/// Sabotage: a rehearsal that fails said to have gone well, or kept as `on-failure` says for a run.
#[test]
fn one_that_fails_is_undone_whatever_the_file_says_about_failures() {
    let mut plan = plan(vec![
        step("before", action(Undo::Restores), &[], None),
        step("refuses", action(Undo::Restores), &["before"], None),
    ]);
    plan.on_failure = OnFailure::Keep;
    let (_, finish) = rehearsed(plan, false, Script::default());
    assert!(
        matches!(finish, Finish::Over(Outcome::Undone, ref why) if why.contains("refuses")),
        "{finish:?}"
    );
}

/// Sabotage: a hold taken around something that never begins, which would never be given back but for its limit.
#[test]
fn a_hold_around_what_is_left_out_is_not_taken() {
    let hold = Body::Hold { plugin: "test".into(), action: "hold".into(), limit_ms: 10_000, carries: false };
    let plan = plan(vec![
        step("before", action(Undo::Restores), &[], None),
        step("held", hold, &["before"], None),
        step("down", Body::Outage { limit_ms: 5_000 }, &[], Some("held")),
        step("stop", action(Undo::Restores), &[], Some("down")),
    ]);
    let (bench, finish) = rehearsed(plan, false, Script::default());
    assert_eq!(finish, Finish::Over(Outcome::Rehearsed, "left out: `held`".into()));
    assert_eq!(asked(&bench, "take"), Vec::<String>::new());
}
