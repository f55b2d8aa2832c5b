//! The plan: what will run, in which order, and what each step showed beforehand. It holds no way to make one out of
//! nothing: a plan comes from a checked document. It must not know how steps are run.

use crate::describe::Undo;
use crate::effect::Shown;
use crate::grant::Grants;
use crate::names::StepName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the plan's own format, first thing in the hash.
pub const PLAN_FORMAT: u32 = 1;

/// What will run. Serialised whole into the journal, so that a run needs nothing else to go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// The workflow's name.
    pub name: String,
    /// Its summary.
    #[serde(default)]
    pub summary: String,
    /// The document's text, as it was read.
    pub document: String,
    /// The inputs, defaults filled in.
    pub inputs: Map<String, Value>,
    /// What happens when a step fails before the mark.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// When outages may begin and the mark be crossed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What no other run may touch meanwhile.
    #[serde(default)]
    pub locks: BTreeSet<String>,
    /// The steps in an order in which they could run one by one; an inner step stands after the step that encloses it.
    pub steps: Vec<PlanStep>,
    /// Effective grants by plugin.
    pub grants: BTreeMap<String, Grants>,
    /// Digest of each plugin's component.
    pub components: BTreeMap<String, String>,
    /// Digest of the host's policy.
    pub policy: String,
    /// BLAKE3 over all that an approval is bound to, hex.
    pub hash: String,
}

/// What happens when a step fails before the mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Everything is undone, in reverse order.
    #[default]
    Undo,
    /// The run waits for a person (`resume`, `undo`, `abort`); holds and outages are still given back.
    Pause,
    /// What was done stays; holds and outages are still given back.
    Keep,
}

/// What a workflow is for. It decides what the checker lets it copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Something moves to another place for good.
    Migration,
    /// A copy is kept up for the day on which the original is lost.
    DisasterRecovery,
}

/// The time of day in which outages may begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// "HH:MM".
    pub opens: String,
    /// "HH:MM"; earlier than `opens` means the next day.
    pub closes: String,
    /// IANA name.
    pub timezone: String,
}

/// One step of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlanStep {
    /// Its name, unique in the plan.
    pub name: StepName,
    /// The hold or outage around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<StepName>,
    /// What it is.
    pub body: Body,
    /// Steps that must have ended well before it may start: from data, from `needs`, from the order inside an outage
    /// or hold. A need on a hold or outage from outside is on its end.
    #[serde(default)]
    pub needs: BTreeSet<StepName>,
    /// CEL; false skips the step.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What `each` stands for in this instance of a `for-each`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<Each>,
    /// The input, with `${{ … }}` still in it.
    #[serde(default)]
    pub with: Value,
    /// How often and how.
    #[serde(default)]
    pub retry: Retry,
    /// An attempt that takes longer is told to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whether it is the point of no return.
    #[serde(default)]
    pub mark: bool,
    /// Whether it runs at the end, whatever the outcome.
    #[serde(default)]
    pub finally: bool,
    /// What it showed beforehand.
    #[serde(default)]
    pub shown: Shown,
    /// What its undo showed beforehand; for a hold, its release.
    #[serde(default)]
    pub undo_shown: Shown,
    /// The line of the document that defines it.
    #[serde(default)]
    pub line: u32,
}

/// What a step is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Body {
    /// Reads only.
    Check { plugin: String, action: String },
    /// Changes something. A `watch` goes on beside the other steps until it is told to stop; nothing waits for it.
    Action {
        plugin: String,
        action: String,
        undo: Undo,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        watch: bool,
    },
    /// Pauses something while its inner steps run; or, where it `carries`, lends them what they build on, and is given back
    /// behind them.
    Hold {
        plugin: String,
        action: String,
        limit_ms: u64,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        carries: bool,
    },
    /// Groups steps that take a service down and bring it up elsewhere.
    Outage { limit_ms: u64 },
    /// Waits for a person.
    Approve { message: String, by: Vec<String>, expires_ms: Option<u64> },
    /// Collects the outputs of a `for-each`'s instances, by key.
    Gather { of: Vec<(String, StepName)>, at_most: Option<u32> },
}

impl PlanStep {
    /// Whether it goes on beside the other steps until it is told to stop.
    pub fn watches(&self) -> bool {
        matches!(self.body, Body::Action { watch: true, .. })
    }
}

/// The pair that `each.key` and `each.value` stand for, and how many siblings may run at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Each {
    /// The gathering step.
    pub of: StepName,
    /// `each.key`.
    pub key: String,
    /// `each.value`.
    pub value: Value,
}

/// Retry where the answer says that trying again may help.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retry {
    /// How many attempts after the first.
    pub times: u32,
    /// How long to wait before the first of them; doubles each time.
    pub wait_ms: u64,
}

impl Plan {
    /// The step of that name.
    pub fn step(&self, name: &StepName) -> Option<&PlanStep> {
        self.steps.iter().find(|step| &step.name == name)
    }

    /// The steps directly inside a hold or outage, in plan order.
    pub fn inner<'a>(&'a self, around: &'a StepName) -> impl Iterator<Item = &'a PlanStep> {
        self.steps.iter().filter(move |step| step.within.as_ref() == Some(around))
    }
}

impl Body {
    /// Plugin and action, where a plugin does it.
    pub fn uses(&self) -> Option<(&str, &str)> {
        match self {
            Self::Check { plugin, action }
            | Self::Action { plugin, action, .. }
            | Self::Hold { plugin, action, .. } => Some((plugin, action)),
            Self::Outage { .. } | Self::Approve { .. } | Self::Gather { .. } => None,
        }
    }

    /// Whether it is a hold that its inner steps build on.
    pub fn carries(&self) -> bool {
        matches!(self, Self::Hold { carries: true, .. })
    }

    /// Whether it is an action with a way back.
    pub fn undoes(&self) -> bool {
        matches!(self, Self::Action { undo, .. } if *undo != Undo::None)
    }
}
