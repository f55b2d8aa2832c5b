//! Steps that pause something which goes on unchanged when it is given back. It must not know who decides when.

use crate::answer::{Answer, Refusal};
use crate::context::Context;
use crate::effect::Shown;
use crate::step::Needs;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Its inner steps are done.
    Done,
    /// An inner step failed.
    Failed,
    /// Its limit passed.
    Limit,
    /// A person or a signal aborted the run.
    Aborted,
}

/// All that the guard may do alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GiveBack {
    /// Thaw the file system mounted at this path.
    Thaw(String),
    /// Shut down the stream with this number.
    HangUp(u32),
}

/// A hold that was taken.
#[derive(Debug)]
pub struct Take<H, T> {
    /// What it keeps while it lasts, such as an open session.
    pub held: H,
    /// What inner steps see.
    pub output: T,
    /// What the guard does if nobody gives it back.
    pub give_backs: Vec<GiveBack>,
}

/// A step that pauses something while its inner steps run.
pub trait Hold {
    /// The action's name, as in `uses: fs.freeze`.
    const NAME: &'static str;
    /// What it does, in a line.
    const SUMMARY: &'static str;
    /// Pointers to inputs that name things whose identity is pinned and locked.
    const IDENTITIES: &'static [&'static str] = &[];
    /// Whether what inner steps make lies on it. On the way back those are then taken back first. It is asked for once
    /// before them all the same where its holder has died: to put together again what a boot took apart.
    const CARRIES: bool = false;
    /// What `with:` holds.
    type Input: DeserializeOwned + JsonSchema;
    /// What inner steps can use.
    type Taken: Serialize + JsonSchema;
    /// What steps after it can use.
    type Released: Serialize + JsonSchema;
    /// What it keeps while it lasts.
    type Held: 'static;

    /// What it needs granted.
    fn needs() -> Needs {
        Needs::default()
    }

    /// Shows what taking it does.
    fn preview(ctx: &Context<'_>, input: &Self::Input) -> Result<Shown<Self::Taken>, Refusal>;

    /// Shows what giving it back does.
    fn preview_release(ctx: &Context<'_>, input: &Self::Input) -> Result<Shown<Self::Released>, Refusal>;

    /// Pauses it. A refusal leaves nothing paused.
    fn take(ctx: &Context<'_>, input: &Self::Input) -> Result<Take<Self::Held, Self::Taken>, Refusal>;

    /// Whether it has lasted without a break; asked after each inner step and when one of its streams stirs.
    fn intact(ctx: &Context<'_>, held: &mut Self::Held) -> Result<(), String>;

    /// Gives it back.
    fn release(ctx: &Context<'_>, held: &mut Self::Held, how: Ending) -> Answer<Self::Released>;

    /// Makes sure that nothing is paused any more, after whoever held it died.
    fn release_orphan(ctx: &Context<'_>, input: &Self::Input) -> Answer<()>;
}
