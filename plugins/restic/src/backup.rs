//! `restic.backup`: a mounted volume into a repository. It must not know that it is a snapshot's.
//!
//! The backup is born with the step's mark as a tag. restic leaves one behind also where it could not read some of the files
//! (status 3), and nothing in the repository tells that one from a whole one: only a status of 0 that was seen makes a backup
//! count. Any other that carries the mark is forgotten before the next attempt, and by undo.

use crate::mounted;
use crate::repository::{Repository, Snapshot, json_of, named, refused, words};
use cutwater_sdk::{
    Action, Answer, Bytes, Command, Context, Deserialize, Device, Done, Failure, Host, JsonSchema, Maybe,
    Needs, Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value, serde_json,
};

/// Backs a mounted volume up.
pub struct Backup;

/// What, and where to.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The repository's folder; `restic init` makes one.
    pub repository: Path,
    /// Name of the secret that holds its password.
    pub password: String,
    /// The device that is mounted at `at`; another one there is refused.
    pub device: Maybe<Device>,
    /// The mount point. The same one each time lets restic read only what has changed since the backup before.
    pub at: Path,
}

/// The backup.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// Its id.
    pub id: Maybe<String>,
    /// What it is of.
    pub at: Path,
    /// Files and folders in it.
    pub files: Maybe<u64>,
    /// Their size.
    pub bytes: Maybe<Bytes>,
}

impl Input {
    fn repository(&self) -> Result<Repository<'_>, Refusal> {
        Repository::new(&self.repository, &self.password)
    }

    fn command(&self, ctx: &Context<'_>) -> Result<Command, Refusal> {
        let command = self.repository()?.changing("backup");
        let tagged = command.args(["--json", "--one-file-system", "--tag", &ctx.mark]);
        Ok(tagged.arg(mounted::plain(self.at.as_str())?))
    }

    fn output(&self, ctx: &Context<'_>, snapshot: &Snapshot) -> Result<Output, Stop> {
        let repository = self.repository()?;
        let size = repository.reading("stats").args(["--json", "--mode", "restore-size", &snapshot.id]);
        let told = repository.ask(ctx, size)?;
        let number = |name: &str| json_of(&told.stdout).and_then(|size| size.get(name)?.as_u64());
        let (Some(files), Some(bytes)) = (number("total_file_count"), number("total_size")) else {
            return Err(Refusal::new("unclear", "restic does not tell the size of the backup").into());
        };
        Ok(Output {
            id: Maybe::Known(snapshot.id.clone()),
            at: self.at.clone(),
            files: Maybe::Known(files),
            bytes: Maybe::Known(Bytes(bytes)),
        })
    }
}

impl Action for Backup {
    const NAME: &'static str = "backup";
    const SUMMARY: &'static str = "Backs a mounted volume up; taken back, the backup is forgotten.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        let needs = Needs::default().run(&["restic"]).read(&["with:/device"]);
        needs.write(&["with:/repository"]).secrets(&["with:/password"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let repository = input.repository()?;
        let [unlock, forget] = repository.forget_effects();
        let output =
            Output { id: Maybe::later(), at: input.at.clone(), files: Maybe::later(), bytes: Maybe::later() };
        let shown = Shown::new([unlock, forget, repository.effect(input.command(ctx)?)]).output(output);
        Ok(shown.note("only a backup of this step that an attempt before left is forgotten, and only stale locks are removed"))
    }

    fn preview_undo(_: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let shown = Shown::new(input.repository()?.forget_effects()).output(());
        Ok(shown.note("the data of the backup stays in the repository until `restic prune`"))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let repository = input.repository()?;
        mounted::at(ctx, mounted::plain(input.at.as_str())?, input.device.known()?)?;
        repository.forget_all(ctx, &repository.marked(ctx)?)?;
        repository.remove_stale_locks(ctx)?;
        let told = repository.run_by_line(ctx, input.command(ctx)?, |line| progress(ctx, line))?;
        let made = repository.marked(ctx).map_err(|stop| unasked(stop, &words(&told)))?;
        match (told.success(), made.last()) {
            (true, Some(snapshot)) => {
                let output = input.output(ctx, snapshot);
                output.map(Done::Changed).map_err(|stop| unasked(stop, "the backup is made"))
            }
            (true, None) => {
                Err(Stop::Unknown("restic ended well, and no backup carries this step's mark".into()))
            }
            (false, None) => Err(refused(&told).into()),
            (false, Some(snapshot)) => {
                let (code, again) = named(&told);
                let left = format!("backup {}, which is not whole", snapshot.id);
                let failure = Failure::new(code, words(&told), left);
                Err(if again { failure.again() } else { failure }.into())
            }
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        let made = input.repository()?.marked(ctx)?;
        let Some(snapshot) = made.last() else { return Ok(Probed::NotApplied) };
        let backups = |exit: &&cutwater_sdk::Exit| exit.args.first().is_some_and(|verb| verb == "backup");
        match story.exits.iter().rfind(backups) {
            Some(exit) if exit.status == Some(0) => Ok(Probed::Applied(input.output(ctx, snapshot)?)),
            _ if story.output.is_some() => Ok(Probed::Applied(input.output(ctx, snapshot)?)),
            _ => Ok(Probed::PartWay(None)),
        }
    }

    fn undo(ctx: &Context<'_>, input: &Input, _: &Story) -> Answer<()> {
        let repository = input.repository()?;
        let made = repository.marked(ctx)?;
        if made.is_empty() {
            return Ok(Done::Unchanged(()));
        }
        repository.forget_all(ctx, &made)?;
        Ok(Done::Changed(()))
    }
}

/// restic's own figures, which come several times a second.
fn progress(ctx: &Context<'_>, line: &[u8]) {
    let Ok(status) = serde_json::from_slice::<Value>(line) else { return };
    let number = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or_default();
    if status.get("message_type").and_then(Value::as_str) == Some("status") {
        ctx.host().progress(number("bytes_done"), number("total_bytes"), "bytes");
    }
}

/// Behind the backup nothing is refused: there may be one.
fn unasked(stop: Stop, words: &str) -> Stop {
    match stop {
        Stop::Refused(refusal) => {
            Failure::new(refusal.code, format!("{}; {words}", refusal.message), "perhaps a backup")
                .again()
                .into()
        }
        other => other,
    }
}
