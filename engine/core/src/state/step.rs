//! What is known of one step beside where it stands: attempts, input, effects, programs, outputs. It must not know other
//! steps.

use super::status::Status;
use crate::answer::{Answer, Failure, Probed};
use crate::effect::Effect;
use crate::event::{Event, Way};
use crate::names::Epoch;
use crate::plan::Body;
use serde_json::{Value, json};

/// One step in the run.
#[derive(Debug, Clone, PartialEq)]
pub struct StepState {
    /// Where it stands.
    pub status: Status,
    /// Attempts to do it so far.
    pub attempts: u32,
    /// Attempts to take it back (a hold: give it back) so far.
    pub back_attempts: u32,
    /// The input of the last attempt to do it.
    pub input: Value,
    /// What that attempt was admitted to change.
    pub intent: Vec<Effect>,
    /// What taking it back may change.
    pub undo: Vec<Effect>,
    /// The last resumable state.
    pub checkpoint: Option<Value>,
    /// Programs it started: {program, args, pid, start-time, boot, status?, signal?}.
    pub programs: Vec<Value>,
    /// What it gave. For a hold, the taken output; see `released`.
    pub output: Option<Value>,
    /// What a hold gave after its release.
    pub released: Option<Value>,
    /// Why the last attempt to give a hold back did not succeed.
    pub kept: Option<String>,
    /// When it first began, milliseconds since 1970.
    pub began: Option<i64>,
    /// When it last changed where it stands.
    pub since: i64,
    /// The owner under which an outage was opened.
    pub opened_in: Epoch,
    /// What an attempt that stopped part-way left behind, until it is done, undone or found not to be there.
    pub left: Option<String>,
    /// How many probes of the last attempt found that it is still happening.
    pub still_running: u32,
}

impl StepState {
    pub(super) fn new() -> Self {
        Self {
            status: Status::Waiting,
            attempts: 0,
            back_attempts: 0,
            input: Value::Null,
            intent: Vec::new(),
            undo: Vec::new(),
            checkpoint: None,
            programs: Vec::new(),
            output: None,
            released: None,
            kept: None,
            began: None,
            since: 0,
            opened_in: Epoch(0),
            left: None,
            still_running: 0,
        }
    }
}

impl StepState {
    /// The programs whose end nobody has seen.
    pub fn unended(&self) -> impl Iterator<Item = &Value> {
        self.programs
            .iter()
            .filter(|program| program.get("status").is_none() && program.get("signal").is_none())
    }

    /// A refusal says that this attempt left nothing behind; what an earlier one left is still there.
    pub(super) fn with_what_is_left(&mut self, next: Status) -> Status {
        match (&next, &self.left) {
            (Status::Failed { failure }, _) => self.left = Some(failure.left.clone()),
            (Status::PartWay, _) => self.left = Some("some of it".to_owned()),
            (Status::Applied { .. } | Status::Undone | Status::Waiting, _) => self.left = None,
            (Status::Refused { refusal }, Some(left)) => {
                let failure = Failure {
                    code: refusal.code.clone(),
                    message: refusal.message.clone(),
                    left: left.clone(),
                    checkpoint: self.checkpoint.clone(),
                    again: refusal.again,
                };
                return Status::Failed { failure };
            }
            _ => {}
        }
        next
    }

    /// Who goes on with a run watches anew: that a watch was told to stop, or was broken off, says nothing of the next time.
    pub(super) fn watch_again(&mut self, forward: bool) {
        self.attempts = 0;
        if forward && matches!(self.status, Status::Applied { .. }) {
            self.status = Status::PartWay;
        }
    }

    pub(super) fn remember(&mut self, body: &Body, event: &Event, at: i64) {
        match event {
            Event::Intended { way: Way::Apply, attempt, input, effects, undo, .. } => {
                self.attempts = *attempt;
                self.input = input.clone();
                self.intent = effects.clone();
                self.undo = undo.clone();
                self.programs.clear();
                self.still_running = 0;
                self.began.get_or_insert(at);
            }
            Event::Intended { attempt, .. } => {
                self.back_attempts = *attempt;
                self.programs.clear();
                self.still_running = 0;
            }
            Event::Releasing { .. } => self.back_attempts += 1,
            Event::OutageBegan { .. } | Event::Asked { .. } => {
                self.began.get_or_insert(at);
            }
            Event::Answered { way, answer, .. } => match (way, answer) {
                (Way::Apply, Answer::Changed { output } | Answer::Unchanged { output }) => {
                    self.output = Some(output.clone());
                }
                (Way::Release, Answer::Changed { output } | Answer::Unchanged { output }) => {
                    self.released = Some(output.clone());
                }
                (Way::Release, Answer::Failed(Failure { message: why, .. })) => self.kept = Some(why.clone()),
                (Way::Release, Answer::Refused(refusal)) => self.kept = Some(refusal.message.clone()),
                (Way::Release, Answer::Unknown { why }) => self.kept = Some(why.clone()),
                (Way::Apply, Answer::Failed(failure)) => {
                    self.checkpoint = failure.checkpoint.clone().or(self.checkpoint.take());
                }
                (Way::Apply, Answer::Refused(_)) => {
                    self.attempts = self.attempts.max(1);
                }
                _ => {}
            },
            Event::Probed { found: Probed::StillRunning, .. } => self.still_running += 1,
            Event::Probed { way: Way::Apply, found, .. } => match found {
                Probed::Applied { output } if !matches!(body, Body::Hold { .. }) => {
                    self.output = Some(output.clone());
                }
                Probed::PartWay { checkpoint: Some(state) } => self.checkpoint = Some(state.clone()),
                _ => {}
            },
            Event::Settled { applied: true, .. } => {
                self.output.get_or_insert(json!({}));
            }
            _ => {}
        }
    }
}

/// How many programs of one attempt are kept in mind.
const PROGRAMS: usize = 1_000;

/// Pairs the start of a program with its end, so that a probe and recovery know what may still run. Of an attempt that goes on
/// for hours, programs that ended long ago are forgotten.
pub(super) fn note_program(programs: &mut Vec<Value>, what: &Value) {
    if what["capability"] != "run" || what["denied"] == true {
        return;
    }
    if what.get("program").is_some() && what.get("status").is_none() && what.get("signal").is_none() {
        let ended = |p: &Value| p.get("status").is_some() || p.get("signal").is_some();
        if programs.len() >= PROGRAMS
            && let Some(oldest) = programs.iter().position(ended)
        {
            programs.remove(oldest);
        }
        programs.push(what.clone());
    } else if let Some(started) = programs.iter_mut().rev().find(|p| p["pid"] == what["pid"]) {
        for key in ["status", "signal"] {
            if let Some(value) = what.get(key) {
                started[key] = value.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: every program of a watch kept (hours of looks fill the memory, and each probe); one that still runs forgotten.
    #[test]
    fn of_an_attempt_of_hours_only_the_last_programs_are_kept_and_all_that_have_not_ended() {
        let mut programs = Vec::new();
        for pid in 0..PROGRAMS + 500 {
            note_program(&mut programs, &json!({ "capability": "run", "program": "lvs", "pid": pid }));
            if pid != 3 {
                note_program(&mut programs, &json!({ "capability": "run", "pid": pid, "status": 0 }));
            }
        }
        assert_eq!(programs.len(), PROGRAMS);
        assert_eq!((&programs[0]["pid"], programs[0].get("status")), (&json!(3), None));
        assert_eq!(programs[1]["pid"], 501);
    }
}
