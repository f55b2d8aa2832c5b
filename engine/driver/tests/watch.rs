//! Steps that watch: how long they go on, what ends them, and what they end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "common/bench.rs"]
mod bench;
mod common;

use bench::{Bench, Script, events, outage_with, over, staged, when};
use common::plans::{action, plan, step};
use cutwater_core::describe::Undo;
use cutwater_core::event::{Event, Outcome, Way};
use cutwater_core::names::{RunId, Seq};
use cutwater_core::plan::{Body, OnFailure, Plan, PlanStep};
use cutwater_driver::engine::Finish;
use cutwater_driver::ports::{Command, Journal};

fn watch(name: &str) -> PlanStep {
    let body = Body::Action { plugin: "test".into(), action: "do".into(), undo: Undo::Restores, watch: true };
    step(name, body, &["before"], None)
}

fn agree() -> PlanStep {
    let body = Body::Approve { message: "Now?".into(), by: vec!["dba".into()], expires_ms: None };
    step("agree", body, &["before"], None)
}

/// `before`, then a watch, beside it a person who is asked, and an outage with the mark.
fn night() -> Plan {
    let mut steps = outage_with(&["stop", "copy", "cross"], true).steps;
    steps[1].needs.insert("agree".into());
    steps.extend([watch("eyes"), agree(), step("tidy", action(Undo::None), &["down"], None)]);
    plan(steps)
}

fn until_told(script: Script) -> Script {
    Script { until_told: ["eyes".to_owned()].into(), ..script }
}

fn approve() -> Command {
    let (by, plan) = ("anna".into(), "0123456789abcdef".into());
    Command::Approve { step: None, by, roles: vec!["dba".into()], plan }
}

fn place(bench: &Bench, wanted: impl Fn(&Event) -> bool) -> Option<usize> {
    events(&bench.journal).iter().position(wanted)
}

fn ended(step: &str) -> impl Fn(&Event) -> bool + '_ {
    move |event| matches!(event, Event::Answered { step: of, way: Way::Apply, .. } if of.as_str() == step)
}

/// Sabotage: the outage, or the end, waiting for the watch (the run stands still); a watch that is told to stop before the mark.
#[test]
fn a_watch_goes_on_while_a_person_is_asked_and_through_the_outage_until_the_mark() {
    let mut b = staged(night(), until_told(Script::default()));
    when(&mut b, "asked", "agree", approve());
    assert_eq!(b.engine.run().unwrap(), Finish::Over(Outcome::Done, String::new()));
    let crossed = place(&b, |event| matches!(event, Event::Crossed { .. })).unwrap();
    assert!(place(&b, ended("eyes")).unwrap() > crossed);
    assert!(place(&b, ended("copy")).unwrap() < crossed);
}

/// Sabotage: a watch that is never told to stop where there is no mark.
#[test]
fn a_watch_is_told_to_stop_once_all_else_has_ended() {
    let after = step("after", action(Undo::Restores), &["before"], None);
    let steps = vec![step("before", action(Undo::Restores), &[], None), watch("eyes"), after];
    let mut b = staged(plan(steps), until_told(Script::default()));
    assert_eq!(b.engine.run().unwrap(), Finish::Over(Outcome::Done, String::new()));
    assert!(place(&b, ended("eyes")) > place(&b, ended("after")));
}

/// Sabotage: what a watch finds not heeded while a person is asked.
#[test]
fn what_a_watch_finds_turns_the_run_back_while_a_person_is_asked() {
    let steps = vec![step("before", action(Undo::Restores), &[], None), watch("refuses"), agree()];
    let mut b = staged(plan(steps), Script::default());
    let finish = b.engine.run().unwrap();
    assert!(
        matches!(finish, Finish::Over(Outcome::Undone, ref why) if why.contains("refuses")),
        "{finish:?}"
    );
    assert!(b.world.lock().unwrap().applied.is_empty());
}

/// Sabotage: a rehearsal that waits for the watch to end by itself.
#[test]
fn a_rehearsal_ends_its_watches() {
    for with_outage in [false, true] {
        let script = Script { rehearsal: Some(with_outage), ..Script::default() };
        let mut b = staged(night(), until_told(script));
        when(&mut b, "asked", "agree", approve());
        let finish = b.engine.run().unwrap();
        assert!(matches!(finish, Finish::Over(Outcome::Rehearsed, _)), "{finish:?}");
        assert!(b.world.lock().unwrap().applied.is_empty());
    }
}

/// Sabotage: a watch that counts as being at work (`--no-wait` waits); one that is not taken up again, or that is given up as
/// lost after some owners.
#[test]
fn without_waiting_a_run_leaves_its_watch_and_each_owner_watches_anew() {
    let script = || until_told(Script { no_wait: true, ..Script::default() });
    let mut b = staged(night(), script());
    for _ in 0..6 {
        let finish = b.engine.run().unwrap();
        assert!(matches!(finish, Finish::Waiting(ref why) if why.contains("approval")), "{finish:?}");
        b = over(night(), script(), &b.journal, &b.world);
    }
    when(&mut b, "asked", "agree", approve());
    let begun = |event: &&Event| matches!(event, Event::Intended { step, way: Way::Apply, .. } if step.as_str() == "eyes");
    assert_eq!(events(&b.journal).iter().filter(begun).count(), 6);
    assert_eq!(b.engine.run().unwrap(), Finish::Over(Outcome::Done, String::new()));
}

/// Sabotage: a run that a person must look at, and that never says so, because something is still watched; one that is not
/// watched any more once somebody goes on with it.
#[test]
fn a_run_that_pauses_after_a_failure_says_so_and_is_watched_again_when_it_is_resumed() {
    let mut failing = plan(vec![
        step("before", action(Undo::Restores), &[], None),
        watch("eyes"),
        step("refuses", action(Undo::Restores), &["before"], None),
    ]);
    failing.on_failure = OnFailure::Pause;
    let mut b = staged(failing.clone(), until_told(Script::default()));
    for times in 1..3 {
        let finish = b.engine.run().unwrap();
        assert!(matches!(finish, Finish::Stopped(ref why) if why.contains("refuses")), "{finish:?}");
        let begun = |event: &&Event| matches!(event, Event::Intended { step, way: Way::Apply, .. } if step.as_str() == "eyes");
        assert_eq!(events(&b.journal).iter().filter(begun).count(), times);
        let resume = Event::Commanded { what: "resume".into(), by: "anna".into() };
        let last = b.journal.read(&RunId::from("r"), Seq(0)).unwrap().last().unwrap().seq;
        b.journal.append(&RunId::from("r"), last, 0, &[resume], true).unwrap();
        b = over(failing.clone(), until_told(Script::default()), &b.journal, &b.world);
    }
}
