//! The promises in their core forms, over random plans, random faults and an engine that is killed at random appends.
//! Each case has a seed; `CUTWATER_SEED=n` runs that one alone, `CUTWATER_CASES=n` so many, from `CUTWATER_FROM=n` on. Seeds
//! that once found a defect are kept below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod common;
#[path = "common/random.rs"]
mod random;

use common::ports::{Faults, Jumping, Memory, Remembering, Scripted};
use common::world::{Dice, World};
use cutwater_core::event::{Event, Outcome, Record};
use cutwater_core::names::RunId;
use cutwater_core::plan::{Body, Plan};
use cutwater_driver::engine::{Engine, EngineError, Finish, Owner, Ports};
use cutwater_driver::ports::{Command, Input, Watcher};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

/// Seeds of past failures.
const KEPT: &[u64] = &[864, 9_872, 14_362];

struct SaysYes(Sender<Input>, String);

impl Watcher for SaysYes {
    fn see(&mut self, record: &Record) {
        if let Event::Asked { step, .. } = &record.event {
            let approve = Command::Approve {
                step: Some(step.clone()),
                by: "test".into(),
                roles: Vec::new(),
                plan: self.1.clone(),
            };
            self.0.send(Input::Command(approve, channel().0)).unwrap();
        }
    }
}

