//! Ports for tests: a journal in memory that can die at an append, a clock that jumps to the next deadline, a guard that
//! only remembers, and a runner that acts on a [`World`] at once.

use super::world::{Dice, World};
use cutwater_core::answer::{Answer, Ending, Failure, GiveBack, Probed, Refusal};
use cutwater_core::effect::Shown;
use cutwater_core::event::{Event, Record};
use cutwater_core::names::{RunId, Seq, StepName};
use cutwater_core::plan::{Body, Plan};
use cutwater_driver::ports::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub struct Memory {
    pub records: Mutex<Vec<Record>>,
    /// Dies at the append with this number: before (`false`) or after (`true`) it is stored.
    pub dies: Mutex<Option<(u64, bool)>>,
    pub appends: Mutex<u64>,
}

impl Journal for Memory {
    fn append(
        &self,
        _: &RunId,
        expected: Seq,
        at: i64,
        events: &[Event],
        _: bool,
    ) -> Result<Seq, JournalError> {
        let mut records = self.records.lock().unwrap();
        let mut count = self.appends.lock().unwrap();
        *count += 1;
        let dead = || JournalError::Storage("killed".into());
        let dies = self.dies.lock().unwrap().filter(|(n, _)| *n == *count);
        if let Some((_, false)) = dies {
            return Err(dead());
        }
        let found = records.len() as u64;
        if found != expected.0 {
            return Err(JournalError::Lost { expected: expected.0, found });
        }
        for event in events {
            // What is stored is what comes back: through JSON, as on disk.
            let text = serde_json::to_string(event).unwrap();
            let event = serde_json::from_str(&text).unwrap();
            let seq = Seq(records.len() as u64 + 1);
            records.push(Record { seq, at, event });
        }
        if dies.is_some() {
            return Err(dead());
        }
        Ok(Seq(records.len() as u64))
    }

    fn read(&self, _: &RunId, after: Seq) -> Result<Vec<Record>, JournalError> {
        Ok(self.records.lock().unwrap()[after.0 as usize..].to_vec())
    }

    fn runs(&self) -> Result<Vec<RunId>, JournalError> {
        Ok(Vec::new())
    }

    fn lock(&self, _: &RunId, _: &[String]) -> Result<(), JournalError> {
        Ok(())
    }

    fn unlock(&self, _: &RunId) -> Result<(), JournalError> {
        Ok(())
    }
}

pub struct Jumping(pub Mutex<u64>);

impl Clock for Jumping {
    fn now(&self) -> i64 {
        *self.0.lock().unwrap() as i64
    }

    fn monotonic(&self) -> u64 {
        *self.0.lock().unwrap()
    }

    fn wait(&self, inbox: &Receiver<Input>, ms: Option<u64>) -> Option<Input> {
        if let Ok(input) = inbox.try_recv() {
            return Some(input);
        }
        *self.0.lock().unwrap() += ms.unwrap_or(1000).max(1);
        None
    }
}

#[derive(Default)]
pub struct Remembering {
    pub covered: Mutex<BTreeMap<String, u64>>,
}

impl Guard for Remembering {
    fn arm(&self, _: &RunId) -> Result<u32, GuardError> {
        Ok(1)
    }

    fn cover(&self, step: &StepName, _: Option<CallId>, ms: u64, _: &[GiveBack]) -> Result<(), GuardError> {
        self.covered.lock().unwrap().insert(step.to_string(), ms);
        Ok(())
    }

    fn uncover(&self, step: &StepName) {
        self.covered.lock().unwrap().remove(step.as_str());
    }

    fn alive(&self) -> bool {
        true
    }

    fn disarm(&self) {}
}

/// How often things go wrong, one in so many; 0: never.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    pub step: u64,
    pub undo: u64,
}

pub struct Scripted {
    pub plan: Plan,
    pub world: Arc<Mutex<World>>,
    pub guard: Arc<Remembering>,
    pub dice: Mutex<Dice>,
    pub faults: Faults,
    pub holds: Mutex<BTreeMap<u64, (String, Sender<Report>)>>,
    /// Steps that never end by themselves, and answer that they stopped part-way when told to.
    pub endless: Vec<String>,
    /// Steps that always refuse.
    pub refuses: Vec<String>,
    pub waiting: Mutex<BTreeMap<u64, (String, Sender<Report>)>>,
}

