//! `postgres.base-backup`: pg_basebackup with its WAL and a manifest, into a folder of its own, verified by pg_verifybackup. It
//! must not know what becomes of it.

use crate::address::Address;
use crate::client::{Client, as_user, run};
use crate::facts;
use crate::folder::{Folder, Found, is_made, part_way};
use crate::session::Session;
use crate::statement::{IDENTITY, TABLESPACES};
use cutwater_sdk::{
    Action, Answer, Bytes, Command, Context, Deserialize, Done, Effect, Failure, Host, JsonSchema, Maybe,
    Needs, Path, Probed, Rate, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Takes a base backup.
pub struct BaseBackup;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Input {
    /// Where the server is; its pg_hba.conf must let the role in for `replication`.
    #[serde(default)]
    pub address: Address,
    /// The folder: not there yet, or empty and writable for the user who connects.
    pub to: Path,
    /// The highest rate, 32KiB/s to 1GiB/s; none if none.
    #[serde(default)]
    pub at_most: Option<Rate>,
}

/// The backup.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Its data directory.
    pub data: Path,
    /// The system identifier, as text.
    pub identity: Maybe<String>,
    /// How many files.
    pub files: Maybe<u64>,
    /// Their size.
    pub bytes: Maybe<Bytes>,
}

impl Input {
    fn folder(&self) -> Folder<'_> {
        Folder { path: &self.to, name: "data", user: self.address.system_user() }
    }

    /// In KiB/s, as the program takes it.
    fn rate(&self) -> Result<Option<u64>, Refusal> {
        let wrong = || Refusal::new("invalid-input", "`at-most` is 32KiB/s to 1GiB/s");
        let inside =
            |rate: Rate| Some(rate.0 / 1024).filter(|rate| (32..=1 << 20).contains(rate)).ok_or_else(wrong);
        self.at_most.map(inside).transpose()
    }

    fn command(&self, ctx: &Context<'_>, client: &Client<'_>) -> Result<Command, Refusal> {
        // Streaming, it starts a second process that outlives it for ever, waiting for WAL, where it is killed itself.
        let fixed =
            ["--format=plain", "--wal-method=fetch", "--checkpoint=fast", "--manifest-checksums=SHA256"];
        let command = client.command("pg_basebackup").arg(format!("--pgdata={}", self.folder().content()));
        let command = command.args(fixed).arg(format!("--label={}", ctx.mark));
        Ok(command.args(self.rate()?.map(|rate| format!("--max-rate={rate}"))).arg("--progress"))
    }

    /// Reads every byte, and the WAL that the backup needs.
    fn verify(&self, ctx: &Context<'_>) -> Result<Output, Stop> {
        let folder = self.folder();
        let verify = as_user(Command::reading("pg_verifybackup").arg(folder.content()), &self.address);
        let told = run(ctx, &verify, |_| (), |_| ())?;
        if !told.success() {
            let message = format!("the backup is not whole: {}", told.words());
            return Err(Refusal::new("damaged", message).into());
        }
        let size = folder.size(ctx)?;
        let data: Path = folder.content().into();
        Ok(Output {
            identity: identity(ctx, &self.address, &data)?.into(),
            data,
            files: size.files.into(),
            bytes: size.bytes.into(),
        })
    }
}

impl Action for BaseBackup {
    const NAME: &'static str = "base-backup";
    const SUMMARY: &'static str = "Takes a base backup with its WAL, and verifies it against its manifest.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        let programs = ["pg_basebackup", "pg_verifybackup", "find", "mkdir", "chown", "rm", "rmdir", "sync"];
        Needs::default().connect().run(&programs).write(&["with:/to"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let client = Client::new(ctx, &input.address)?;
        let folder = input.folder();
        folder.must_be_free(ctx)?;
        let to = input.address.connect()?;
        let mut effects: Vec<Effect> =
            [TABLESPACES, IDENTITY].into_iter().map(|text| Effect::sql_read(&to, text)).collect();
        effects.extend(folder.effects(ctx));
        effects.push(client.effect(input.command(ctx, &client)?));
        effects.push(folder.keep_effect());
        let output = Output {
            data: folder.content().into(),
            identity: Maybe::later(),
            files: Maybe::later(),
            bytes: Maybe::later(),
        };
        Ok(Shown::new(effects).output(output).note("a folder is made only where it is missing, and only what an attempt of this step has left is removed"))
    }

    fn preview_undo(_: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new(input.folder().undo_effects()).output(()))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let client = Client::new(ctx, &input.address)?;
        let command = input.command(ctx, &client)?;
        no_tablespaces(ctx, &input.address)?;
        input.folder().prepare(ctx, checkpoint.as_ref())?;
        let told = client.run(ctx, command, |line| {
            if let Some((done, total)) = progress(line) {
                ctx.host().progress(done, total, "bytes");
            }
        })?;
        let left = || format!("part of a base backup in {}", input.to);
        if !told.success() {
            let failure = Failure::new("not-backed-up", told.words(), left());
            return Err(if told.status.is_none() { failure.again() } else { failure }.into());
        }
        match input.verify(ctx).and_then(|output| input.folder().keep(ctx).map(|()| output)) {
            Ok(output) => Ok(Done::Changed(output)),
            Err(Stop::Refused(refusal)) => Err(part_way(refusal, left()).into()),
            Err(other) => Err(other),
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        match input.folder().look(ctx)? {
            Found::Ours => {}
            Found::Empty if is_made(story.checkpoint.as_ref()) => return Ok(Probed::PartWay(None)),
            Found::Missing | Found::Empty | Found::Foreign(_) => return Ok(Probed::NotApplied),
        }
        match input.verify(ctx) {
            Ok(output) => Ok(Probed::Applied(output)),
            Err(Stop::Refused(_)) => Ok(Probed::PartWay(None)),
            Err(other) => Err(other),
        }
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        input.folder().remove(ctx, story.checkpoint.as_ref())
    }
}

/// pg_basebackup puts a tablespace where it lies on the server, which may be this very machine.
fn no_tablespaces(ctx: &Context<'_>, address: &Address) -> Result<(), Stop> {
    let mut session = Session::open(ctx, address)?;
    let places = session.query(TABLESPACES)?;
    session.close();
    match places.at(0, 0) {
        None => Ok(()),
        Some(place) => {
            let message = format!("the cluster has a tablespace in {place}, and this step backs up none");
            Err(Refusal::new("tablespaces", message).into())
        }
    }
}

/// Of the backup itself; of the server where there is no pg_controldata.
fn identity(ctx: &Context<'_>, address: &Address, data: &Path) -> Result<String, Stop> {
    if let Maybe::Known(identity) = facts::identity(ctx, Some(data)) {
        return Ok(identity);
    }
    let mut session = Session::open(ctx, address)?;
    let identity = session.query(IDENTITY)?.text(0)?;
    session.close();
    Ok(identity)
}

/// `29088/58176 kB (50%), 0/1 tablespace`, in bytes.
fn progress(line: &str) -> Option<(u64, u64)> {
    let (done, total) = line.split_once(" kB")?.0.trim().split_once('/')?;
    let bytes = |text: &str| Some(text.parse::<u64>().ok()? * 1024);
    Some((bytes(done)?, bytes(total)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_bytes() {
        assert_eq!(progress(" 1024/29088 kB (3%), 0/1 tablespace"), Some((1 << 20, 29088 << 10)));
        assert_eq!(progress("pg_basebackup: checkpoint completed"), None);
    }
}
