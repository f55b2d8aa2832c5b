//! The fault hooks, over a run in a simulated world: each does what it says, there and nowhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "common/plans.rs"]
mod plans;

use cutwater_core::describe::Undo;
use cutwater_core::event::{Event, Outcome};
use cutwater_core::names::{RunId, StepName};
use cutwater_core::plan::{Body, Plan};
use cutwater_driver::engine::{Engine, EngineError, Finish, Owner, Ports};
use cutwater_driver::faults::{Death, Fault, Planned, Point, Strike, What, hooked};
use cutwater_driver::ports::JournalError;
use cutwater_driver::simulate::{Jumping, Memory, Outputs, Remembering, Shape, Simulated, World};
use plans::{action, plan, step};
use std::sync::{Arc, Mutex};

fn first_then_second() -> Plan {
    plan(vec![
        step("first", action(Undo::Restores), &[], None),
        step("second", action(Undo::Restores), &["first"], None),
    ])
}

struct Bench {
    plan: Plan,
    script: Arc<Planned>,
    world: Arc<Mutex<World>>,
    journal: Arc<Memory>,
    deaths: Arc<Mutex<Vec<Death>>>,
}

impl Bench {
    fn new(plan: Plan, faults: Vec<Fault>) -> Self {
        let world = World::new(Arc::new(Shape::of(plan.clone())));
        Self {
            plan,
            script: Arc::new(Planned::new(faults)),
            world: Arc::new(Mutex::new(world)),
            journal: Arc::default(),
            deaths: Arc::default(),
        }
    }

    /// One life of an engine.
    fn live(&self) -> Result<Finish, EngineError> {
        let guard: Arc<Remembering> = Arc::default();
        let runner =
            Simulated::new(Arc::clone(&self.world), Arc::clone(&guard), Arc::new(Outputs::default()));
        let inner = Ports {
            journal: Arc::clone(&self.journal) as _,
            runner: Arc::new(runner),
            guard,
            clock: Arc::new(Jumping(Mutex::new(1_000_000))),
        };
        let deaths = Arc::clone(&self.deaths);
        let on_death = Arc::new(move |death| deaths.lock().unwrap().push(death));
        let ports = hooked(inner, Arc::clone(&self.script) as _, on_death);
        let owner = Owner { by: "test".into(), pid: 1, boot: "b".into(), no_wait: false, faults: true };
        let (id, new) = (RunId::from("r"), self.journal.records.lock().unwrap().is_empty());
        let mut engine = match new {
            true => Engine::create(ports, owner, id, self.plan.clone())?,
            false => Engine::resume(ports, owner, &id)?,
        };
        engine.run()
    }

    fn applies(&self, step: &str) -> u32 {
        self.world.lock().unwrap().applies.get(&StepName::from(step)).copied().unwrap_or(0)
    }

    fn is_applied(&self, step: &str) -> bool {
        self.world.lock().unwrap().applied.contains(&StepName::from(step))
    }

    fn saw(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.journal.records.lock().unwrap().iter().any(|record| wanted(&record.event))
    }
}

fn at(what: What, step: &str, strike: Strike) -> Vec<Fault> {
    vec![Fault::once(Point { what, step: Some(step.into()), nth: 1 }, strike)]
}

/// Sabotage: the answer passed on all the same; the call kept back though its effect is promised; the wrong step struck.
#[test]
fn an_answer_lost_after_the_effect_is_probed_and_not_done_again() {
    let bench = Bench::new(first_then_second(), at(What::Apply, "second", Strike::LostAfter));
    assert_eq!(bench.live().unwrap(), Finish::Over(Outcome::Done, String::new()));
    assert_eq!((bench.applies("first"), bench.applies("second")), (1, 1));
    let probed = |event: &Event| matches!(event, Event::Probed { step, .. } if step.as_str() == "second");
    assert!(bench.saw(probed));
}

/// Sabotage: the effect there though the answer was lost before it.
#[test]
fn an_answer_lost_before_the_effect_is_probed_and_done_once() {
    let bench = Bench::new(first_then_second(), at(What::Apply, "second", Strike::LostBefore));
    assert_eq!(bench.live().unwrap(), Finish::Over(Outcome::Done, String::new()));
    assert_eq!(bench.applies("second"), 1);
    assert!(bench.saw(|event| matches!(event, Event::Probed { .. })));
}

/// Sabotage: a repeated call made once; both of its answers passed on.
#[test]
fn a_repeated_call_is_made_twice_and_answers_once() {
    let bench = Bench::new(first_then_second(), at(What::Apply, "first", Strike::Twice));
    assert_eq!(bench.live().unwrap(), Finish::Over(Outcome::Done, String::new()));
    assert_eq!(bench.applies("first"), 2);
}

