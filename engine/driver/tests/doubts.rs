//! What is done, and what is not, while something is in doubt: programs that outlive their engine, undos that fail, holds
//! around the mark.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "common/bench.rs"]
mod bench;
mod common;

use bench::{Bench, Script, events, outage_with, over, staged};
use common::plans::{action, plan, step};
use cutwater_core::describe::Undo;
use cutwater_core::event::{Event, Outcome, Record, Way};
use cutwater_core::names::StepName;
use cutwater_core::plan::{Body, Plan};
use cutwater_driver::engine::Finish;
use cutwater_driver::ports::{Journal, Watcher};
use serde_json::json;
use std::sync::Arc;

fn names(steps: &[&str]) -> std::collections::BTreeSet<String> {
    steps.iter().map(|step| (*step).to_owned()).collect()
}

/// `base`, then `left` and `right` side by side, then one that refuses.
fn forked() -> Plan {
    plan(vec![
        step("base", action(Undo::Restores), &[], None),
        step("left", action(Undo::Restores), &["base"], None),
        step("right", action(Undo::Restores), &["base"], None),
        step("refuses", action(Undo::Restores), &["left", "right"], None),
    ])
}

fn undone(bench: &Bench) -> Vec<String> {
    let asked = bench.staged.asked.lock().unwrap();
    asked.iter().filter_map(|asked| asked.strip_prefix("undo ").map(str::to_owned)).collect()
}

/// Sabotage: an undo given up at once; one tried for ever; the others left where they are behind one that is stuck; what
/// came before it taken back under it.
#[test]
fn an_undo_that_fails_is_tried_again_then_left_to_a_person_while_every_other_goes_on() {
    let mut b = staged(forked(), Script { undo_fails: names(&["left"]), ..Script::default() });
    let finish = b.engine.run().unwrap();
    assert!(
        matches!(finish, Finish::Stopped(ref why) if why.contains("`left`") && why.contains("in use")),
        "{finish:?}"
    );
    let undone = undone(&b);
    assert_eq!(undone.iter().filter(|step| *step == "left").count(), 4, "{undone:?}");
    assert!(undone.contains(&"right".to_owned()), "{undone:?}");
    let applied: std::collections::BTreeSet<String> =
        b.world.lock().unwrap().applied.iter().map(ToString::to_string).collect();
    assert_eq!(applied, names(&["base", "left"]), "`left` stands on `base`");
    let stuck = |event: &Event| matches!(event, Event::Stuck { step, .. } if step.as_str() == "left");
    assert_eq!(events(&b.journal).iter().filter(|event| stuck(event)).count(), 1);

    // The cause is mended, and somebody takes the run up.
    let mut b = over(forked(), Script::default(), &b.journal, &b.world);
    assert!(matches!(b.engine.run().unwrap(), Finish::Over(Outcome::Undone, _)));
    assert!(b.world.lock().unwrap().applied.is_empty());
}

/// Sabotage: undos one after the other (neither of the two ever answers: the run stands still and the test with it).
#[test]
fn undos_that_need_not_wait_for_one_another_are_under_way_together() {
    let mut b = staged(forked(), Script { undone_together: names(&["left", "right"]), ..Script::default() });
    assert!(matches!(b.engine.run().unwrap(), Finish::Over(Outcome::Undone, _)));
    assert_eq!(undone(&b).last().unwrap(), "base");
}

