//! What a limit, a person and a broken hold do to a run, one case each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "common/bench.rs"]
mod bench;
mod common;

use bench::{bench, events, outage_with, when};
use common::plans::{action, plan, step};
use cutwater_core::describe::Undo;
use cutwater_core::event::{Event, Outcome, Record};
use cutwater_core::names::RunId;
use cutwater_core::plan::{Body, OnFailure};
use cutwater_driver::engine::Finish;
use cutwater_driver::ports::{Command, Journal, Watcher};
use cutwater_driver::simulate::Memory;
use std::sync::Arc;

#[test]
fn an_outage_whose_limit_passes_before_the_mark_is_undone_within_the_run() {
    let mut b = bench(outage_with(&["stop", "copy", "start"], true), &["copy"], false);
    let finish = b.engine.run().unwrap();
    assert!(
        matches!(finish, Finish::Over(Outcome::Undone, ref why) if why.contains("limit of `down`")),
        "{finish:?}"
    );
    assert!(b.world.lock().unwrap().applied.is_empty(), "{:?}", b.world.lock().unwrap().applied);
    assert!(b.guard.covered.lock().unwrap().is_empty(), "the guard still covers something");
}

#[test]
fn an_abort_behind_the_mark_is_refused_and_the_run_goes_forward() {
    let mut steps = outage_with(&["stop", "cross"], true);
    steps.steps.push(step("tidy", action(Undo::None), &["down"], None));
    let mut b = bench(steps, &[], false);
    let answers = when(&mut b, "outage-ended", "down", Command::Abort { by: "anna".into() });
    assert_eq!(b.engine.run().unwrap(), Finish::Over(Outcome::Done, String::new()));
    let answer = answers.recv().unwrap();
    assert!(answer.unwrap_err().contains("`cross` crossed the point of no return"));
}

#[test]
fn an_abort_before_the_mark_undoes_everything() {
    let mut b = bench(outage_with(&["stop", "copy", "cross"], true), &["copy"], false);
    when(&mut b, "intended", "copy", Command::Abort { by: "anna".into() });
    let finish = b.engine.run().unwrap();
    assert!(matches!(finish, Finish::Over(Outcome::Undone, ref why) if why.contains("anna")), "{finish:?}");
    assert!(b.world.lock().unwrap().applied.is_empty());
}

#[test]
fn the_mark_is_durable_before_its_step_begins() {
    let mut b = bench(outage_with(&["stop", "cross"], true), &[], false);
    b.engine.run().unwrap();
    let events = events(&b.journal);
    let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    let crossed = place(&|e| matches!(e, Event::Crossed { .. }));
    let intended = place(&|e| matches!(e, Event::Intended { step, .. } if step.as_str() == "cross"));
    assert!(crossed < intended);
}

#[test]
fn a_hold_that_breaks_is_released_and_what_was_done_under_it_is_undone() {
    let steps = vec![
        step(
            "held",
            Body::Hold { plugin: "test".into(), action: "hold".into(), limit_ms: 10_000, carries: false },
            &[],
            None,
        ),
        step("snap", action(Undo::Restores), &[], Some("held")),
        step("late", action(Undo::Restores), &["snap"], Some("held")),
    ];
    let mut b = bench(plan(steps), &["late"], false);
    let finish = b.engine.run().unwrap();
    assert!(
        matches!(finish, Finish::Over(Outcome::Undone, ref why) if why.contains("limit of `held`")),
        "{finish:?}"
    );
    let events = events(&b.journal);
    let released = events.iter().position(|e| matches!(e, Event::Releasing { .. })).unwrap();
    let undone =
        events.iter().position(|e| matches!(e, Event::Intended { way: cutwater_core::event::Way::Undo, .. }));
    assert!(released < undone.unwrap(), "release first, then undo");
    let world = b.world.lock().unwrap();
    assert!(world.held.is_empty() && world.applied.is_empty());
}

