//! A run on a bench: the loop over the scripted ports, with a script of its own where a case wants one.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use crate::common::plans::{action, plan, step};
use cutwater_core::answer::{Answer, Ending, Failure, Refusal};
use cutwater_core::describe::Undo;
use cutwater_core::effect::Shown;
use cutwater_core::event::{Event, Record};
use cutwater_core::names::{RunId, StepName};
use cutwater_core::plan::{Body, Plan};
use cutwater_driver::engine::{Engine, Owner, Ports};
use cutwater_driver::faults::{Script as FaultScript, Strike, What, hooked};
use cutwater_driver::ports::*;
use cutwater_driver::simulate::{Jumping, Memory, Outputs, Remembering, Shape, Simulated, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

pub struct Bench {
    pub engine: Engine,
    pub world: Arc<Mutex<World>>,
    pub journal: Arc<Memory>,
    pub guard: Arc<Remembering>,
    pub clock: Arc<Jumping>,
    pub staged: Arc<Staged>,
    /// How often the guard was told of a hold or outage.
    pub covers: Arc<Mutex<u32>>,
}

/// What a case has otherwise than the scripted world does it.
#[derive(Default)]
pub struct Script {
    pub endless: Vec<String>,
    pub no_wait: bool,
    /// Whether it is a rehearsal, and with outages.
    pub rehearsal: Option<bool>,
    /// Milliseconds since 1970 at the start; 0: some.
    pub now: u64,
    /// How long doing a step takes.
    pub takes: BTreeMap<String, u64>,
    /// Steps whose undo always fails.
    pub undo_fails: BTreeSet<String>,
    /// Undos of which none answers before all have begun.
    pub undone_together: BTreeSet<String>,
    /// A step, and the one whose beginning lets it answer.
    pub answers_after: BTreeMap<String, String>,
    /// How often a program is found to run still.
    pub runs_still: u32,
    /// Holds that are found broken when they are asked.
    pub broken: bool,
    /// Steps of which no answer comes, and no probe can tell.
    pub unclear: BTreeSet<String>,
    /// Steps that answer, well, once they are told to stop.
    pub until_told: BTreeSet<String>,
}

/// Steps that never end by themselves; one named `refuses`; holds that are found broken.
struct Odd {
    endless: Vec<String>,
    broken: bool,
    unclear: BTreeSet<String>,
    covers: Arc<Mutex<u32>>,
}

impl FaultScript for Odd {
    fn strikes(&self, what: What, step: Option<&StepName>) -> Option<Strike> {
        if what == What::Cover {
            *self.covers.lock().unwrap() += 1;
        }
        let step = step?.as_str();
        match what {
            What::Apply if step == "refuses" => Some(Strike::Refused { again: false }),
            What::Apply if self.endless.iter().any(|endless| endless == step) => Some(Strike::Endless),
            What::Apply if self.unclear.contains(step) => Some(Strike::LostAfter),
            What::Probe if self.unclear.contains(step) => Some(Strike::CannotTell),
            What::Intact if self.broken => Some(Strike::Broken),
            _ => None,
        }
    }
}

/// The simulated runner with a case's script before it, and a list of what was asked of it.
pub struct Staged {
    inner: Arc<dyn StepRunner>,
    clock: Arc<Jumping>,
    script: Mutex<Script>,
    pub asked: Mutex<Vec<String>>,
    kept: Mutex<Vec<(String, Report, Sender<Report>)>>,
    until_told: Mutex<BTreeMap<CallId, (Report, Sender<Report>)>>,
}

impl StepRunner for Staged {
    fn start(&self, call: Call, reports: Sender<Report>) {
        let (step, verb) = (call.step.to_string(), word(&call.verb));
        self.asked.lock().unwrap().push(format!("{verb} {step}"));
        let script = self.script.lock().unwrap();
        if verb == "apply" {
            *self.clock.0.lock().unwrap() += script.takes.get(&step).copied().unwrap_or(0);
            let mut kept = self.kept.lock().unwrap();
            let (go, stay) = std::mem::take(&mut *kept)
                .into_iter()
                .partition(|(kept, ..)| script.answers_after.get(kept) == Some(&step));
            *kept = stay;
            for (_, report, reports) in go {
                reports.send(report).unwrap();
            }
        }
        if verb == "undo" && script.undo_fails.contains(&step) {
            let failure = Failure {
                code: "busy".into(),
                message: "it is in use".into(),
                left: "all of it".into(),
                checkpoint: None,
                again: true,
            };
            let outcome = Outcome::Answer(Answer::Failed(failure));
            return reports.send(Report::Done { call: call.id, outcome }).unwrap();
        }
        if verb == "apply" && script.until_told.contains(&step) {
            let (own, answers) = channel();
            let id = call.id;
            self.inner.start(call, own);
            let answer = (answers.recv().unwrap(), reports);
            self.until_told.lock().unwrap().insert(id, answer);
            return;
        }
        let waits = verb == "apply" && script.answers_after.contains_key(&step);
        let together = verb == "undo" && script.undone_together.contains(&step);
        if !waits && !together {
            drop(script);
            return self.inner.start(call, reports);
        }
        let (own, answers) = channel();
        self.inner.start(call, own);
        let mut kept = self.kept.lock().unwrap();
        kept.push((step, answers.recv().unwrap(), reports));
        if together && kept.len() == script.undone_together.len() {
            for (_, report, reports) in kept.drain(..) {
                reports.send(report).unwrap();
            }
        }
    }

    fn stop(&self, call: CallId) {
        match self.until_told.lock().unwrap().remove(&call) {
            Some((report, reports)) => reports.send(report).unwrap(),
            None => self.inner.stop(call),
        }
    }

    fn intact(&self, hold: CallId) {
        self.asked.lock().unwrap().push("intact".into());
        self.inner.intact(hold);
    }

    fn release(&self, hold: CallId, how: Ending) {
        self.inner.release(hold, how);
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn preview(&self, call: PreviewCall) -> Result<Shown, Refusal> {
        self.inner.preview(call)
    }

    fn remains(&self, _: &Value) -> Remains {
        self.asked.lock().unwrap().push("runs still?".into());
        let mut script = self.script.lock().unwrap();
        let runs = script.runs_still > 0;
        script.runs_still = script.runs_still.saturating_sub(1);
        if runs { Remains::Itself } else { Remains::Nothing }
    }
}

fn word(verb: &Verb) -> &'static str {
    match verb {
        Verb::Apply { .. } => "apply",
        Verb::Probe(_) => "probe",
        Verb::Undo(_) => "undo",
        Verb::Take => "take",
        Verb::ReleaseOrphan => "release",
    }
}

pub fn bench(plan: Plan, endless: &[&str], no_wait: bool) -> Bench {
    let endless = endless.iter().map(|s| (*s).to_owned()).collect();
    staged(plan, Script { endless, no_wait, ..Script::default() })
}

pub fn staged(plan: Plan, script: Script) -> Bench {
    let journal: Arc<Memory> = Arc::default();
    let world = World::new(Arc::new(Shape::of(plan.clone())));
    over(plan, script, &journal, &Arc::new(Mutex::new(world)))
}

/// The run of this plan: begun where the journal is empty, else taken up.
pub fn over(plan: Plan, script: Script, journal: &Arc<Memory>, world: &Arc<Mutex<World>>) -> Bench {
    let guard: Arc<Remembering> = Arc::default();
    let clock = Arc::new(Jumping(Mutex::new(if script.now == 0 { 1_000_000 } else { script.now })));
    let owner = Owner { by: "test".into(), pid: 1, boot: "b".into(), no_wait: script.no_wait, faults: false };
    let runner = Simulated::new(Arc::clone(world), Arc::clone(&guard), Arc::new(Outputs::default()));
    let ports = Ports {
        journal: Arc::clone(journal) as _,
        runner: Arc::new(runner),
        guard: Arc::clone(&guard) as _,
        clock: Arc::clone(&clock) as _,
    };
    let rehearsal = script.rehearsal;
    let covers: Arc<Mutex<u32>> = Arc::default();
    let odd = Odd {
        endless: script.endless.clone(),
        broken: script.broken,
        unclear: script.unclear.clone(),
        covers: Arc::clone(&covers),
    };
    let ports = hooked(ports, Arc::new(odd), Arc::new(|_| ()));
    let staged = Arc::new(Staged {
        inner: ports.runner,
        clock: Arc::clone(&clock),
        script: Mutex::new(script),
        asked: Mutex::default(),
        kept: Mutex::default(),
        until_told: Mutex::default(),
    });
    let ports = Ports { runner: Arc::clone(&staged) as _, ..ports };
    let empty = journal.records.lock().unwrap().is_empty();
    let run = RunId::from("r");
    let engine = match (empty, rehearsal) {
        (true, None) => Engine::create(ports, owner, run, plan),
        (true, Some(with_outage)) => Engine::rehearse(ports, owner, run, plan, with_outage),
        (false, _) => Engine::resume(ports, owner, &run),
    };
    let engine = engine.unwrap();
    Bench { engine, world: Arc::clone(world), journal: Arc::clone(journal), guard, clock, staged, covers }
}

/// Sends a command when an event of that name about that step is seen.
struct When(
    &'static str,
    &'static str,
    Sender<Input>,
    Mutex<Option<Command>>,
    Sender<Result<String, String>>,
);

impl Watcher for When {
    fn see(&mut self, record: &Record) {
        let event = serde_json::to_value(&record.event).unwrap();
        if event["event"] == self.0
            && event["step"] == self.1
            && let Some(command) = self.3.lock().unwrap().take()
        {
            self.2.send(Input::Command(command, self.4.clone())).unwrap();
        }
    }
}

pub fn when(
    bench: &mut Bench,
    event: &'static str,
    step: &'static str,
    command: Command,
) -> Receiver<Result<String, String>> {
    let (sender, answers) = channel();
    let watcher = When(event, step, bench.engine.inbox(), Mutex::new(Some(command)), sender);
    bench.engine.watch(Box::new(watcher)).unwrap();
    answers
}

pub fn outage_with(inner: &[&str], mark: bool) -> Plan {
    let mut steps = vec![
        step("before", action(Undo::Restores), &[], None),
        step("down", Body::Outage { limit_ms: 10_000 }, &["before"], None),
    ];
    for (n, name) in inner.iter().enumerate() {
        let needs: Vec<&str> = n.checked_sub(1).map(|n| inner[n]).into_iter().collect();
        let mut planned = step(name, action(Undo::Restores), &needs, Some("down"));
        planned.mark = mark && n + 1 == inner.len();
        steps.push(planned);
    }
    plan(steps)
}

pub fn events(journal: &Memory) -> Vec<Event> {
    journal.records.lock().unwrap().iter().map(|r| r.event.clone()).collect()
}
