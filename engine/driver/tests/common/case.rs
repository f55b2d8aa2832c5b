//! One random plan with random faults, run to its end through engines that are killed, and judged. It must not know
//! which promise is meant.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use crate::chance::{Chance, Faults, Sabotage};
use crate::dice::Dice;
use crate::random;
use cutwater_core::event::{Event, Outcome, Record, Way};
use cutwater_core::names::{RunId, StepName};
use cutwater_core::plan::{Body, OnFailure};
use cutwater_core::state::RunState;
use cutwater_driver::engine::{Engine, EngineError, Finish, Owner, Ports};
use cutwater_driver::faults::hooked;
use cutwater_driver::ports::{Command, Input, Journal, Watcher};
use cutwater_driver::simulate::{
    Blame, Jumping, Memory, Outputs, Remembering, Shape, Simulated, World, blind_repeats,
};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

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

pub struct Case {
    pub shape: Arc<Shape>,
    world: Arc<Mutex<World>>,
    pub journal: Arc<Memory>,
    clock: Arc<Jumping>,
    pub dice: Dice,
    faults: Faults,
    rehearsal: Option<bool>,
    /// What a person says to a run that paused after a failure.
    says: &'static str,
    pub sabotage: Option<Sabotage>,
}

impl Case {
    pub fn new(seed: u64, rehearsal: Option<bool>) -> Self {
        let mut dice = Dice::new(seed);
        let faults =
            Faults { step: [0, 4, 12][dice.below(3) as usize], undo: [0, 0, 6][dice.below(3) as usize] };
        let mut plan = random::random(&mut dice);
        // Dice of their own: what the seeds of past failures meant stays what it was.
        let mut person = Dice::new(!seed);
        if rehearsal.is_none() && person.one_in(4) {
            plan.on_failure = OnFailure::Pause;
        }
        if Dice::new(seed.rotate_left(32)).one_in(3) {
            random::one_at_a_time(&mut plan);
        }
        let shape = Arc::new(Shape::of(plan));
        Self {
            world: Arc::new(Mutex::new(World::new(Arc::clone(&shape)))),
            shape,
            journal: Arc::default(),
            clock: Arc::new(Jumping(Mutex::new(1_000_000))),
            dice,
            faults,
            rehearsal,
            says: if person.one_in(3) { "abort" } else { "resume" },
            sabotage: None,
        }
    }

    fn ports(&mut self, dice: Dice, dies: Option<(u64, bool)>) -> Ports {
        let guard: Arc<Remembering> = Arc::default();
        let runner =
            Simulated::new(Arc::clone(&self.world), Arc::clone(&guard), Arc::new(Outputs::default()));
        let inner = Ports {
            journal: Arc::clone(&self.journal) as _,
            runner: Arc::new(runner),
            guard,
            clock: Arc::clone(&self.clock) as _,
        };
        let script = Chance {
            plan: self.shape.plan.clone(),
            faults: self.faults,
            dice: Mutex::new(dice),
            dies,
            appends: Mutex::default(),
            sabotage: self.sabotage,
        };
        let journal = Arc::clone(&self.journal);
        hooked(inner, Arc::new(script), Arc::new(move |_| journal.cut_power()))
    }