struct Case {
    plan: Plan,
    world: Arc<Mutex<World>>,
    journal: Arc<Memory>,
    clock: Arc<Jumping>,
    dice: Dice,
    faults: Faults,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let faults =
            Faults { step: [0, 4, 12][dice.below(3) as usize], undo: [0, 0, 6][dice.below(3) as usize] };
        Self {
            plan: random::random(&mut dice),
            world: Arc::default(),
            journal: Arc::default(),
            clock: Arc::new(Jumping(Mutex::new(1_000_000))),
            dice,
            faults,
        }
    }

    fn ports(&mut self) -> Ports {
        let guard = Arc::new(Remembering::default());
        let runner = Scripted {
            plan: self.plan.clone(),
            world: Arc::clone(&self.world),
            guard: Arc::clone(&guard),
            dice: Mutex::new(Dice::new(self.dice.roll())),
            faults: self.faults,
            holds: Mutex::default(),
            endless: Vec::new(),
            refuses: Vec::new(),
            waiting: Mutex::default(),
        };
        Ports {
            journal: Arc::clone(&self.journal) as _,
            runner: Arc::new(runner),
            guard,
            clock: Arc::clone(&self.clock) as _,
        }
    }

    /// Runs to an end, killed up to `kills` times on the way.
    fn run(&mut self, kills: u32) -> Result<Finish, String> {
        let owner = Owner { by: "test".into(), pid: 1, boot: "b".into(), no_wait: false, faults: false };
        let id = RunId::from("r");
        for life in 0..=kills + 6 {
            let ports = self.ports();
            let so_far = *self.journal.appends.lock().unwrap();
            let dies = (life < kills).then(|| (so_far + 1 + self.dice.below(12), self.dice.one_in(2)));
            *self.journal.dies.lock().unwrap() = dies;
            let empty = self.journal.records.lock().unwrap().is_empty();
            let engine = match empty {
                true => Engine::create(ports, owner.clone(), id.clone(), self.plan.clone()),
                false => Engine::resume(ports, owner.clone(), &id),
            };
            let mut engine = match engine {
                Ok(engine) => engine,
                Err(EngineError::Journal(_)) => continue,
                Err(EngineError::Over(_)) => return self.over(),
                Err(error) => return Err(error.to_string()),
            };
            let yes = SaysYes(engine.inbox(), self.plan.hash.clone());
            engine.watch(Box::new(yes)).map_err(|e| e.to_string())?;
            match engine.run() {
                Ok(Finish::Stopped(why) | Finish::CutOver(why)) => {
                    self.settled_enough(&why)?;
                    self.faults = Faults { step: 0, undo: 0 };
                }
                Ok(finish) => return Ok(finish),
                Err(EngineError::Journal(_)) => self.mark_lost_answers(),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("it never came to an end".into())
    }

    fn over(&self) -> Result<Finish, String> {
        let records = self.journal.records.lock().unwrap();
        match records.last().map(|r| &r.event) {
            Some(Event::Ended { outcome, because }) => Ok(Finish::Over(*outcome, because.clone())),
            other => Err(format!("over, but the last event is {other:?}")),
        }
    }

    /// After a kill every attempt without a durable answer is in doubt: applying it again without a probe is blind.
    fn mark_lost_answers(&self) {
        let records = self.journal.records.lock().unwrap();
        let state = cutwater_core::state::RunState::fold(&records);
        let Ok(state) = state else { return };
        let mut world = self.world.lock().unwrap();
        for (planned, step) in state.plan.steps.iter().zip(&state.steps) {
            let action = matches!(planned.body, Body::Action { .. });
            if action && step.status.in_flight() {
                world.in_doubt.insert(planned.name.to_string());
            }
        }
    }

    /// Where a run stops for a person nothing may be held all the same.
    fn settled_enough(&self, why: &str) -> Result<(), String> {
        let world = self.world.lock().unwrap();
        let stuck_hold = why.contains("giving");
        if !world.held.is_empty() && !stuck_hold {
            return Err(format!("stopped for a person ({why}) with {:?} held", world.held));
        }
        Ok(())
    }

    fn judge(&self, finish: &Finish) -> Result<(), String> {
        let world = self.world.lock().unwrap();
        if let Some(broken) = world.broken.first() {
            return Err(broken.clone());
        }
        if let Some(step) = world.undone_behind_the_mark.first() {
            return Err(format!("{step} was undone behind the mark"));
        }
        if !world.held.is_empty() {
            return Err(format!("{:?} is still held", world.held));
        }
        let actions = || self.plan.steps.iter().filter(|s| matches!(s.body, Body::Action { .. }));
        match finish {
            Finish::Over(Outcome::Done, _) => {
                match actions().find(|s| !world.applied.contains(s.name.as_str())) {
                    Some(step) => Err(format!("done, but {} is not in effect", step.name)),
                    None => Ok(()),
                }
            }
            Finish::Over(Outcome::Undone, _) if !world.applied.is_empty() => {
                Err(format!("undone, but {:?} is in effect", world.applied))
            }
            Finish::Over(Outcome::Undone, _) => Ok(()),
            other => Err(format!("an end that no plan of these has: {other:?}")),
        }
    }
}

fn try_seed(seed: u64, counts: &mut [u32; 3]) {
    let mut case = Case::new(seed);
    let kills = case.dice.below(4) as u32;
    let result = case.run(kills).and_then(|finish| case.judge(&finish).map(|()| finish));
    match result {
        Ok(Finish::Over(Outcome::Done, _)) => counts[0] += 1,
        Ok(Finish::Over(Outcome::Undone, _)) => counts[1] += 1,
        Ok(_) => counts[2] += 1,
        Err(why) => {
            for record in case.journal.records.lock().unwrap().iter().skip(1) {
                eprintln!("{:>4} {}", record.seq.0, serde_json::to_string(&record.event).unwrap());
            }
            let plan: Vec<String> = case
                .plan
                .steps
                .iter()
                .map(|s| format!("{} needs {:?} in {:?}", s.name, s.needs, s.within))
                .collect();
            panic!("CUTWATER_SEED={seed}: {why}\n{}", plan.join("\n"));
        }
    }
}

/// A number of the environment. A word that is none must not pass for the default: fewer cases than asked for would run.
fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn every_applied_step_is_committed_or_undone_whatever_fails_and_whenever_the_engine_is_killed() {
    let mut counts = [0; 3];
    if let Some(seed) = asked("CUTWATER_SEED") {
        return try_seed(seed, &mut counts);
    }
    let cases = asked("CUTWATER_CASES").unwrap_or(3_000);
    let from = asked("CUTWATER_FROM").unwrap_or(1);
    KEPT.iter().copied().chain(from..from + cases).for_each(|seed| try_seed(seed, &mut counts));
    println!("{cases} cases from {from}: {} done, {} undone, {} other", counts[0], counts[1], counts[2]);
    assert!(
        counts[0] > cases as u32 / 10 && counts[1] > cases as u32 / 10,
        "the dice are loaded: {counts:?}"
    );
}
