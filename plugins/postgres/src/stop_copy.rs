//! `postgres.stop-copy`: ends the throw-away server that this run started on a copy; there is no way back. It must not
//! know what was asked of it.

use crate::copied::Copied;
use crate::serve_copy;
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Done, JsonSchema, Needs, Path, Probed, Refusal, Serialize, Shown,
    Stop, Story, Undo, Value,
};

/// Ends the server of a copy.
pub struct StopCopy;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The data directory of the copy.
    pub data: Path,
    /// The user who owns it; `postgres` if none.
    #[serde(default)]
    pub user: Option<String>,
}

/// Nothing.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {}

impl Input {
    fn copied(&self) -> Copied<'_> {
        Copied { data: &self.data, wal: None, user: self.user.as_deref().unwrap_or("postgres") }
    }
}

impl Action for StopCopy {
    const NAME: &'static str = "stop-copy";
    const SUMMARY: &'static str = "Ends the throw-away server of a copy; no server is fine too.";
    const UNDO: Undo = Undo::None;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["pgrep", "pg_ctl"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        input.copied().must_be_plain()?;
        Ok(Shown::new(serve_copy::stop_effects(ctx, &input.copied())).output(Output {}))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let copied = input.copied();
        let ours = copied.is_ours(ctx)?;
        serve_copy::stop(ctx, &copied)?;
        match ours {
            true => Ok(Done::Changed(Output {})),
            false => Ok(Done::Unchanged(Output {})),
        }
    }

    /// Ending what has ended already does nothing.
    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        Ok(match input.copied().is_ours(ctx)? {
            true => Probed::PartWay(None),
            false => Probed::NotApplied,
        })
    }
}
