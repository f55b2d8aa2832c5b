//! The things to come that a preview shows. At run time the host admits what was shown and nothing else, so a step
//! builds its commands in one place and shows exactly what it will ask for. It must not know how they are carried out.

use crate::host::{Command, CopyRequest, ResyncRequest};
use crate::maybe::{Maybe, as_marker};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One thing to come: `run`, `sql`, `write`, `remove`, `block`, `freeze` or `opaque`, and its particulars.
/// A text in `detail` may hold the placeholder of a [`Maybe`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What kind of thing.
    pub kind: String,
    /// Its particulars, by kind.
    pub detail: Value,
}

impl Effect {
    /// An effect of any kind.
    pub fn new(kind: &str, detail: Value) -> Self {
        Self { kind: kind.to_owned(), detail }
    }

    /// A program is run.
    pub fn run(command: &Command) -> Self {
        let mut detail = json!({ "program": command.program, "args": command.args });
        if let Some(user) = &command.user {
            detail["as"] = json!(user);
        }
        if !command.stdin.is_empty() {
            detail["stdin"] = json!(String::from_utf8_lossy(&command.stdin));
        }
        Self::new("run", detail)
    }

    /// A statement is sent. `address` is the one given to `connect`.
    pub fn sql(address: &Value, text: impl Into<String>) -> Self {
        Self::new("sql", json!({ "address": address, "text": text.into() }))
    }

    /// A statement that only reads is sent.
    pub fn sql_read(address: &Value, text: impl Into<String>) -> Self {
        Self::new("sql", json!({ "address": address, "text": text.into(), "reads": true }))
    }

    /// A file gets new content.
    pub fn write(path: impl ToString, content: impl ToString) -> Self {
        Self::new("write", json!({ "path": path.to_string(), "content": content.to_string() }))
    }

    /// A file is removed.
    pub fn remove(path: impl ToString) -> Self {
        Self::new("remove", json!({ "path": path.to_string() }))
    }

    /// A folder is made where missing (a mount point).
    pub fn make_folder(path: impl ToString) -> Self {
        Self::new("write", json!({ "path": path.to_string(), "folder": true }))
    }

    /// A device is copied to another.
    pub fn copy(request: &CopyRequest) -> Self {
        Self::block("copy", request)
    }

    /// The changed chunks of a device are copied to another.
    pub fn resync(request: &ResyncRequest) -> Self {
        Self::block("resync", request)
    }

    /// The first and last MiB of a device are zeroed.
    pub fn erase(to: impl ToString) -> Self {
        Self::new("block", json!({ "verb": "erase", "to": to.to_string() }))
    }

    fn block(verb: &str, request: &impl Serialize) -> Self {
        let mut detail = json!({ "verb": verb });
        if let (Some(detail), Ok(Value::Object(fields))) =
            (detail.as_object_mut(), serde_json::to_value(request))
        {
            let fields = fields.into_iter().filter(|(key, _)| !UNSHOWN.contains(&key.as_str()));
            detail.extend(fields.map(|(key, value)| (key, shown(value))));
        }
        Self::new("block", detail)
    }

    /// A mounted file system is frozen, and thawed again.
    pub fn freeze(at: impl ToString) -> Self {
        Self::new("freeze", json!({ "at": at.to_string() }))
    }

    /// A stream whose content cannot be shown.
    pub fn opaque(address: &Value) -> Self {
        Self::new("opaque", json!({ "address": address }))
    }
}

/// What the host does not look for in the plan: it changes from part to part and from attempt to attempt.
const UNSHOWN: [&str; 7] = ["offset", "length", "base", "resume", "slack", "first", "progress"];

/// Puts the placeholder where a value is not known.
fn shown(value: Value) -> Value {
    match as_marker(&value) {
        Some(after) => Value::String(after.placeholder()),
        None => value,
    }
}

/// What a step would do, and what it would give.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown<T> {
    /// What would be done, in order.
    pub effects: Vec<Effect>,
    /// The output as far as it is known beforehand; `After` without a step means after this one.
    pub output: Maybe<T>,
    /// Time and space, never part of the plan's hash.
    pub estimate: Estimate,
    /// Words for the reader of the plan.
    pub notes: Vec<String>,
}

/// What a step is expected to take.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Estimate {
    /// How long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// How much is moved or stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Either, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl<T> Shown<T> {
    /// These effects, and an output that is known once they are done.
    pub fn new(effects: impl IntoIterator<Item = Effect>) -> Self {
        Self {
            effects: effects.into_iter().collect(),
            output: Maybe::later(),
            estimate: Estimate::default(),
            notes: Vec::new(),
        }
    }

    /// The output to come; its `Maybe` fields tell what is not known of it yet.
    pub fn output(self, output: T) -> Self {
        Self { output: Maybe::Known(output), ..self }
    }

    /// How long it takes.
    pub fn seconds(mut self, seconds: f64) -> Self {
        self.estimate.seconds = Some(seconds);
        self
    }

    /// How many bytes it moves or stores.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.estimate.bytes = Some(bytes);
        self
    }

    /// Adds words for the reader of the plan.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}
