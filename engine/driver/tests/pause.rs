//! `on-failure: pause`: what was open is given back, a person goes on or undoes the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "common/bench.rs"]
mod bench;
mod common;

use bench::{Bench, Script, events, over, staged};
use common::plans::{action, plan, step};
use cutwater_core::describe::Undo;
use cutwater_core::event::{Event, Outcome, Record, Way};
use cutwater_core::names::Seq;
use cutwater_core::plan::{Body, OnFailure, Plan};
use cutwater_core::state::{Phase, RunState};
use cutwater_driver::engine::Finish;
use cutwater_driver::ports::{Journal, Watcher};
use cutwater_driver::simulate::Memory;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An outage with a comparison, a hold and the mark in it, to which a person agrees.
fn paused() -> Plan {
    let hold = Body::Hold { plugin: "test".into(), action: "hold".into(), limit_ms: 10_000, carries: false };
    let look = Body::Check { plugin: "test".into(), action: "look".into() };
    let ask = Body::Approve { message: "go?".into(), by: vec![], expires_ms: None };
    let mut cross = step("cross", action(Undo::None), &["late"], Some("down"));
    cross.mark = true;
    let mut plan = plan(vec![
        step("before", action(Undo::Restores), &[], None),
        step("aside", action(Undo::Restores), &[], None),
        step("agree", ask, &["before"], None),
        step("down", Body::Outage { limit_ms: 10_000 }, &["agree", "aside"], None),
        step("stop", action(Undo::Restores), &[], Some("down")),
        step("held", hold, &["stop"], Some("down")),
        step("copy", action(Undo::Restores), &[], Some("held")),
        step("same", look, &["held"], Some("down")),
        step("kept", action(Undo::None), &["same"], Some("down")),
        step("late", action(Undo::Restores), &["kept"], Some("down")),
        cross,
    ]);
    plan.on_failure = OnFailure::Pause;
    plan
}

fn state(journal: &Memory) -> RunState {
    RunState::fold(&journal.read(&"r".into(), Seq(0)).unwrap()).unwrap()
}

fn commanded(journal: &Memory, what: &str) {
    let seq = state(journal).seq;
    let event = Event::Commanded { what: what.into(), by: "anna".into() };
    journal.append(&"r".into(), seq, 2_000_000, &[event], true).unwrap();
}

fn stops_paused(b: &mut Bench) {
    b.engine.watch(Box::new(SaysYes(b.engine.inbox()))).unwrap();
    let finish = b.engine.run().unwrap();
    assert!(
        matches!(finish, Finish::Stopped(ref why) if why.contains("paused after a failure")),
        "{finish:?}"
    );
}

fn agreed(mut b: Bench) -> Bench {
    b.engine.watch(Box::new(SaysYes(b.engine.inbox()))).unwrap();
    b
}

fn asked(b: &Bench, verb: &str) -> Vec<String> {
    let asked = b.staged.asked.lock().unwrap();
    asked.iter().filter_map(|asked| asked.strip_prefix(verb).map(|step| step.trim().to_owned())).collect()
}

struct SaysYes(std::sync::mpsc::Sender<cutwater_driver::ports::Input>);

impl Watcher for SaysYes {
    fn see(&mut self, record: &Record) {
        if matches!(record.event, Event::Asked { .. }) {
            let approve = cutwater_driver::ports::Command::Approve {
                step: None,
                by: "anna".into(),
                roles: vec![],
                plan: "0123456789abcdef".into(),
            };
            let command = cutwater_driver::ports::Input::Command(approve, std::sync::mpsc::channel().0);
            self.0.send(command).unwrap();
        }
    }
}

/// Sabotage: only what was undone begun anew (the comparison, the step without a way back, the hold and the outage's own
/// beginning would be those of the first; so would the person's yes); steps before the outage done again.
#[test]
fn a_person_goes_on_and_everything_inside_the_outage_is_done_anew() {
    let mut b = staged(paused(), Script { endless: vec!["late".into()], ..Script::default() });
    stops_paused(&mut b);
    // Without a person's word whoever takes the run up stops at the same place.
    let mut again = over(paused(), Script::default(), &b.journal, &b.world);
    stops_paused(&mut again);
    assert_eq!(asked(&again, "apply"), Vec::<String>::new());

    commanded(&b.journal, "resume");
    let now = 900_000_000;
    let mut b = agreed(over(paused(), Script { now, ..Script::default() }, &b.journal, &b.world));
    assert_eq!(b.engine.run().unwrap(), Finish::Over(Outcome::Done, String::new()));
    assert_eq!(asked(&b, "apply"), ["stop", "copy", "same", "kept", "late", "cross"]);
    assert_eq!(asked(&b, "take"), ["held"]);
    let yes = |event: &&Event| matches!(event, Event::Approved { .. });
    assert_eq!(events(&b.journal).iter().filter(yes).count(), 2);
    let began = |event: &&Event| matches!(event, Event::OutageBegan { .. });
    assert_eq!(events(&b.journal).iter().filter(began).count(), 2);
    let ended = events(&b.journal).into_iter().find_map(|event| match event {
        Event::OutageEnded { downtime_ms, .. } if downtime_ms > 100_000_000 => Some(downtime_ms),
        _ => None,
    });
    assert_eq!(ended, None, "the outage's time is that of the first");
}

