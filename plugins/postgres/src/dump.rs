//! `postgres.dump`: pg_dump of one database, or pg_dumpall of what all databases share or of everything, into a folder of its own,
//! read back as a whole. pg_dump compresses by itself and both write to files, so there is no pipe whose other end could fail
//! unseen. It must not know who keeps the snapshot.

use crate::address::Address;
use crate::client::Client;
use crate::folder::{Folder, Found, is_made, part_way};
use crate::session::Session;
use crate::statement::ALIVE;
use crate::whole::{self, Counted};
use cutwater_sdk::{
    Action, Answer, Bytes, Command, Context, Deserialize, Done, Effect, Failure, Host, JsonSchema, Level,
    Maybe, Needs, Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Dumps.
pub struct Dump;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Where the server is, and which database.
    #[serde(default)]
    pub address: Address,
    /// The folder: not there yet, or empty and writable for the user who connects.
    pub to: Path,
    /// What is dumped.
    #[serde(default)]
    pub of: What,
    /// What `exported-snapshot` gave as `snapshot`, for a database: the moment that the dump shows.
    #[serde(default)]
    pub snapshot: Option<Maybe<String>>,
    /// How many tables of a database are dumped at once; 2 if none.
    #[serde(default)]
    pub jobs: Option<u32>,
    /// How hard a database's data is compressed, 1 to 9; 6 if none. Never 0: without gzip's checksum nothing would tell a byte
    /// that has flipped.
    #[serde(default)]
    pub compress: Option<u32>,
}

/// What is dumped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The database of the address, in directory format.
    #[default]
    Database,
    /// Roles and tablespaces, as a script.
    Globals,
    /// Everything, as a script: each database at a moment of its own.
    Cluster,
}

/// The dump.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Output {
    /// What pg_restore or psql takes.
    pub at: Path,
    /// Tables with their data.
    pub tables: Maybe<u64>,
    /// Their rows.
    pub rows: Maybe<u64>,
    /// Large objects.
    pub large_objects: Maybe<u64>,
    /// Roles.
    pub roles: Maybe<u64>,
    /// Size on disk.
    pub bytes: Maybe<Bytes>,
}

impl Input {
    fn folder(&self) -> Folder<'_> {
        let name = match self.of {
            What::Database => "database",
            What::Globals => "globals.sql",
            What::Cluster => "cluster.sql",
        };
        Folder { path: &self.to, name, user: self.address.system_user() }
    }

    fn sound(&self) -> Result<(), Refusal> {
        let wrong = |text: &str| Err(Refusal::new("invalid-input", text));
        let database = self.of == What::Database;
        match (self.jobs, self.compress) {
            _ if !database && (self.jobs.is_some() || self.compress.is_some() || self.snapshot.is_some()) => {
                wrong("`jobs`, `compress` and `snapshot` are for `of: database`")
            }
            (Some(0 | 65..), _) => wrong("`jobs` is 1 to 64"),
            (_, Some(0 | 10..)) => wrong("`compress` is 1 to 9"),
            _ if self.of == What::Cluster && self.address.password_secret.is_some() => wrong(
                "`of: cluster` logs in for each database anew and reads a password once: name a socket without one, or give the user a .pgpass",
            ),
            _ => Ok(()),
        }
    }

    fn command(&self, client: &Client<'_>) -> Command {
        let file = format!("--file={}", self.folder().content());
        match self.of {
            What::Database => {
                let command = client.command("pg_dump").args(["--format=directory", &file]).args([
                    format!("--jobs={}", self.jobs.unwrap_or(2)),
                    format!("--compress={}", self.compress.unwrap_or(6)),
                ]);
                let snapshot = self.snapshot.as_ref().map(|snapshot| format!("--snapshot={snapshot}"));
                command.args(snapshot).arg("--verbose")
            }
            What::Globals => client.command("pg_dumpall").args(["--globals-only", &file]),
            What::Cluster => client.command("pg_dumpall").args([file.as_str(), "--verbose"]),
        }
    }

    fn read(&self, ctx: &Context<'_>) -> Result<Counted, Stop> {
        match self.of {
            What::Database => whole::database(ctx, &self.folder(), &self.address),
            What::Globals | What::Cluster => whole::script(ctx, &self.folder(), &self.address),
        }
    }

    fn output(&self, counted: &Counted, bytes: Bytes) -> Output {
        Output {
            at: self.folder().content().into(),
            tables: counted.tables.into(),
            rows: counted.rows.into(),
            large_objects: counted.large_objects.into(),
            roles: counted.roles.into(),
            bytes: bytes.into(),
        }
    }
}

