//! What a plugin says of itself: its steps, their kinds, schemas and needs; and the catalogue of all of them.
//! It must not know WebAssembly.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// All plugins that a document may use, by name.
pub type Catalog = BTreeMap<String, Plugin>;

/// One plugin's own description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plugin {
    /// The name by which workflows use it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for, in a line.
    #[serde(default)]
    pub summary: String,
    /// Its steps, by action name.
    pub steps: BTreeMap<String, StepType>,
    /// BLAKE3 of the component, hex; filled in by the host.
    #[serde(default)]
    pub digest: String,
}

/// One step that a plugin offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepType {
    /// Reads only, changes, or holds.
    pub kind: Kind,
    /// What it does, in a line.
    #[serde(default)]
    pub summary: String,
    /// JSON Schema (stated subset) of `with:`.
    pub input: Value,
    /// JSON Schema of its output. A property with `"x-estimate": true` is one that drifts. For a hold: the `released` output.
    pub output: Value,
    /// Holds: JSON Schema of the output that inner steps see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Value>,
    /// What it needs granted.
    #[serde(default)]
    pub needs: Needs,
    /// What taking it back does.
    #[serde(default)]
    pub undo: Undo,
    /// An action that goes on beside the other steps until it is told to stop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub watch: bool,
    /// With `undo: discards`: pointer to the input that names the scratch that is discarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch: Option<String>,
    /// Pointers to inputs that name things whose identity is pinned and locked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<String>,
    /// With a step that copies what somebody may be writing: where its input says how still that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// Holds: what its inner steps make lies on it, so that on the way back they are taken back before it is given back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub carries: bool,
    /// Actions without a way back: all that it throws away was made by the run itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_only: bool,
}

/// Pointers into the input of a step that copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// To one of `snapshot` (read from a frozen image), `quiesced` (read where it lies, and nobody writes) and `live`
    /// (read where it lies, while it is written).
    pub level: String,
    /// To whether this pass is the last, after which the copy is used.
    pub last: String,
    /// To the waiver, `{by, because}`, of whoever answers for a last pass that is read where it lies.
    pub waiver: String,
}

/// The three kinds of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Reads only.
    Check,
    /// Changes something.
    Action,
    /// Pauses something that goes on unchanged when given back.
    Hold,
}

/// What taking a step back does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// Puts back what was.
    Restores,
    /// Throws away declared scratch.
    Discards,
    /// There is no way back.
    #[default]
    None,
}

/// What a step needs granted. A text that begins with `/` and names an input (`/to`) is a pointer into the input when
/// prefixed with `with:` (`with:/to`); anything else stands for itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Needs {
    /// Programs.
    pub run: Vec<String>,
    /// Objects of those programs.
    pub on: Vec<String>,
    /// Files and devices read.
    pub read: Vec<String>,
    /// Files and devices written.
    pub write: Vec<String>,
    /// Mount points.
    pub mount: Vec<String>,
    /// Services.
    pub units: Vec<String>,
    /// File systems frozen.
    pub freeze: Vec<String>,
    /// Whether it connects anywhere.
    pub connect: bool,
    /// Secrets.
    pub secrets: Vec<String>,
}