/// Sabotage: `carries` not looked at on the way back (the release comes first, and the world refuses it).
#[test]
fn a_hold_that_carries_is_given_back_behind_what_its_inner_steps_made() {
    let lent = Body::Hold { plugin: "test".into(), action: "hold".into(), limit_ms: 10_000, carries: true };
    let steps = vec![
        step("before", action(Undo::Restores), &[], None),
        step("lent", lent, &["before"], None),
        step("snap", action(Undo::Restores), &[], Some("lent")),
        step("late", action(Undo::Restores), &["snap"], Some("lent")),
    ];
    let mut b = bench(plan(steps), &["late"], false);
    let finish = b.engine.run().unwrap();
    assert!(
        matches!(finish, Finish::Over(Outcome::Undone, ref why) if why.contains("limit of `lent`")),
        "{finish:?}"
    );
    let events = events(&b.journal);
    let undone = |name: &str| {
        let undo = cutwater_core::event::Way::Undo;
        events.iter().position(
            |e| matches!(e, Event::Intended { way, step, .. } if *way == undo && step.as_str() == name),
        )
    };
    let releases: Vec<usize> =
        (0..events.len()).filter(|&at| matches!(events[at], Event::Releasing { .. })).collect();
    assert_eq!(releases.len(), 1, "one that its own holder gives back is not asked twice");
    assert!(undone("snap").unwrap() < releases[0] && releases[0] < undone("before").unwrap());
    let world = b.world.lock().unwrap();
    assert!(world.held.is_empty() && world.applied.is_empty());
}