impl Action for Dump {
    const NAME: &'static str = "dump";
    const SUMMARY: &'static str = "Dumps a database, the globals or everything, and reads the dump back.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        let programs =
            ["pg_dump", "pg_dumpall", "pg_restore", "cat", "find", "mkdir", "chown", "rm", "rmdir", "sync"];
        Needs::default().connect().run(&programs).write(&["with:/to"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        input.sound()?;
        let client = Client::new(ctx, &input.address)?;
        let folder = input.folder();
        folder.must_be_free(ctx)?;
        let mut effects = vec![Effect::sql_read(&input.address.connect()?, ALIVE)];
        effects.extend(folder.effects(ctx));
        effects.push(client.effect(input.command(&client)));
        if input.of != What::Database {
            effects.push(Effect::run(&whole::script_command(&folder, &input.address)));
        }
        effects.push(folder.keep_effect());
        let output = Output {
            at: folder.content().into(),
            tables: Maybe::later(),
            rows: Maybe::later(),
            large_objects: Maybe::later(),
            roles: Maybe::later(),
            bytes: Maybe::later(),
        };
        Ok(Shown::new(effects).output(output).note("a folder is made only where it is missing, and only what an attempt of this step has left is removed"))
    }

    fn preview_undo(_: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new(input.folder().undo_effects()).output(()))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        input.sound()?;
        let client = Client::new(ctx, &input.address)?;
        let folder = input.folder();
        reachable(ctx, &input.address)?;
        folder.prepare(ctx, checkpoint.as_ref())?;
        let mut begun = 0;
        let told = client.run(ctx, input.command(&client), |line| {
            if line.contains("dumping contents of table") {
                begun += 1;
                ctx.host().progress(begun, 0, "tables");
            }
        })?;
        let left = || format!("part of a dump in {}", input.to);
        if !told.success() {
            let failure = Failure::new("not-dumped", told.words(), left());
            return Err(if told.status.is_none() { failure.again() } else { failure }.into());
        }
        ctx.host().log(Level::Info, "the dump is read back");
        let read = input.read(ctx).and_then(|counted| {
            folder.keep(ctx)?;
            Ok((counted, folder.size(ctx)?))
        });
        match read {
            Ok((counted, size)) => Ok(Done::Changed(input.output(&counted, size.bytes))),
            Err(Stop::Refused(refusal)) => Err(part_way(refusal, left()).into()),
            Err(other) => Err(other),
        }
    }

    /// A database's dump tells whether it is whole. Of a script only the step that wrote it can tell: it is written again.
    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        let folder = input.folder();
        match folder.look(ctx)? {
            Found::Ours if input.of == What::Database => {}
            Found::Ours => return Ok(Probed::PartWay(None)),
            Found::Empty if is_made(story.checkpoint.as_ref()) => return Ok(Probed::PartWay(None)),
            Found::Missing | Found::Empty | Found::Foreign(_) => return Ok(Probed::NotApplied),
        }
        match input.read(ctx) {
            Ok(counted) => {
                let size = folder.size(ctx)?;
                Ok(Probed::Applied(input.output(&counted, size.bytes)))
            }
            Err(Stop::Refused(_)) => Ok(Probed::PartWay(None)),
            Err(other) => Err(other),
        }
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        input.folder().remove(ctx, story.checkpoint.as_ref())
    }
}

/// Sees that the server is reached, and that this address is granted, before a program goes there.
fn reachable(ctx: &Context<'_>, address: &Address) -> Result<(), Stop> {
    let mut session = Session::open(ctx, address)?;
    session.query(ALIVE)?;
    session.close();
    Ok(())
}