    /// Runs to an end, killed up to `kills` times on the way.
    pub fn run(&mut self, kills: u32) -> Result<Finish, String> {
        let owner = Owner { by: "test".into(), pid: 1, boot: "b".into(), no_wait: false, faults: false };
        let id = RunId::from("r");
        for life in 0..=kills + 8 {
            let dice = Dice::new(self.dice.roll());
            let dies = (life < kills).then(|| (1 + self.dice.below(12), self.dice.one_in(2)));
            let ports = self.ports(dice, dies);
            let empty = self.journal.records.lock().unwrap().is_empty();
            let plan = self.shape.plan.clone();
            let engine = match (empty, self.rehearsal) {
                (true, None) => Engine::create(ports, owner.clone(), id.clone(), plan),
                (true, Some(outage)) => Engine::rehearse(ports, owner.clone(), id.clone(), plan, outage),
                (false, _) => Engine::resume(ports, owner.clone(), &id),
            };
            let mut engine = match engine {
                Ok(engine) => engine,
                Err(EngineError::Journal(_)) => continue,
                Err(EngineError::Over(_)) => return self.over(),
                Err(error) => return Err(error.to_string()),
            };
            let yes = SaysYes(engine.inbox(), self.shape.plan.hash.clone());
            match engine.watch(Box::new(yes)).and_then(|()| engine.run()) {
                Ok(Finish::Stopped(why) | Finish::CutOver(why)) => {
                    self.settled_enough(&why)?;
                    // The second time, too, something may fail; then the person has mended it all.
                    if !self.person()? || life > kills + 2 {
                        self.faults = Faults { step: 0, undo: 0 };
                    }
                }
                Ok(finish) => return Ok(finish),
                Err(EngineError::Journal(_)) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("it never came to an end".into())
    }

    /// Whoever looks after a run that paused after a failure says one word; false: there is nothing to say.
    fn person(&self) -> Result<bool, String> {
        let (run, records) = (RunId::from("r"), self.journal.records.lock().unwrap().clone());
        let state = RunState::fold(&records).map_err(|error| error.to_string())?;
        let waits = state.waits_after_a_failure();
        if waits {
            let word = Event::Commanded { what: self.says.into(), by: "test".into() };
            let at = records.last().map_or(0, |record| record.at);
            self.journal.append(&run, state.seq, at, &[word], true).map_err(|error| error.to_string())?;
        }
        Ok(waits)
    }

    fn over(&self) -> Result<Finish, String> {
        let records = self.journal.records.lock().unwrap();
        match records.last().map(|r| &r.event) {
            Some(Event::Ended { outcome, because }) => Ok(Finish::Over(*outcome, because.clone())),
            other => Err(format!("over, but the last event is {other:?}")),
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

    /// What counts of a hold or outage was done while it was open for the last time.
    fn all_of_one_opening(&self) -> Result<(), String> {
        let records = self.journal.records.lock().unwrap();
        let last = |name: &StepName| {
            records.iter().rev().find_map(|record| match &record.event {
                Event::Intended { step, way: Way::Apply, .. }
                | Event::OutageBegan { step }
                | Event::Asked { step, .. }
                    if step == name =>
                {
                    Some(record.seq)
                }
                _ => None,
            })
        };
        for step in &self.shape.plan.steps {
            let Some(group) = &step.within else { continue };
            if last(&step.name) < last(group) {
                return Err(format!("done, but {} is of an earlier {group}", step.name));
            }
        }
        Ok(())
    }

    pub fn judge(&self, finish: &Finish) -> Result<(), String> {
        let world = self.world.lock().unwrap();
        // In an outage with nothing in it but the mark nothing stops the old side: that is the plan's own doing.
        let counts = |blame| blame == Blame::Defect || !self.shape.nothing_stops;
        let blind = blind_repeats(&self.shape, &self.journal.records.lock().unwrap());
        if let Some(wrong) = world.wrongs.iter().chain(&blind).find(|wrong| counts(wrong.blame)) {
            return Err(wrong.words.clone());
        }
        if !world.held.is_empty() {
            return Err(format!("{:?} is still held", world.held));
        }
        if matches!(finish, Finish::Over(Outcome::Done, _)) {
            self.all_of_one_opening()?;
        }
        let actions = || self.shape.plan.steps.iter().filter(|s| matches!(s.body, Body::Action { .. }));
        if self.rehearsal.is_some() && actions().any(|s| s.mark && world.applies.contains_key(&s.name)) {
            return Err("a rehearsal crossed the point of no return".into());
        }
        match finish {
            Finish::Over(Outcome::Done, _) if self.rehearsal.is_none() => {
                match actions().find(|s| !world.applied.contains(&s.name)) {
                    Some(step) => Err(format!("done, but {} is not in effect", step.name)),
                    None => Ok(()),
                }
            }
            Finish::Over(Outcome::Undone | Outcome::Rehearsed, _) if !world.applied.is_empty() => {
                Err(format!("undone, but {:?} is in effect", world.applied))
            }
            Finish::Over(Outcome::Undone, _) => Ok(()),
            Finish::Over(Outcome::Rehearsed, _) if self.rehearsal.is_some() => Ok(()),
            other => Err(format!("an end that no plan of these has: {other:?}")),
        }
    }
}