impl Scripted {
    fn strikes(&self, one_in: u64) -> Option<u64> {
        let mut dice = self.dice.lock().unwrap();
        (one_in > 0 && dice.one_in(one_in)).then(|| dice.below(5))
    }

    fn check_needs(&self, world: &mut World, step: &str) {
        let planned = self.plan.step(&StepName::from(step)).unwrap();
        for needed in &planned.needs {
            let asks_nobody = matches!(
                self.plan.step(needed).unwrap().body,
                Body::Approve { .. } | Body::Outage { .. } | Body::Hold { .. } | Body::Gather { .. }
            );
            if !asks_nobody && !world.done.contains(needed.as_str()) {
                world.broken.push(format!("{step} began before {needed} was done"));
            }
        }
        if let Some(group) = &planned.within
            && matches!(self.plan.step(group).unwrap().body, Body::Hold { .. })
            && !world.held.contains(group.as_str())
        {
            world.broken.push(format!("{step} began while {group} was not held"));
        }
    }

    fn apply(&self, step: &str) -> Answer {
        let mut world = self.world.lock().unwrap();
        self.check_needs(&mut world, step);
        if world.in_doubt.contains(step) {
            world.broken.push(format!("{step} was repeated blindly"));
        }
        *world.applies.entry(step.to_owned()).or_default() += 1;
        let changes = matches!(self.plan.step(&StepName::from(step)).unwrap().body, Body::Action { .. });
        let output = json!({ "of": step });
        match self.strikes(self.faults.step) {
            Some(0) => refused(false),
            Some(1) => refused(true),
            Some(2) if changes => {
                world.applied.insert(step.to_owned());
                world.part_way.insert(step.to_owned());
                Answer::Failed(Failure {
                    code: "dice".into(),
                    message: "part-way".into(),
                    left: "half of it".into(),
                    checkpoint: Some(json!({ "half": true })),
                    again: self.dice.lock().unwrap().one_in(2),
                })
            }
            Some(3) => {
                if changes {
                    world.in_doubt.insert(step.to_owned());
                }
                Answer::Unknown { why: "lost before the effect".into() }
            }
            Some(4) => {
                if changes {
                    world.applied.insert(step.to_owned());
                    world.in_doubt.insert(step.to_owned());
                }
                world.done.insert(step.to_owned());
                Answer::Unknown { why: "lost after the effect".into() }
            }
            _ => {
                if changes {
                    world.applied.insert(step.to_owned());
                    world.part_way.remove(step);
                }
                world.done.insert(step.to_owned());
                Answer::Changed { output }
            }
        }
    }

    fn probe(&self, step: &str) -> Probed {
        let mut world = self.world.lock().unwrap();
        world.in_doubt.remove(step);
        if world.part_way.contains(step) {
            return Probed::PartWay { checkpoint: None };
        }
        match world.applied.contains(step) || world.held.contains(step) {
            true => Probed::Applied { output: json!({ "of": step }) },
            false => {
                world.done.remove(step);
                Probed::NotApplied
            }
        }
    }

    /// All steps that come after one, however far: through needs, and through the end of a hold or outage.
    fn after(&self, step: &str) -> Vec<String> {
        let mut found = vec![step.to_owned()];
        let mut at = 0;
        while at < found.len() {
            let name = StepName::from(found[at].as_str());
            let ends = self.plan.step(&name).and_then(|s| s.within.clone());
            for later in &self.plan.steps {
                let after = later.needs.contains(&name)
                    || later.within.as_ref() == Some(&name)
                    || ends.as_ref().is_some_and(|e| later.needs.contains(e));
                if after && !found.contains(&later.name.to_string()) {
                    found.push(later.name.to_string());
                }
            }
            at += 1;
        }
        found.split_off(1)
    }

    fn undo(&self, step: &str) -> Answer {
        let mut world = self.world.lock().unwrap();
        let mark = self.plan.steps.iter().find(|s| s.mark).map(|s| s.name.to_string());
        if mark.is_some_and(|mark| mark != step && world.applied.contains(&mark)) {
            world.undone_behind_the_mark.push(step.to_owned());
        }
        for later in self.after(step) {
            if world.applied.contains(&later) {
                world.broken.push(format!("{step} was undone before {later}"));
            }
        }
        match self.strikes(self.faults.undo) {
            Some(0 | 1) => refused(true),
            Some(2) => {
                world.in_doubt.insert(step.to_owned());
                Answer::Unknown { why: "undo lost".into() }
            }
            _ => {
                world.applied.remove(step);
                world.part_way.remove(step);
                world.done.remove(step);
                Answer::Changed { output: Value::Null }
            }
        }
    }
}