/// Sabotage: a word to go on that breaks off a way back which an engine's death left half-way.
#[test]
fn a_way_back_that_is_not_over_is_not_broken_off() {
    struct Dies(Arc<Memory>);
    impl Watcher for Dies {
        fn see(&mut self, record: &Record) {
            if matches!(&record.event, Event::Intended { way: Way::Undo, .. }) {
                self.0.append(&"r".into(), record.seq, record.at, &[], true).unwrap();
                let used = Event::GuardActed { what: serde_json::json!({}) };
                self.0.append(&"r".into(), record.seq, record.at, &[used], true).unwrap();
            }
        }
    }
    let mut b = staged(paused(), Script { endless: vec!["late".into()], ..Script::default() });
    let dies = Dies(Arc::clone(&b.journal));
    b.engine.watch(Box::new(dies)).unwrap();
    let mut b = agreed(b);
    b.engine.run().unwrap_err();
    assert!(!state(&b.journal).waits_after_a_failure());
    commanded(&b.journal, "resume");
    assert!(matches!(state(&b.journal).phase, Phase::Back { only: Some(_) }));
    let mut b = over(paused(), Script::default(), &b.journal, &b.world);
    stops_paused(&mut b);
    let left: BTreeSet<String> = b.world.lock().unwrap().applied.iter().map(ToString::to_string).collect();
    assert_eq!(left, ["aside", "before", "kept"].map(str::to_owned).into());
}

/// Sabotage: an abort that waits behind the step which cannot be undone.
#[test]
fn an_abort_undoes_the_rest_although_something_inside_cannot_be_undone() {
    let script = || Script { undo_fails: ["stop".to_owned()].into(), ..Script::default() };
    let mut b = agreed(staged(paused(), Script { endless: vec!["late".into()], ..script() }));
    let finish = b.engine.run().unwrap();
    assert!(
        matches!(finish, Finish::Stopped(ref why) if why.contains("`stop` needs a person")),
        "{finish:?}"
    );
    // A plan where `aside` stands for itself.
    let mut plan = paused();
    plan.steps[3].needs.retain(|need| need.as_str() == "agree");
    let mut b = agreed(staged(plan.clone(), Script { endless: vec!["late".into()], ..script() }));
    b.engine.run().unwrap();
    commanded(&b.journal, "abort");
    let mut b = over(plan, script(), &b.journal, &b.world);
    let finish = b.engine.run().unwrap();
    assert!(
        matches!(finish, Finish::Stopped(ref why) if why.contains("`stop` needs a person")),
        "{finish:?}"
    );
    assert_eq!(asked(&b, "undo").iter().filter(|step| *step == "aside").count(), 1);
}

/// Sabotage: the first pass of a copy counted as done although the way back of the later pass took it away.
#[test]
fn what_the_way_back_of_a_later_pass_takes_away_is_done_anew_too() {
    let discards = || action(Undo::Discards);
    let mut steps = paused().steps;
    for (name, place) in [("before", 0), ("late", 9)] {
        assert_eq!(steps[place].name.as_str(), name);
        steps[place].body = discards();
    }
    let mut plan = plan(steps);
    plan.on_failure = OnFailure::Pause;
    for (endless, again) in [("cross", true), ("stop", false)] {
        let script = Script { endless: vec![endless.into()], ..Script::default() };
        plan.steps[10].mark = false;
        let mut b = staged(plan.clone(), script);
        stops_paused(&mut b);
        assert_eq!(asked(&b, "undo").contains(&"before".to_owned()), again, "{endless}");
        commanded(&b.journal, "resume");
        let mut b = agreed(over(plan.clone(), Script::default(), &b.journal, &b.world));
        assert_eq!(b.engine.run().unwrap(), Finish::Over(Outcome::Done, String::new()));
        assert_eq!(asked(&b, "apply").contains(&"before".to_owned()), again, "{endless}");
    }
}

/// Sabotage: the outage kept open until its limit by a step of which nobody can tell, or the person told only then.
#[test]
fn what_nobody_can_tell_inside_an_outage_turns_the_run_back_at_once() {
    let mut plan = paused();
    plan.on_failure = OnFailure::Undo;
    let mut b = agreed(staged(plan, Script { unclear: ["late".to_owned()].into(), ..Script::default() }));
    let finish = b.engine.run().unwrap();
    assert!(
        matches!(finish, Finish::Stopped(ref why) if why.contains("`late` needs a person")),
        "{finish:?}"
    );
    let events = events(&b.journal);
    let turned =
        |event: &Event| matches!(event, Event::TurnedBack { because, .. } if because.contains("not known"));
    assert!(events.iter().any(turned));
    assert!(!events.iter().any(|event| matches!(event, Event::LimitPassed { .. })));
}

/// Sabotage: a pause that ends with the engine which heard it.
#[test]
fn a_pause_outlives_its_engine() {
    let mut b = staged(paused(), Script { no_wait: true, ..Script::default() });
    bench::when(&mut b, "intended", "before", cutwater_driver::ports::Command::Pause { by: "anna".into() });
    assert!(matches!(b.engine.run().unwrap(), Finish::Waiting(ref what) if what.contains("paused")));
    let mut b = over(paused(), Script { no_wait: true, ..Script::default() }, &b.journal, &b.world);
    assert!(matches!(b.engine.run().unwrap(), Finish::Waiting(ref what) if what.contains("paused")));
    commanded(&b.journal, "resume");
    let mut b = agreed(over(paused(), Script::default(), &b.journal, &b.world));
    assert_eq!(b.engine.run().unwrap(), Finish::Over(Outcome::Done, String::new()));
}
