//! `postgres.take-wal`: gives a copy that was made in backup mode what it needs to start: the WAL up to the position
//! where backup mode ended, which no copy made inside it can hold, and the label. It must not know how the copy was made.

use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Done, Effect, Failure, Finished, Host, JsonSchema, Maybe,
    Needs, Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Completes a copy.
pub struct TakeWal;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// `pg_wal` of the server.
    pub from: Path,
    /// `pg_wal` of the copy.
    pub to: Path,
    /// The data directory of the copy.
    pub data: Path,
    /// What the release of `quiesce` gave as `label`.
    pub label: Maybe<String>,
    /// What it gave as `wal`.
    pub wal: Maybe<Vec<String>>,
    /// What it gave as `spcmap`.
    #[serde(default)]
    pub spcmap: Option<Maybe<String>>,
    /// The user who owns the copy; `postgres` if none.
    #[serde(default)]
    pub owner: Option<String>,
}

/// What the copy has.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Its data directory.
    pub data: Path,
}

impl Action for TakeWal {
    const NAME: &'static str = "take-wal";
    const SUMMARY: &'static str = "Completes a copy made in backup mode: its WAL and its label.";
    const UNDO: Undo = Undo::Discards;
    const SCRATCH: Option<&'static str> = Some("/data");
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["cp", "dd"])
    }

    fn preview(_: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        if input.spcmap.as_ref().and_then(Maybe::get).is_some_and(|map| !map.is_empty()) {
            return Err(Refusal::new(
                "tablespaces",
                "a cluster with tablespaces is not completed yet by this step",
            ));
        }
        let effects = [Effect::run(&copy(input)), Effect::run(&label(input))];
        Ok(Shown::new(effects).output(Output { data: input.data.clone() }))
    }

    fn preview_undo(_: &Context<'_>, _: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([]).note("the copy is thrown away as a whole, with its volume"))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let mut copied = ctx.host().run(&copy(input))?;
        // A file that the server recycles while it is copied makes the copy fail, and is not needed.
        for _ in 0..2 {
            if !copied.success() {
                copied = ctx.host().run(&copy(input))?;
            }
        }
        if !copied.success() {
            return Err(part_way("no-wal", copied.words()).into());
        }
        if let Some(file) = lacks(ctx, input)? {
            return Err(part_way("no-wal", format!("the server has recycled {file} already")).into());
        }
        let written: Finished = ctx.host().run(&label(input))?;
        match written.success() {
            true => Ok(Done::Changed(Output { data: input.data.clone() })),
            false => Err(part_way("no-label", written.words()).into()),
        }
    }

    fn probe(_: &Context<'_>, _: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        Ok(Probed::PartWay(None))
    }

    fn undo(_: &Context<'_>, _: &Input, _: &Story) -> Answer<()> {
        Ok(Done::Unchanged(()))
    }
}

/// The whole folder: the names of the files are known only after backup mode, the plan's command line is not.
fn copy(input: &Input) -> Command {
    Command::new("cp").arg("-a").arg(format!("{}/.", input.from)).arg(format!("{}/", input.to))
}

/// As the owner: the server renames and syncs the file when it starts.
fn label(input: &Input) -> Command {
    let of = format!("of={}/backup_label", input.data);
    Command::new("dd")
        .args([of.as_str(), "conv=fsync", "status=none"])
        .user(input.owner.as_deref().unwrap_or("postgres"))
        .stdin(input.label.to_string())
}

/// The first file that the copy needs and does not have.
fn lacks(ctx: &Context<'_>, input: &Input) -> Result<Option<String>, Stop> {
    for name in input.wal.known()? {
        let path = format!("{}/{name}", input.to);
        match ctx.host().stat(&path) {
            Err(fault) if fault.is_missing() => return Ok(Some(path)),
            // Without a grant to look, the copy's own word is all there is.
            Err(fault) if fault.is_denied() => return Ok(None),
            stat => drop(stat?),
        }
    }
    Ok(None)
}

fn part_way(code: &str, words: String) -> Failure {
    Failure::new(code, words, "the copy is not complete").again()
}
