//! One run with its faults, through as many lives of the engine as it takes, to an end. It must not choose the faults.

use super::clock::Patient;
use super::guard::Remembering;
use super::judge::{Blame, Wrong, at_rest, folded, on_the_way};
use super::memory::Memory;
use super::outputs::Outputs;
use super::runner::Simulated;
use super::shape::Shape;
use super::world::World;
use crate::engine::{Engine, EngineError, Finish, Owner, Ports};
use crate::faults::{Death, Fault, Planned, Point, Script, Strike, What, held, hooked};
use crate::ports::{Clock, Command, Input, Journal, JournalError, Watcher};
use cutwater_core::event::{Event, Outcome, Record};
use cutwater_core::names::{RunId, Seq, StepName};
use cutwater_core::plan::{Body, Plan};
use cutwater_core::state::{Phase, RunState};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

/// How many lives an engine has before a run counts as one that comes to no end.
const LIVES: u32 = 12;

/// What every run of a walk has in common.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The plan and what follows from it.
    pub shape: Arc<Shape>,
    /// What steps give.
    pub outputs: Arc<Outputs>,
}

impl Stage {
    /// For this plan.
    pub fn new(plan: Plan, outputs: Outputs) -> Self {
        Self { shape: Arc::new(Shape::of(plan)), outputs: Arc::new(outputs) }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Everything is done.
    Finished,
    /// Everything is undone.
    Undone,
    /// A person is waited for or told what is left; for this.
    Person(String),
    /// It was wrong: see [`Played::wrongs`].
    Wrong,
}

impl End {
    /// Finished, undone, a person, wrong: 0 to 3.
    pub const fn place(&self) -> usize {
        match self {
            Self::Finished => 0,
            Self::Undone => 1,
            Self::Person(_) => 2,
            Self::Wrong => 3,
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Played {
    /// How it ended; where a person was waited for, the first such wait.
    pub end: End,
    /// What was wrong with it, each thing once.
    pub wrongs: Vec<Wrong>,
    /// The points that came after the last fault had struck; none: one of them never did.
    pub points: Option<Vec<Point>>,
}

/// Plays a run with these faults.
pub fn play(stage: &Stage, faults: Vec<Fault>) -> Played {
    let script = Arc::new(Planned::new(faults));
    let mut run = Run::new(stage, Arc::clone(&script));
    let end = run.live_to_an_end();
    let mut wrongs = run.wrongs;
    wrongs.extend(on_the_way(&stage.shape, &held(&run.journal.records)));
    wrongs.append(&mut held(&run.world).wrongs);
    wrongs.sort();
    wrongs.dedup();
    let end = if wrongs.is_empty() { end } else { End::Wrong };
    Played { end, wrongs, points: script.points_after() }
}

struct Run {
    stage: Stage,
    script: Arc<Planned>,
    world: Arc<Mutex<World>>,
    journal: Arc<Memory>,
    clock: Arc<Patient>,
    id: RunId,
    wrongs: Vec<Wrong>,
}

impl Run {
    fn new(stage: &Stage, script: Arc<Planned>) -> Self {
        Self {
            stage: stage.clone(),
            script,
            world: Arc::new(Mutex::new(World::new(Arc::clone(&stage.shape)))),
            journal: Arc::default(),
            clock: Arc::new(Patient::at(1_000_000)),
            id: RunId::new("simulated"),
            wrongs: Vec::new(),
        }
    }

    /// A new life of the engine: what one that died left in memory is gone, the world and the journal stay.
    fn ports(&self) -> Ports {
        let guard = Arc::new(Remembering::default());
        let runner =
            Simulated::new(Arc::clone(&self.world), Arc::clone(&guard), Arc::clone(&self.stage.outputs));
        let inner = Ports {
            journal: Arc::clone(&self.journal) as _,
            runner: Arc::new(runner),
            guard,
            clock: Arc::clone(&self.clock) as _,
        };
        let (journal, world) = (Arc::clone(&self.journal), Arc::clone(&self.world));
        let on_death = move |death| match death {
            Death::Killed => journal.cut_power(),
            Death::TakenOver => held(&world).let_go(),
        };
        hooked(inner, Arc::clone(&self.script) as _, Arc::new(on_death))
    }

    fn engine(&self) -> Result<Engine, EngineError> {
        let owner =
            Owner { by: "simulate".into(), pid: 1, boot: "simulated".into(), no_wait: false, faults: true };
        let new = held(&self.journal.records).is_empty();
        let mut engine = match new {
            true => Engine::create(self.ports(), owner, self.id.clone(), self.stage.shape.plan.clone()),
            false => Engine::resume(self.ports(), owner, &self.id),
        }?;
        let answers = Answers {
            inbox: engine.inbox(),
            shape: Arc::clone(&self.stage.shape),
            script: Arc::clone(&self.script),
            told: engine.state().seq,
        };
        engine.watch(Box::new(answers))?;
        Ok(engine)
    }

    /// Resumes as recovery would after each death, and as a person would after each wait for one.
    fn live_to_an_end(&mut self) -> End {
        let mut waited: Option<String> = None;
        for _ in 0..LIVES {
            match self.engine().and_then(|mut engine| engine.run()) {
                Ok(Finish::Over(..)) | Err(EngineError::Over(_)) => {
                    let own = self.over();
                    return waited.map_or(own, End::Person);
                }
                Ok(Finish::Stopped(why) | Finish::CutOver(why)) => {
                    waited.get_or_insert(why);
                    self.a_person_comes();
                }
                Ok(Finish::Waiting(what)) => return self.wrong(Blame::NoEnd, what),
                Ok(Finish::Left) => {
                    return self.wrong(Blame::NoEnd, "it waits for something that never comes".into());
                }
                // It died: the next life takes the run up.
                Err(EngineError::Journal(JournalError::Storage(_) | JournalError::Lost { .. })) => {}
                Err(error) => return self.wrong(Blame::Defect, error.to_string()),
            }
        }
        self.wrong(Blame::NoEnd, format!("it is not over after {LIVES} lives of the engine"))
    }

    fn wrong(&mut self, blame: Blame, words: String) -> End {
        self.wrongs.push(Wrong { blame, step: None, words });
        End::Wrong
    }

    fn state(&mut self) -> Option<RunState> {
        let folded = folded(&held(&self.journal.records));
        match folded {
            Ok(state) => Some(state),
            Err(wrong) => {
                self.wrongs.push(wrong);
                None
            }
        }
    }

    fn over(&mut self) -> End {
        let Some(state) = self.state() else { return End::Wrong };
        let found = at_rest(&self.stage.shape, &held(&self.world), &state);
        self.wrongs.extend(found);
        let last = held(&self.journal.records).last().map(|record| record.event.clone());
        match last {
            Some(Event::Ended { outcome: Outcome::Done, .. }) => End::Finished,
            Some(Event::Ended { outcome: Outcome::Undone, .. }) => End::Undone,
            // Nothing to keep and everything given back is as good as undone.
            Some(Event::Ended { .. }) if matches!(state.phase, Phase::Back { only: Some(_) }) => End::Undone,
            Some(Event::Ended { because, .. }) => End::Person(because),
            _ => self.wrong(Blame::Defect, "it is over without an end".into()),
        }
    }

    /// While the run waits nothing may be held or down unsaid. Then a person looks: a run that paused after a failure
    /// is aborted, any other is gone on with.
    fn a_person_comes(&mut self) {
        let Some(state) = self.state() else { return };
        let found = at_rest(&self.stage.shape, &held(&self.world), &state);
        self.wrongs.extend(found);
        if matches!(state.phase, Phase::Back { only: Some(_) }) && state.abort.is_none() {
            let event = Event::Commanded { what: "abort".into(), by: "a person".into() };
            let _taken = self.journal.append(&self.id, state.seq, self.clock.now(), &[event], true);
        }
    }
}

/// Says yes to every question, unless the script has nobody answer.
struct Answers {
    inbox: Sender<Input>,
    shape: Arc<Shape>,
    script: Arc<Planned>,
    /// What an earlier owner asked is answered now, whoever was silent then.
    told: Seq,
}

impl Answers {
    fn roles(&self, step: &StepName) -> Vec<String> {
        match self.shape.plan.step(step).map(|planned| &planned.body) {
            Some(Body::Approve { by, .. }) => by.clone(),
            _ => Vec::new(),
        }
    }
}

impl Watcher for Answers {
    fn see(&mut self, record: &Record) {
        let Event::Asked { step, .. } = &record.event else { return };
        let asked = record.seq > self.told;
        if asked && self.script.strikes(What::Ask, Some(step)) == Some(Strike::Silence) {
            return;
        }
        let approve = Command::Approve {
            step: Some(step.clone()),
            by: "a person".into(),
            roles: self.roles(step),
            plan: self.shape.plan.hash.clone(),
        };
        let _engine_gone = self.inbox.send(Input::Command(approve, channel().0));
    }
}