fn refused(again: bool) -> Answer {
    Answer::Refused(refusal(again))
}

fn refusal(again: bool) -> Refusal {
    Refusal { code: "dice".into(), message: "refused".into(), again, details: Value::Null }
}

impl StepRunner for Scripted {
    fn start(&self, call: Call, reports: Sender<Report>) {
        let step = call.step.to_string();
        if matches!(call.verb, Verb::Apply { .. }) && self.endless.contains(&step) {
            let mut world = self.world.lock().unwrap();
            world.applied.insert(step.clone());
            world.part_way.insert(step.clone());
            self.waiting.lock().unwrap().insert(call.id.0, (step, reports));
            return;
        }
        let outcome = match &call.verb {
            Verb::Apply { .. } if self.refuses.contains(&step) => Outcome::Answer(refused(false)),
            Verb::Apply { .. } => Outcome::Answer(self.apply(&step)),
            Verb::Probe(_) => Outcome::Probed(self.probe(&step)),
            Verb::Undo(_) => Outcome::Answer(self.undo(&step)),
            Verb::Take => {
                if !self.guard.covered.lock().unwrap().contains_key(&step) {
                    self.world.lock().unwrap().broken.push(format!("{step} was taken without the guard"));
                }
                match self.strikes(self.faults.step) {
                    Some(0..=2) => Outcome::Taken(Err(refusal(false))),
                    Some(_) => {
                        self.world.lock().unwrap().held.insert(step.clone());
                        Outcome::Answer(Answer::Unknown { why: "trap while taking".into() })
                    }
                    None => {
                        self.world.lock().unwrap().held.insert(step.clone());
                        self.holds.lock().unwrap().insert(call.id.0, (step, reports.clone()));
                        Outcome::Taken(Ok(Taken { output: json!({}), give_backs: Vec::new() }))
                    }
                }
            }
            Verb::ReleaseOrphan => {
                if self.strikes(self.faults.undo).is_none() {
                    self.world.lock().unwrap().held.remove(&step);
                    Outcome::Answer(Answer::Changed { output: json!({}) })
                } else {
                    Outcome::Answer(Answer::Unknown { why: "release lost".into() })
                }
            }
        };
        let _ = reports.send(Report::Done { call: call.id, outcome });
    }

    fn stop(&self, call: CallId) {
        let Some((_, reports)) = self.waiting.lock().unwrap().remove(&call.0) else { return };
        let answer = Answer::Failed(Failure {
            code: "stopped".into(),
            message: "told to stop".into(),
            left: "half of it".into(),
            checkpoint: None,
            again: false,
        });
        let _ = reports.send(Report::Done { call, outcome: Outcome::Answer(answer) });
    }

    fn intact(&self, hold: CallId) {
        let holds = self.holds.lock().unwrap();
        let Some((step, reports)) = holds.get(&hold.0) else { return };
        let broken = self.strikes(self.faults.step * 2).is_some();
        if broken {
            self.world.lock().unwrap().held.remove(step);
        }
        let outcome = Outcome::Intact(if broken { Err("the session died".into()) } else { Ok(()) });
        let _ = reports.send(Report::Done { call: hold, outcome });
    }

    fn release(&self, hold: CallId, _: Ending) {
        let Some((step, reports)) = self.holds.lock().unwrap().remove(&hold.0) else { return };
        let answer = match self.strikes(self.faults.undo) {
            Some(_) => Answer::Unknown { why: "release lost".into() },
            None => {
                self.world.lock().unwrap().held.remove(&step);
                Answer::Changed { output: json!({ "label": "x" }) }
            }
        };
        let _ = reports.send(Report::Done { call: hold, outcome: Outcome::Answer(answer) });
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn preview(&self, _: PreviewCall) -> Result<Shown, Refusal> {
        Ok(Shown::default())
    }

    fn still_running(&self, _: &Value) -> bool {
        false
    }
}
