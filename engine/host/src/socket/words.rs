//! What client and owner say: one JSON line there, one back. It must not know sockets.

use cutwater_core::names::StepName;
use cutwater_driver::ports::Command;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Longest line, in bytes.
pub const LONGEST: u64 = 64 * 1024;

/// What a person asks of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask", deny_unknown_fields)]
pub enum Request {
    /// Yes to an approval.
    Approve {
        /// Which; none: the only one that waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepName>,
        /// The hash of the plan that the person saw.
        plan: String,
    },
    /// Start nothing new.
    Pause,
    /// End a pause.
    Resume,
    /// Undo everything.
    Abort,
    /// Decide an unknown.
    Settle {
        /// Which step.
        step: StepName,
        /// Whether it happened.
        applied: bool,
        /// Why the person thinks so.
        because: String,
    },
    /// Stop now, as if killed.
    Quit,
    /// Is anybody there? Answered without the run's loop.
    Ping,
}

/// The owner's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It is done, in words.
    Done(String),
    /// It is not, and why.
    Refused(String),
}

impl Request {
    /// Reads a request; one that holds anything unknown is none.
    pub fn receive(from: impl Read) -> io::Result<Self> {
        let said: serde_json::Value = receive(from)?;
        let request = Self::deserialize(&said)?;
        // Serde lets unknown keys beside a tag without fields pass.
        if serde_json::to_value(&request)? == said {
            Ok(request)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the request holds something unknown"))
        }
    }

    /// What it means to the run's loop, coming from `by` with these roles; none for a ping.
    pub fn command(self, by: String, roles: Vec<String>) -> Option<Command> {
        Some(match self {
            Self::Approve { step, plan } => Command::Approve { step, by, roles, plan },
            Self::Pause => Command::Pause { by },
            Self::Resume => Command::Resume { by },
            Self::Abort => Command::Abort { by },
            Self::Settle { step, applied, because } => Command::Settle { step, applied, by, because },
            Self::Quit => Command::Quit,
            Self::Ping => return None,
        })
    }
}

/// Where the owner of a run listens.
pub fn path(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("{run}.sock"))
}

/// Writes one line.
pub fn send(mut to: impl Write, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads one line; `InvalidData` for what is too long or is not what was expected.
pub fn receive<T: for<'a> Deserialize<'a>>(from: impl Read) -> io::Result<T> {
    let mut line = String::new();
    BufReader::new(from.take(LONGEST)).read_line(&mut line)?;
    if !line.ends_with('\n') {
        let why = if line.is_empty() { "nothing was said" } else { "the line is too long or cut short" };
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(serde_json::from_str(&line)?)
}
