//! All that a call reported. It must not know what was tried.

use cutwater_core::answer::Answer;
use cutwater_driver::ports::{Outcome, Report};
use serde_json::Value;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Far beyond every time in the tests: only a call that hangs for ever reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was heard until the call was done.
#[derive(Debug)]
pub struct Heard {
    /// The end; none if it never came.
    pub outcome: Option<Outcome>,
    /// Uses and denials.
    pub used: Vec<Value>,
    /// Words.
    pub said: Vec<String>,
    /// Checkpoints.
    pub saved: Vec<Value>,
    /// A hold stirred.
    pub stirred: bool,
}

impl Heard {
    /// Hears until the next end of a call, granting that everything is durable at once.
    pub fn until_done(inbox: &Receiver<Report>) -> Self {
        let mut heard =
            Self { outcome: None, used: Vec::new(), said: Vec::new(), saved: Vec::new(), stirred: false };
        while let Ok(report) = inbox.recv_timeout(PATIENCE) {
            match report {
                Report::Used { what, reply, .. } => {
                    heard.used.push(what);
                    if let Some(reply) = reply {
                        let _ = reply.send(true);
                    }
                }
                Report::Checkpoint { state, reply, .. } => {
                    heard.saved.push(state);
                    let _ = reply.send(true);
                }
                Report::Said { text, .. } => heard.said.push(text),
                Report::Stirred { .. } => heard.stirred = true,
                Report::Done { outcome, .. } => {
                    heard.outcome = Some(outcome);
                    break;
                }
                _ => {}
            }
        }
        heard
    }

    /// What came of each try; empty if there was no answer.
    pub fn told(&self) -> Vec<String> {
        let output = match &self.outcome {
            Some(Outcome::Answer(Answer::Changed { output } | Answer::Unchanged { output })) => output,
            _ => return Vec::new(),
        };
        let told = output["told"].as_array().into_iter().flatten();
        told.filter_map(|text| text.as_str().map(str::to_owned)).collect()
    }

    /// Why the answer is `Unknown`; none if it is another one.
    pub fn unknown(&self) -> Option<&str> {
        match &self.outcome {
            Some(Outcome::Answer(Answer::Unknown { why })) => Some(why),
            _ => None,
        }
    }

    /// The capabilities that were denied, as they were reported.
    pub fn denied(&self) -> Vec<&str> {
        let denied = self.used.iter().filter(|what| what["denied"] == true);
        denied.filter_map(|what| what["capability"].as_str()).collect()
    }
}
