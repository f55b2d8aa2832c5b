//! `restic.check`: whether a repository, and the data in it, is whole. It must not know what is done with the answer.

use crate::repository::{Repository, refused};
use cutwater_sdk::{Context, Deserialize, JsonSchema, Maybe, Needs, Path, Refusal, Serialize, Stop};

/// Checks a repository.
pub struct Check;

/// How much of the data is read back. What is not read is believed by its name and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub enum ReadData {
    /// All of it: no damaged pack goes unseen.
    All,
    /// A tenth, chosen at random.
    Tenth,
    /// None: the structure alone.
    None,
}

/// Which, and how thoroughly.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The repository's folder.
    pub repository: Path,
    /// Name of the secret that holds its password.
    pub password: String,
    /// A backup that must be there.
    pub id: Option<Maybe<String>>,
    /// How much of the data is read back; all if absent.
    pub read_data: Option<ReadData>,
}

/// What was found.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The backup, with all its digits.
    pub id: Option<String>,
    /// What the backup is of.
    pub of: Option<String>,
}

impl Input {
    fn look(&self, ctx: &Context<'_>) -> Result<Output, Stop> {
        let repository = Repository::new(&self.repository, &self.password)?;
        let Some(id) = &self.id else { return Ok(Output { id: None, of: None }) };
        let snapshot = repository.find(ctx, id.known()?)?;
        Ok(Output { of: Some(snapshot.path()?.to_owned()), id: Some(snapshot.id) })
    }
}

impl cutwater_sdk::Check for Check {
    const NAME: &'static str = "check";
    const SUMMARY: &'static str = "Checks that a repository and the data in it are whole.";
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["restic"]).read(&["with:/repository"]).secrets(&["with:/password"])
    }

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        let output = input.look(ctx).map_err(told)?;
        // Reading the data may take hours: that is done when the step's turn comes.
        if ctx.planning() {
            return Ok(output);
        }
        let repository = Repository::new(&input.repository, &input.password)?;
        let command = repository.reading("check");
        let command = match input.read_data.unwrap_or(ReadData::All) {
            ReadData::All => command.arg("--read-data"),
            ReadData::Tenth => command.args(["--read-data-subset", "10%"]),
            ReadData::None => command,
        };
        let finished = repository.run(ctx, command).map_err(told)?;
        if finished.success() { Ok(output) } else { Err(refused(&finished)) }
    }
}

/// A check has nothing to leave behind: whatever stops it refuses it.
pub fn told(stop: Stop) -> Refusal {
    match stop {
        Stop::Refused(refusal) => refusal,
        Stop::Failed(failure) => Refusal::new(failure.code, failure.message),
        Stop::Unknown(why) => Refusal::new("not-known", why),
        Stop::Fault(fault) => fault.into(),
    }
}
