//! What an author writes: a type for each step, with its input, its output and what it does. It must not know how a
//! call crosses the boundary.

use crate::answer::{Answer, Probed, Refusal, Stop, Story};
use crate::context::Context;
use crate::effect::Shown;
use crate::maybe::{After, Maybe, NOT_KNOWN_YET};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// What a step needs granted. `with:/to` stands for the input at that pointer; anything else for itself.
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

/// Pointers into the input of a step that copies what somebody may be writing. The checker holds what they say against
/// the step's place and the workflow's purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Consistency {
    /// To one of `snapshot`, `quiesced` and `live`.
    pub level: &'static str,
    /// To whether this pass is the last.
    pub last: &'static str,
    /// To the waiver, `{by, because}`, of whoever answers for it.
    pub waiver: &'static str,
}

macro_rules! lists {
    ($($field:ident),*) => {
        impl Needs {
            $(
                /// Adds to the list of that name.
                pub fn $field(mut self, names: &[&str]) -> Self {
                    self.$field.extend(names.iter().map(|name| (*name).to_owned()));
                    self
                }
            )*

            /// It connects somewhere.
            pub fn connect(self) -> Self {
                Self { connect: true, ..self }
            }
        }
    };
}

lists!(run, on, read, write, mount, units, freeze, secrets);

/// A step that reads only.
pub trait Check {
    /// The action's name, as in `uses: lvm.check-extents`.
    const NAME: &'static str;
    /// What it does, in a line.
    const SUMMARY: &'static str;
    /// Pointers to inputs that name things whose identity is pinned and locked.
    const IDENTITIES: &'static [&'static str] = &[];
    /// What `with:` holds.
    type Input: DeserializeOwned + JsonSchema;
    /// What later steps can use.
    type Output: Serialize + JsonSchema;

    /// What it needs granted.
    fn needs() -> Needs {
        Needs::default()
    }

    /// Finds it out. Also called while planning, where a refusal ends the planning.
    fn run(ctx: &Context<'_>, input: &Self::Input) -> Result<Self::Output, Refusal>;

    /// Runs it, unless its input is not known yet: then its output is known after it. To be written anew where
    /// planning may reach less than running does.
    fn preview(ctx: &Context<'_>, input: &Self::Input) -> Result<Shown<Self::Output>, Refusal> {
        match Self::run(ctx, input) {
            Ok(output) => Ok(Shown::new([]).output(output)),
            Err(refusal) if refusal.code == NOT_KNOWN_YET => {
                let step = refusal.details.get("step").and_then(Value::as_str).unwrap_or_default().to_owned();
                let after = After { pointer: String::new(), step };
                Ok(Shown { output: Maybe::After(after), ..Shown::new([]) })
            }
            Err(refusal) => Err(refusal),
        }
    }
}

/// A step that changes something.
///
/// Every object that it makes is born with [`Context::mark`] in the same call, and probe and undo touch only objects
/// that carry it.
pub trait Action {
    /// The action's name, as in `uses: lvm.snapshot`.
    const NAME: &'static str;
    /// What it does, in a line.
    const SUMMARY: &'static str;
    /// What taking it back does.
    const UNDO: Undo;
    /// Whether it goes on beside the other steps until it is told to stop: then the host's calls that wait fault `stopping`,
    /// and it answers well. Nothing waits for it. It is begun again, from its checkpoint, by whoever goes on with the run.
    const WATCH: bool = false;
    /// With [`Undo::Discards`]: pointer to the input that names the scratch.
    const SCRATCH: Option<&'static str> = None;
    /// With [`Undo::None`]: all that it throws away was made by the run itself, so that it needs no way back inside a hold
    /// that carries what was made.
    const OWN_ONLY: bool = false;
    /// Pointers to inputs that name things whose identity is pinned and locked.
    const IDENTITIES: &'static [&'static str] = &[];
    /// With a step that copies what somebody may be writing: where its input says how still that is.
    const CONSISTENCY: Option<Consistency> = None;
    /// What `with:` holds; a field that another step may give is a [`Maybe`].
    type Input: DeserializeOwned + JsonSchema;
    /// What later steps can use; a field that a preview cannot know is a [`Maybe`].
    type Output: Serialize + JsonSchema;

    /// What it needs granted.
    fn needs() -> Needs {
        Needs::default()
    }

    /// Shows every changing program, statement and write to come, exactly. Changes nothing, and is called again just
    /// before apply: then with everything known, and the host admits what that call showed.
    fn preview(ctx: &Context<'_>, input: &Self::Input) -> Result<Shown<Self::Output>, Refusal>;

    /// The same for [`Action::undo`].
    fn preview_undo(_ctx: &Context<'_>, _input: &Self::Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([]))
    }

    /// Does it; goes on from the checkpoint where there is one.
    fn apply(ctx: &Context<'_>, input: &Self::Input, checkpoint: Option<Value>) -> Answer<Self::Output>;

    /// Finds out whether it happened, changing nothing. A stop becomes "cannot tell".
    fn probe(ctx: &Context<'_>, input: &Self::Input, story: &Story) -> Result<Probed<Self::Output>, Stop>;

    /// Takes it back, from any point at which apply may have stopped; unchanged if there was nothing to take back.
    fn undo(_ctx: &Context<'_>, _input: &Self::Input, _story: &Story) -> Answer<()> {
        Err(Refusal::new("no-undo", "there is no way back from this step").into())
    }
}