/// A program is noted, and then the engine is as good as killed: the run's next append fails.
struct DiesIn(&'static str, Arc<cutwater_driver::simulate::Memory>);

impl Watcher for DiesIn {
    fn see(&mut self, record: &Record) {
        if let Event::Intended { step, .. } = &record.event
            && step.as_str() == self.0
        {
            let used = Event::Used {
                step: StepName::from(self.0),
                what: json!({ "capability": "run", "program": "lvcreate", "pid": 7, "start": 1, "boot": "b" }),
            };
            self.1.append(&"r".into(), record.seq, record.at, &[used], true).unwrap();
        }
    }
}

/// Sabotage: the probe made while the program of the dead engine runs; programs asked for at the probe alone, not before
/// an undo.
#[test]
fn nothing_is_done_to_a_step_while_a_program_that_a_dead_engine_started_runs() {
    let mut b = staged(forked(), Script::default());
    let dies = DiesIn("left", Arc::clone(&b.journal));
    b.engine.watch(Box::new(dies)).unwrap();
    b.engine.run().unwrap_err();
    let mut b = over(forked(), Script { runs_still: 3, ..Script::default() }, &b.journal, &b.world);
    assert!(matches!(b.engine.run().unwrap(), Finish::Over(Outcome::Undone, _)));
    let asked = b.staged.asked.lock().unwrap().clone();
    let looked = asked.iter().filter(|asked| *asked == "runs still?").count();
    assert!(looked >= 4, "{asked:?}");
    let fourth = asked.iter().enumerate().filter(|(_, a)| *a == "runs still?").nth(3).unwrap().0;
    let touched = asked.iter().position(|asked| asked.ends_with(" left")).unwrap();
    assert!(fourth < touched, "{asked:?}");
    assert_eq!(asked[touched], "probe left", "{asked:?}");
    let told = |event: &Event| matches!(event, Event::Said { text, .. } if text.contains("process 7") && text.contains("kill -- -7"));
    assert_eq!(events(&b.journal).iter().filter(|event| told(event)).count(), 1);
}

/// Sabotage: a person's word taken while the program still runs.
#[test]
fn what_a_running_program_may_still_do_is_not_settled() {
    let mut b = staged(forked(), Script::default());
    let dies = DiesIn("left", Arc::clone(&b.journal));
    b.engine.watch(Box::new(dies)).unwrap();
    b.engine.run().unwrap_err();
    let mut b = over(forked(), Script { runs_still: 3, ..Script::default() }, &b.journal, &b.world);
    let settle = cutwater_driver::ports::Command::Settle {
        step: "left".into(),
        applied: false,
        by: "anna".into(),
        because: "it hangs".into(),
    };
    let answers = bench::when(&mut b, "said", "left", settle);
    assert!(matches!(b.engine.run().unwrap(), Finish::Over(Outcome::Undone, _)));
    let answer = answers.recv().unwrap().unwrap_err();
    assert!(answer.contains("`lvcreate`, process 7"), "{answer}");
}

/// Sabotage: the guard not told, which then takes the run over again and again.
#[test]
fn on_the_way_back_the_guard_hears_that_a_program_is_waited_for() {
    let plan = || outage_with(&["left", "refuses"], false);
    let mut b = staged(plan(), Script::default());
    let dies = DiesIn("left", Arc::clone(&b.journal));
    b.engine.watch(Box::new(dies)).unwrap();
    b.engine.run().unwrap_err();
    let mut b = over(plan(), Script { runs_still: 100, ..Script::default() }, &b.journal, &b.world);
    assert!(matches!(b.engine.run().unwrap(), Finish::Over(Outcome::Undone, _)));
    // Half a second from one look to the next, a word each second.
    assert!(*b.covers.lock().unwrap() >= 40);
}

/// Sabotage: an undo of a step that failed by its own word, begun while its program still runs.
#[test]
fn a_failed_step_is_not_undone_while_its_program_runs() {
    let mut plan = forked();
    plan.steps.truncate(2);
    let script = || Script { endless: vec!["left".into()], runs_still: 3, ..Script::default() };
    let mut b = staged(plan, script());
    // The program is noted as the host does it, through the loop.
    struct Starts(std::sync::mpsc::Sender<cutwater_driver::ports::Input>);
    impl Watcher for Starts {
        fn see(&mut self, record: &Record) {
            if let Event::Intended { step, way: Way::Apply, .. } = &record.event
                && step.as_str() == "left"
            {
                let what =
                    json!({ "capability": "run", "program": "lvcreate", "pid": 7, "start": 1, "boot": "b" });
                let call = cutwater_driver::ports::CallId(2);
                self.0.send(cutwater_driver::ports::Report::Used { call, what, reply: None }).unwrap();
            }
        }
    }
    let starts = Starts(b.engine.inbox());
    b.engine.watch(Box::new(starts)).unwrap();
    let abort = cutwater_driver::ports::Command::Abort { by: "anna".into() };
    bench::when(&mut b, "used", "left", abort);
    assert!(matches!(b.engine.run().unwrap(), Finish::Over(Outcome::Undone, _)));
    let asked = b.staged.asked.lock().unwrap().clone();
    let fourth = asked.iter().enumerate().filter(|(_, a)| *a == "runs still?").nth(3).unwrap().0;
    let undo = asked.iter().position(|asked| asked == "undo left").unwrap();
    assert!(fourth < undo, "{asked:?}");
}

/// Beside the outage a hold, whose inner step ends only when the mark's step begins.
fn held_beside(inner: &str) -> Plan {
    let mut plan = outage_with(&["stop", "cross"], true);
    let hold = Body::Hold { plugin: "test".into(), action: "hold".into(), limit_ms: 60_000, carries: false };
    plan.steps.push(step("held", hold, &[], None));
    plan.steps.push(step(inner, action(Undo::None), &[], Some("held")));
    plan
}

fn place(bench: &Bench, wanted: impl Fn(&Event) -> bool) -> Option<usize> {
    events(&bench.journal).iter().position(wanted)
}

/// Sabotage: the mark crossed without a word of the hold beside it; the round's answer not waited for.
#[test]
fn the_mark_is_crossed_only_when_every_live_hold_has_said_that_it_is_unbroken() {
    for broken in [false, true] {
        let answers_after = [("inner".to_owned(), "cross".to_owned())].into();
        let mut b = staged(held_beside("inner"), Script { answers_after, broken, ..Script::default() });
        // A hold that breaks is released first; its inner step then never hears of the mark and is told to stop.
        let crossed = |event: &Event| matches!(event, Event::Crossed { .. });
        if broken {
            b.engine.watch(Box::new(LeavesOnce(b.engine.inbox()))).unwrap();
            let finish = b.engine.run().unwrap();
            assert_eq!(place(&b, crossed), None, "{finish:?}");
            let says = |event: &Event| matches!(event, Event::HoldBroken { .. });
            assert!(place(&b, says).is_some(), "nobody asked the hold");
            continue;
        }
        assert_eq!(b.engine.run().unwrap(), Finish::Over(Outcome::Done, String::new()));
        let asked = b.staged.asked.lock().unwrap().clone();
        let intact = asked.iter().rposition(|asked| asked == "apply cross").unwrap();
        assert!(asked[..intact].contains(&"intact".to_owned()), "{asked:?}");
    }
}

/// Leaves the run once it turns back.
struct LeavesOnce(std::sync::mpsc::Sender<cutwater_driver::ports::Input>);

impl Watcher for LeavesOnce {
    fn see(&mut self, record: &Record) {
        if matches!(record.event, Event::TurnedBack { .. }) {
            let (reply, _) = std::sync::mpsc::channel();
            let quit = cutwater_driver::ports::Command::Quit;
            self.0.send(cutwater_driver::ports::Input::Command(quit, reply)).unwrap();
        }
    }
}

/// Sabotage: the limits of holds no longer looked at behind the mark.
#[test]
fn behind_the_mark_a_hold_is_still_given_back_at_its_limit() {
    let mut b = staged(held_beside("slow"), Script { endless: vec!["slow".into()], ..Script::default() });
    b.engine.watch(Box::new(LeavesWhenReleased(b.engine.inbox()))).unwrap();
    assert_eq!(b.engine.run().unwrap(), Finish::Left);
    assert!(place(&b, |event| matches!(event, Event::Crossed { .. })).is_some());
    assert!(b.world.lock().unwrap().held.is_empty(), "it is still held");
}

struct LeavesWhenReleased(std::sync::mpsc::Sender<cutwater_driver::ports::Input>);

impl Watcher for LeavesWhenReleased {
    fn see(&mut self, record: &Record) {
        let released = matches!(&record.event, Event::Answered { way: Way::Release, .. });
        if released || record.seq.0 > 500 {
            let (reply, _) = std::sync::mpsc::channel();
            let quit = cutwater_driver::ports::Command::Quit;
            // More than one may be sent; the loop ends with the first.
            let _ = self.0.send(cutwater_driver::ports::Input::Command(quit, reply));
        }
    }
}