/// Sabotage: an undo that is refused for good struck once only.
#[test]
fn a_fault_strikes_as_often_in_a_row_as_it_is_said_to() {
    let undo = Point { what: What::Undo, step: Some("first".into()), nth: 1 };
    for (times, stuck) in [(2, false), (8, true)] {
        let mut faults = at(What::Apply, "second", Strike::Refused { again: false });
        faults.push(Fault { at: undo.clone(), strike: Strike::Refused { again: true }, times });
        let bench = Bench::new(first_then_second(), faults);
        let finish = bench.live().unwrap();
        assert_eq!(matches!(finish, Finish::Stopped(_)), stuck, "{finish:?}");
        assert_eq!(bench.is_applied("first"), stuck);
    }
}

/// Sabotage: half a step that is whole, or nothing of it.
#[test]
fn a_step_that_stops_part_way_leaves_a_part_that_is_undone() {
    let bench = Bench::new(first_then_second(), at(What::Apply, "second", Strike::PartWay { again: false }));
    assert!(matches!(bench.live().unwrap(), Finish::Over(Outcome::Undone, _)));
    assert!(bench.saw(|event| matches!(event, Event::Intended { step, way, .. }
        if step.as_str() == "second" && *way == cutwater_core::event::Way::Undo)));
    assert!(!bench.is_applied("first") && !bench.is_applied("second"));
}

/// Sabotage: `before` and `after` exchanged; an engine that appends on after its death; a death that nobody is told of.
#[test]
fn a_killed_engine_appends_nothing_more_and_the_next_one_goes_on() {
    for (strike, intended) in [(Strike::KilledBefore, false), (Strike::KilledAfter, true)] {
        let bench = Bench::new(first_then_second(), at(What::Append("intended"), "second", strike));
        assert!(matches!(bench.live(), Err(EngineError::Journal(JournalError::Storage(_)))));
        let intends =
            |event: &Event| matches!(event, Event::Intended { step, .. } if step.as_str() == "second");
        assert_eq!(bench.saw(intends), intended);
        assert_eq!(bench.applies("second"), 0, "it died before the effect");
        assert_eq!(*bench.deaths.lock().unwrap(), [Death::Killed]);
        assert_eq!(bench.live().unwrap(), Finish::Over(Outcome::Done, String::new()));
    }
}

/// Sabotage: an append that fails taken for written; one that comes twice written twice.
#[test]
fn an_append_that_fails_or_comes_twice_ends_the_engine_and_not_the_run() {
    for strike in [Strike::NotWritten, Strike::Repeated] {
        let bench = Bench::new(first_then_second(), at(What::Append("answered"), "first", strike));
        let ended = bench.live();
        match strike {
            Strike::NotWritten => {
                assert!(matches!(ended, Err(EngineError::Journal(JournalError::Storage(_)))))
            }
            _ => assert!(matches!(ended, Err(EngineError::Journal(JournalError::Lost { .. })))),
        }
        assert!(bench.deaths.lock().unwrap().is_empty(), "nobody was killed");
        assert_eq!(bench.live().unwrap(), Finish::Over(Outcome::Done, String::new()));
        assert_eq!(bench.applies("first"), 1);
    }
}

/// Sabotage: the engine that hung goes on when it wakes.
#[test]
fn an_engine_that_hung_while_the_guard_acted_has_lost_the_run() {
    let mut steps = vec![step("down", Body::Outage { limit_ms: 10_000 }, &[], None)];
    steps.push(step("stop", action(Undo::Restores), &[], Some("down")));
    let bench = Bench::new(plan(steps), at(What::Apply, "stop", Strike::GuardActs));
    assert!(matches!(bench.live(), Err(EngineError::Journal(JournalError::Lost { .. }))));
    assert_eq!(*bench.deaths.lock().unwrap(), [Death::TakenOver]);
    assert!(matches!(bench.live().unwrap(), Finish::Over(Outcome::Undone, _)));
}

/// Sabotage: a call that hangs answers by itself; its effect left out.
#[test]
fn a_call_that_hangs_is_told_to_stop_at_the_limit_and_what_it_did_is_undone() {
    let mut steps = vec![step("down", Body::Outage { limit_ms: 10_000 }, &[], None)];
    steps.push(step("stop", action(Undo::Restores), &[], Some("down")));
    let bench = Bench::new(plan(steps), at(What::Apply, "stop", Strike::Hangs));
    assert!(matches!(bench.live().unwrap(), Finish::Over(Outcome::Undone, _)));
    assert!(bench.saw(|event| matches!(event, Event::LimitPassed { .. })));
    assert_eq!((bench.applies("stop"), bench.is_applied("stop")), (1, false));
}

/// Sabotage: the drifted preview not compared with the plan.
#[test]
fn a_step_that_shows_something_else_than_the_plan_is_refused_before_its_intent() {
    let bench = Bench::new(first_then_second(), at(What::Preview, "second", Strike::Drifted));
    assert!(matches!(bench.live().unwrap(), Finish::Over(Outcome::Undone, _)));
    assert_eq!(bench.applies("second"), 0);
}
