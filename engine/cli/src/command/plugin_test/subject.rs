//! The plugin under test behind the testkit's port: calls to their end are made here, calls that die in a process of their
//! own. It must not know what is tried.

use super::perform::{Line, RUN, grants, mirrored, perform};
use super::stand::{Needs, Stand};
use super::victim::{COMMAND, Order};
use crate::exit::Failure;
use cutwater_core::describe::{self, Undo};
use cutwater_core::names::{RunId, StepName};
use cutwater_core::partial::Partial;
use cutwater_driver::ports::{PreviewCall, Remains, StepRunner};
use cutwater_testkit::{About, Ask, Ended, Heard, Host, Kind, Prepared, Refusal};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// It.
pub struct Subject {
    needs: Needs,
    stand: Stand,
}

impl Subject {
    /// With the component loaded.
    pub fn new(needs: Needs) -> Result<Self, Failure> {
        let stand = Stand::new(&needs, None)?;
        Ok(Self { needs, stand })
    }

    /// The plugin's name and version.
    pub fn name(&self) -> (&str, &str) {
        (&self.stand.plugin.plugin.name, &self.stand.plugin.plugin.version)
    }

    fn show(&self, ask: &Ask, undo: bool) -> Result<Value, Refusal> {
        let shown = self.stand.runner.preview(PreviewCall {
            run: RunId::new(RUN),
            step: StepName::new(&ask.step),
            plugin: self.stand.plugin.plugin.name.clone(),
            action: ask.step.clone(),
            input: Partial::known(ask.input.clone()),
            grants: grants(&self.stand, ask)?,
            undo,
        });
        match shown {
            Ok(shown) => Ok(json!(shown.effects)),
            Err(refusal) => Err(Refusal { code: refusal.code, message: refusal.message }),
        }
    }

    /// The process that dies, heard to its end.
    fn victim(&self, ask: &Ask, at: u64) -> anyhow::Result<(Record, std::process::Output)> {
        let order = Order { needs: self.needs.clone(), ask: ask.clone(), at };
        let mut child = Command::new(std::env::current_exe()?)
            .arg(COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&serde_json::to_vec(&order)?)?;
        }
        let mut record = Record::default();
        for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines) {
            // A line that was cut off by the kill is one that was never written.
            if let Ok(line) = serde_json::from_str(&line?) {
                record.take(line);
            }
        }
        Ok((record, child.wait_with_output()?))
    }
}

impl Host for Subject {
    fn about(&self, step: &str) -> Option<About> {
        let step = self.stand.plugin.plugin.steps.get(step)?;
        let kind = match step.kind {
            describe::Kind::Check => Kind::Check,
            describe::Kind::Action => Kind::Action,
            describe::Kind::Hold => Kind::Hold,
        };
        Some(About { kind, undo: step.undo != Undo::None })
    }

    fn prepare(&self, ask: &Ask) -> Result<Prepared, Refusal> {
        let about = self.about(&ask.step);
        let back = about.is_some_and(|about| about.undo || about.kind == Kind::Hold);
        let undo = if back { self.show(ask, true)? } else { json!([]) };
        Ok(Prepared { effects: self.show(ask, false)?, undo })
    }

    fn call(&self, ask: &Ask) -> Heard {
        let mut record = Record::default();
        let end = perform(&self.stand, ask, &mut |line| record.take(line));
        Heard { end: Some(end), ..record.heard }
    }

    fn strike(&self, ask: &Ask, at: u64) -> Result<Heard, String> {
        let (record, output) =
            self.victim(ask, at).map_err(|error| format!("no process to kill: {error:#}"))?;
        let words = String::from_utf8_lossy(&output.stderr);
        match (output.status.signal(), record.heard.end.is_some()) {
            (Some(libc::SIGKILL), false) => {
                let point = format!("killed at point {at}, {}", record.point());
                Ok(Heard { point, ..record.heard })
            }
            (None, true) => Ok(record.heard),
            _ => Err(format!("the process to be killed ended by {}: {}", output.status, words.trim())),
        }
    }

    fn still_running(&self, program: &Value) -> bool {
        self.stand.runner.remains(program) != Remains::Nothing
    }
}

/// What a journal would hold of a call.
#[derive(Default)]
struct Record {
    heard: Heard,
    last: Option<String>,
}

impl Record {
    fn take(&mut self, line: Line) {
        match line {
            Line::Used(what, _) => {
                self.last = Some(use_words(&what));
                note_program(&mut self.heard.programs, &what);
            }
            Line::Checkpoint(state) => {
                self.last = Some("a checkpoint".to_owned());
                self.heard.checkpoint = Some(state);
            }
            Line::Point(point) => self.heard.point = point,
            Line::End(end) => self.heard.end = mirrored::<Ended>(&end).ok(),
        }
    }

    /// Where it died.
    fn point(&self) -> String {
        match &self.last {
            Some(last) => format!("{}, after {last}", self.heard.point),
            None => self.heard.point.clone(),
        }
    }
}

/// A use in a few words: what it says of itself but results.
fn use_words(what: &Value) -> String {
    let text = |key: &str| what.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut words: Vec<String> =
        ["capability", "verb", "program", "path", "at", "text"].into_iter().filter_map(text).collect();
    let args = what.get("args").and_then(Value::as_array).into_iter().flatten();
    words.extend(args.filter_map(Value::as_str).map(str::to_owned));
    if what.get("status").is_some() {
        words.push("has ended".to_owned());
    }
    format!("`{}`", words.join(" "))
}

/// Pairs a program's start with its end, as a run's fold does.
fn note_program(programs: &mut Vec<Value>, what: &Value) {
    if what["capability"] != "run" || what["denied"] == true {
        return;
    }
    if what.get("status").is_none() && what.get("signal").is_none() {
        programs.push(what.clone());
    } else if let Some(started) = programs.iter_mut().rev().find(|p| p["pid"] == what["pid"]) {
        for key in ["status", "signal"] {
            started[key] = what.get(key).cloned().unwrap_or_default();
        }
    }
}
