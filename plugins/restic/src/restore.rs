//! `restic.restore`: a backup into a mounted volume, which then holds what the backup holds and nothing else. It must not know
//! what becomes of the volume.
//!
//! The volume is emptied first. restic 0.14 removes nothing that the backup does not have, and where a link lies in the place of
//! a file it writes through it, to wherever the link shows; into an empty tree it does neither. The volume is restored below a
//! folder of its own (its mount point ends with the path that was backed up), for restic also gives the folders above that path
//! the owner, the mode and the times that they had: never to those of the machine.

use crate::check::told;
use crate::mounted;
use crate::repository::{Repository, named, words};
use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Device, Done, Effect, Failure, Host, JsonSchema, Maybe,
    Needs, Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Restores a backup.
pub struct Restore;

/// Which, and where to.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The repository's folder.
    pub repository: Path,
    /// Name of the secret that holds its password.
    pub password: String,
    /// The backup, by at least 8 digits of its id.
    pub id: Maybe<String>,
    /// The device that is mounted at `at`; another one there is refused.
    pub device: Maybe<Device>,
    /// The mount point: some folder, and below it the path that was backed up. All that is there is lost.
    pub at: Path,
}

/// What was restored.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The backup.
    pub id: Maybe<String>,
    /// Where it is now.
    pub at: Path,
}

impl Input {
    fn repository(&self) -> Result<Repository<'_>, Refusal> {
        Repository::new(&self.repository, &self.password)
    }

    fn at(&self) -> Result<&str, Refusal> {
        mounted::plain(self.at.as_str())
    }

    fn output(&self) -> Output {
        Output { id: self.id.clone(), at: self.at.clone() }
    }

    fn empty(&self) -> Result<Command, Refusal> {
        Ok(Command::new("find").args([self.at()?, "-xdev", "-mindepth", "1", "-delete"]))
    }

    /// `of` is the path that was backed up.
    fn restore(&self, of: &Maybe<String>, above: &Maybe<String>) -> Result<Command, Refusal> {
        let command = self.repository()?.changing("restore").args(["--no-lock", "--verify"]);
        Ok(command.arg("--target").arg(above).arg("--include").arg(of).arg(&self.id))
    }

    /// The path that was backed up, and the folder below which it is restored.
    fn places(&self, ctx: &Context<'_>) -> Result<(String, String), Stop> {
        let snapshot = self.repository()?.find(ctx, self.id.known()?)?;
        let of = mounted::plain(snapshot.path()?)?;
        match self.at()?.strip_suffix(of).filter(|above| !above.is_empty()) {
            Some(above) => Ok((of.to_owned(), above.to_owned())),
            None => {
                let message = format!(
                    "backup {} is of {of}, and restic restores it to FOLDER{of}: mount the volume there, and not at {}",
                    snapshot.id, self.at
                );
                Err(Refusal::new("other-path", message).into())
            }
        }
    }
}

impl Action for Restore {
    const NAME: &'static str = "restore";
    const SUMMARY: &'static str = "Empties a mounted volume and restores a backup into it.";
    const UNDO: Undo = Undo::Discards;
    const SCRATCH: Option<&'static str> = Some("/device");
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        let needs = Needs::default().run(&["restic", "find"]).read(&["with:/repository"]);
        needs.write(&["with:/device", "with:/at"]).secrets(&["with:/password"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let (of, above) = match input.id.get() {
            Some(_) => {
                let (of, above) = input.places(ctx).map_err(told)?;
                (Maybe::Known(of), Maybe::Known(above))
            }
            None => (Maybe::later(), Maybe::later()),
        };
        let restore = input.repository()?.effect(input.restore(&of, &above)?);
        let shown = Shown::new([Effect::run(&input.empty()?), restore]).output(input.output());
        Ok(shown.note(format!("all that lies at {} is lost", input.at)))
    }

    fn preview_undo(_: &Context<'_>, _: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([]).output(()).note("the volume is thrown away as a whole"))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let (of, above) = input.places(ctx)?;
        let mount = mounted::at(ctx, input.at()?, input.device.known()?)?;
        if mount.options.split(',').any(|option| option == "ro") {
            return Err(Refusal::new("read-only", format!("{} is mounted read-only", input.at)).into());
        }
        let left = format!("part of what {} held, and part of the backup", input.at);
        let emptied = ctx.host().run(&input.empty()?)?;
        if !emptied.success() {
            return Err(Failure::new("not-emptied", words(&emptied), left).again().into());
        }
        let restore = input.restore(&Maybe::Known(of), &Maybe::Known(above))?;
        let restored = input.repository()?.run_by_line(ctx, restore, |_| ())?;
        if !restored.success() {
            let (code, again) = named(&restored);
            let code = if code == "restic" { "not-restored" } else { code };
            let failure = Failure::new(code, words(&restored), left);
            return Err(if again { failure.again() } else { failure }.into());
        }
        Ok(Done::Changed(input.output()))
    }

    /// Nothing tells a whole tree from one that lacks its last file. It is done again, from the beginning.
    fn probe(_: &Context<'_>, _: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        Ok(Probed::PartWay(None))
    }

    fn undo(_: &Context<'_>, _: &Input, _: &Story) -> Answer<()> {
        Ok(Done::Unchanged(()))
    }
}