/// Sabotage: a hold that is still held counted as settled (both are given back at once, the outer one first).
#[test]
fn a_hold_inside_one_that_carries_is_given_back_before_it() {
    let hold =
        |carries| Body::Hold { plugin: "test".into(), action: "hold".into(), limit_ms: 10_000, carries };
    let steps = vec![
        step("lent", hold(true), &[], None),
        step("quiet", hold(false), &[], Some("lent")),
        step("late", action(Undo::Restores), &[], Some("quiet")),
    ];
    let mut b = bench(plan(steps), &[], false);
    when(&mut b, "answered", "quiet", Command::Abort { by: "anna".into() });
    let finish = b.engine.run().unwrap();
    assert!(matches!(finish, Finish::Over(Outcome::Undone, _)), "{finish:?}");
    let released: Vec<String> = events(&b.journal)
        .iter()
        .filter_map(|event| match event {
            Event::Releasing { step, .. } => Some(step.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(released, ["quiet", "lent"]);
}

#[test]
fn on_failure_pause_gives_an_outage_back_and_keeps_the_rest_for_a_person() {
    let mut plan = outage_with(&["stop", "copy"], false);
    plan.on_failure = OnFailure::Pause;
    let mut b = bench(plan, &["copy"], false);
    let finish = b.engine.run().unwrap();
    assert!(matches!(finish, Finish::Stopped(ref why) if why.contains("paused")), "{finish:?}");
    let world = b.world.lock().unwrap();
    assert_eq!(world.applied.iter().map(|step| step.as_str()).collect::<Vec<_>>(), ["before"]);
}

#[test]
fn an_approval_for_another_plan_or_by_another_role_is_refused() {
    let ask = Body::Approve { message: "go?".into(), by: vec!["dba".into()], expires_ms: Some(60_000) };
    let approve = |roles: &[&str], plan: &str| Command::Approve {
        step: None,
        by: "anna".into(),
        roles: roles.iter().map(|r| (*r).to_owned()).collect(),
        plan: plan.into(),
    };
    for (command, wanted) in [
        (approve(&["dba"], "ffffffffffffffff"), "is for plan"),
        (approve(&["dba"], ""), "is for plan"),
        (approve(&["intern"], "0123456789abcdef"), "anna is none of: dba"),
    ] {
        let mut b = bench(plan(vec![step("agree", ask.clone(), &[], None)]), &[], false);
        let answers = when(&mut b, "asked", "agree", command);
        let finish = b.engine.run().unwrap();
        assert!(matches!(finish, Finish::Over(Outcome::Undone, _)), "{finish:?}");
        let answer = answers.recv().unwrap().unwrap_err();
        assert!(answer.contains(wanted), "{answer}");
    }
}

#[test]
fn a_question_is_asked_with_its_expressions_filled_in() {
    let message = "Stop it for up to ${{ inputs.limit }}?".into();
    let ask = Body::Approve { message, by: vec![], expires_ms: None };
    let mut plan = plan(vec![step("agree", ask, &[], None)]);
    plan.inputs.insert("limit".into(), "60s".into());
    let mut b = bench(plan, &[], true);
    b.engine.run().unwrap();
    let asked = events(&b.journal).into_iter().find_map(|event| match event {
        Event::Asked { message, .. } => Some(message),
        _ => None,
    });
    assert_eq!(asked.unwrap(), "Stop it for up to 60s?");
}

#[test]
fn without_waiting_a_run_that_asks_a_person_returns_at_once() {
    let ask = Body::Approve { message: "go?".into(), by: vec![], expires_ms: None };
    let mut b = bench(plan(vec![step("agree", ask, &[], None)]), &[], true);
    assert!(matches!(b.engine.run().unwrap(), Finish::Waiting(_)));
}

#[test]
fn the_last_steps_keep_their_order_and_see_what_the_others_gave() {
    for fails in [false, true] {
        let last = |name, needs: &[&str]| {
            let mut last = step(name, action(Undo::None), needs, None);
            last.finally = true;
            last
        };
        let mut drop = last("drop", &["stop"]);
        drop.condition = Some("${{ steps.make != null }}".into());
        let mut never = last("never", &[]);
        never.condition = Some("${{ steps.late != null }}".into());
        let mut steps = vec![step("make", action(Undo::Restores), &[], None), drop, last("stop", &[]), never];
        steps.push(step("late", action(Undo::Restores), &["make"], None));
        let mut b = bench(plan(steps), if fails { &["late"] } else { &[] }, false);
        if fails {
            when(&mut b, "intended", "late", Command::Abort { by: "anna".into() });
        }
        let finish = b.engine.run().unwrap();
        let outcome = if fails { Outcome::Undone } else { Outcome::Done };
        assert!(matches!(finish, Finish::Over(o, _) if o == outcome), "{finish:?}");
        let events = events(&b.journal);
        let at = |found: &dyn Fn(&Event) -> bool| events.iter().position(found);
        let stopped = at(&|e| matches!(e, Event::Answered { step, .. } if step.as_str() == "stop"));
        let dropped = at(&|e| matches!(e, Event::Intended { step, .. } if step.as_str() == "drop"));
        assert!(stopped.is_some() && stopped < dropped, "stop at {stopped:?}, drop at {dropped:?}");
        let skipped = at(&|e| matches!(e, Event::Skipped { step, .. } if step.as_str() == "never"));
        assert_eq!(skipped.is_some(), fails, "there is an output of `late` only where it was done");
    }
}

#[test]
fn a_clean_up_that_fails_behind_the_mark_is_no_run_that_stopped_part_way() {
    let mut steps = outage_with(&["stop", "cross"], true);
    steps.steps.push(step("refuses", action(Undo::None), &["down"], None));
    let mut b = bench(steps, &[], false);
    let finish = b.engine.run().unwrap();
    assert!(matches!(finish, Finish::CutOver(ref why) if why.contains("`refuses`")), "{finish:?}");
}

/// Takes the run over, as another process would, when somebody is asked.
struct TakesOver(Arc<Memory>);

impl Watcher for TakesOver {
    fn see(&mut self, record: &Record) {
        if matches!(record.event, Event::Asked { .. }) {
            let epoch = cutwater_core::names::Epoch(2);
            let owned = Event::Owned { epoch, pid: 2, boot: "b".into(), by: "other".into() };
            self.0.append(&RunId::from("r"), record.seq, record.at, &[owned], true).unwrap();
        }
    }
}

#[test]
fn an_owner_that_only_waits_notices_that_it_lost_the_run() {
    let ask = Body::Approve { message: "go?".into(), by: vec![], expires_ms: Some(60_000) };
    let mut b = bench(plan(vec![step("agree", ask, &[], None)]), &[], false);
    let journal = Arc::clone(&b.journal);
    b.engine.watch(Box::new(TakesOver(journal))).unwrap();
    let lost = b.engine.run().unwrap_err();
    assert!(lost.to_string().contains("another owner"), "{lost}");
    let appends = *b.journal.appends.lock().unwrap();
    assert_eq!(appends, 3, "created, asked, taken over: it noticed only by an append of its own");
}

#[test]
fn behind_the_mark_the_guard_stands_until_the_run_is_over() {
    let mut steps = outage_with(&["stop", "cross"], true);
    steps.steps.push(step("refuses", action(Undo::None), &["down"], None));
    let mut b = bench(steps, &[], false);
    b.engine.run().unwrap();
    assert!(b.guard.covered.lock().unwrap().contains_key("down"));
}
