//! How a command fails: one kind for each exit status, and the words for people and programs. It must not know what
//! the commands do.

use cutwater_core::event::Outcome;
use cutwater_core::fault::{Faults, Severity, escaped};
use cutwater_driver::engine::{EngineError, Finish};
use cutwater_driver::ports::JournalError;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// What became of a command that did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Cutwater itself is wrong.
    Defect,
    /// Wrong usage beyond what the parser of the command line sees.
    Usage,
    /// Document, input, grant, plugin or plan; nothing was touched.
    Invalid,
    /// Failed or aborted, and everything is undone; or the world refused while planning.
    Undone,
    /// Stopped part-way; needs a person.
    Stopped,
    /// Another owner has the run.
    Lost,
    /// Waits for a person or the window, and was told not to.
    Waiting,
    /// Cut over, clean-up incomplete.
    CutOver,
    /// Not started.
    NotStarted,
    /// What `step --exit-code` asked for.
    Chosen(u8),
}

impl Kind {
    /// The exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Defect => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Undone => 4,
            Self::Stopped => 5,
            Self::Lost => 6,
            Self::Waiting => 7,
            Self::CutOver => 8,
            Self::NotStarted => 9,
            Self::Chosen(code) => code,
        }
    }

    /// What another Cutwater's exit status means; none: done. One that was killed stopped part-way.
    pub fn of_code(code: Option<i32>) -> Option<Self> {
        Some(match code {
            Some(0) => return None,
            Some(2) => Self::Usage,
            Some(3) => Self::Invalid,
            Some(4) => Self::Undone,
            Some(6) => Self::Lost,
            Some(7) => Self::Waiting,
            Some(8) => Self::CutOver,
            Some(9) => Self::NotStarted,
            Some(5) | None => Self::Stopped,
            Some(_) => Self::Defect,
        })
    }
}

/// A command's end that is not a success.
#[derive(Debug)]
pub struct Failure {
    /// Which exit status.
    pub kind: Kind,
    /// What is said.
    pub words: Words,
}

/// What is said about a failure.
#[derive(Debug)]
pub enum Words {
    /// An error and its causes.
    Chain(anyhow::Error),
    /// Faults of documents, with the texts they are about, by file.
    Faults(Faults, BTreeMap<String, String>),
    /// It has been said already.
    Said,
}

impl Failure {
    /// With an error and its causes.
    pub fn new(kind: Kind, error: impl Into<anyhow::Error>) -> Self {
        Self { kind, words: Words::Chain(error.into()) }
    }

    /// With words.
    pub fn words(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, words: Words::Chain(anyhow::Error::msg(text.into())) }
    }

    /// With faults of a document.
    pub fn faults(faults: Faults, sources: BTreeMap<String, String>) -> Self {
        Self { kind: Kind::Invalid, words: Words::Faults(faults, sources) }
    }

    /// After everything was said.
    pub fn said(kind: Kind) -> Self {
        Self { kind, words: Words::Said }
    }

    /// The status for the system.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.kind.code())
    }

    /// For people: faults with excerpts, or the chain of causes, in one text that ends with a line break.
    pub fn text(&self, colour: bool) -> String {
        match &self.words {
            Words::Said => String::new(),
            Words::Faults(faults, sources) => {
                faults.render(|file| sources.get(file).map(String::as_str), colour)
            }
            Words::Chain(error) => {
                let head = if colour { "\x1b[1;31merror\x1b[0m" } else { "error" };
                format!("{head}: {}\n", chain(error))
            }
        }
    }

    /// For programs: `{"error": {"exit": n, "message": text, "faults"?: [..], "more"?: n}}`.
    pub fn json(&self) -> Option<serde_json::Value> {
        let exit = self.kind.code();
        match &self.words {
            Words::Said => None,
            Words::Chain(error) => {
                Some(serde_json::json!({ "error": { "exit": exit, "message": format!("{error:#}") } }))
            }
            Words::Faults(faults, _) => {
                let worst = faults.faults.iter().find(|fault| fault.severity == Severity::Error);
                let first = worst.or(faults.faults.first());
                let message = first.map(|fault| fault.message.clone()).unwrap_or_default();
                Some(serde_json::json!({ "error": {
                    "exit": exit, "message": message, "faults": faults.faults, "more": faults.more
                } }))
            }
        }
    }
}

/// The causes on one line, or on lines of their own where one of them has several; what could steer a terminal is escaped.
fn chain(error: &anyhow::Error) -> String {
    let safe = |text: String| text.lines().map(escaped).collect::<Vec<_>>().join("\n  ");
    let mut said: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = safe(cause.to_string());
        if said.last() != Some(&text) {
            said.push(text);
        }
    }
    said.join(": ")
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let kind = match &error {
            JournalError::Lost { .. } => Kind::Lost,
            JournalError::Locked { .. } | JournalError::Newer { .. } | JournalError::Storage(_) => {
                Kind::NotStarted
            }
            JournalError::NoRun(_) => Kind::Invalid,
            JournalError::Damaged { .. } => Kind::Stopped,
        };
        let way_out = match &error {
            JournalError::Lost { .. } => Some("this process stops; `cutwater watch` follows the new owner"),
            JournalError::Locked { .. } => {
                Some("wait for that run, or end it with `cutwater abort` or `cutwater resume`")
            }
            JournalError::NoRun(_) => Some("`cutwater runs` lists those there are"),
            JournalError::Newer { .. } => Some("use that newer Cutwater; this one can only show"),
            JournalError::Storage(_) => None,
            JournalError::Damaged { .. } => Some(
                "other runs are not affected; look at the machine by hand before anything else touches what this run moved",
            ),
        };
        match way_out {
            Some(way_out) => {
                let text = error.to_string();
                Self::words(kind, format!("{text}; {way_out}"))
            }
            None => Self::new(kind, error),
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            // Once a run goes on, a journal that cannot be written leaves it part-way.
            EngineError::Journal(JournalError::Storage(cause)) => {
                let error = anyhow::Error::new(JournalError::Storage(cause));
                Self::new(
                    Kind::Stopped,
                    error.context("the run stopped where it was; mend the cause, then `cutwater resume`"),
                )
            }
            EngineError::Journal(error) => error.into(),
            EngineError::Over(_) => Self::new(Kind::Invalid, error),
            EngineError::Illegal(_) => Self::new(Kind::Stopped, error),
            EngineError::Defect(_) => Self::new(Kind::Defect, error),
        }
    }
}

/// What the end of a run's loop means for the exit status; the words are the view's.
pub fn of_finish(finish: &Finish) -> Option<Kind> {
    match finish {
        Finish::Over(outcome, _) => of_outcome(*outcome),
        Finish::Stopped(_) | Finish::Left => Some(Kind::Stopped),
        Finish::CutOver(_) => Some(Kind::CutOver),
        Finish::Waiting(_) => Some(Kind::Waiting),
    }
}

/// What a run's outcome means for the exit status.
pub fn of_outcome(outcome: Outcome) -> Option<Kind> {
    match outcome {
        Outcome::Done | Outcome::Rehearsed => None,
        Outcome::Undone => Some(Kind::Undone),
        Outcome::Stopped => Some(Kind::Stopped),
        Outcome::CutOver => Some(Kind::CutOver),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_escaped_in_every_cause() {
        let error = anyhow::anyhow!("no file `\u{1b}[2Jx`").context("cannot read\r it");
        let text = Failure::new(Kind::Invalid, error).text(false);
        assert_eq!(text, "error: cannot read\\u{d} it: no file `\\u{1b}[2Jx`\n");
    }
}
