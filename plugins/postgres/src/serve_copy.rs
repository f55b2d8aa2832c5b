//! `postgres.serve-copy`: starts a throw-away server on a copy of a cluster. It listens on no address, its socket lies in
//! the copy, where only the owner may enter, and it archives, replicates and preloads nothing. It must not know how the
//! copy was made.

use crate::address::Address;
use crate::copied::{Copied, run_prefix};
use crate::session::Session;
use crate::statement::DIRECTORY;
use crate::trouble::Trouble;
use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Done, Duration, Effect, Failure, Host, JsonSchema, Needs,
    Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Starts a server on a copy.
pub struct ServeCopy;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The data directory of the copy, which `postgres.take-wal` has completed.
    pub data: Path,
    /// `pg_wal` of the copy, where it is on a volume of its own: the copy's link is turned to it.
    #[serde(default)]
    pub wal: Option<Path>,
    /// postgresql.conf, where it is not in the data directory.
    #[serde(default)]
    pub config: Option<Path>,
    /// The user who owns the copy, and the role that may log in; `postgres` if none.
    #[serde(default)]
    pub user: Option<String>,
    /// How long it may take until it answers; 5m if none.
    #[serde(default)]
    pub within: Option<Duration>,
}

/// The server.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Its data directory.
    pub data: Path,
    /// Its unix socket.
    pub socket: Path,
    /// What it writes down.
    pub log: Path,
}

impl Input {
    fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("postgres")
    }

    fn copied(&self) -> Copied<'_> {
        Copied { data: &self.data, wal: self.wal.as_ref(), user: self.user() }
    }

    fn output(&self) -> Output {
        Output { data: self.data.clone(), socket: socket(&self.data).into(), log: log(&self.data).into() }
    }

    fn start(&self, mark: &str) -> Command {
        let seconds = self.within.map_or(300, |within| within.0.div_ceil(1000));
        Command::new("pg_ctl")
            .args(["start", "-s", "-w", "-t", &seconds.to_string(), "-D", self.data.as_str()])
            .args(["-l", &log(&self.data), "-o", &self.settings(mark)])
            .user(self.user())
    }

    /// What the copy's own configuration must not decide: where the server is reached, what it reaches for itself, and
    /// how much of the machine it takes beside the live one.
    fn settings(&self, mark: &str) -> String {
        let data = &self.data;
        let mut all = vec![
            format!("data_directory={data}"),
            format!("hba_file={}", self.copied().hba()),
            format!("unix_socket_directories={data}"),
            format!("cluster_name={mark}"),
        ];
        all.extend(self.config.iter().map(|config| format!("config_file={config}")));
        all.extend(FIXED.iter().map(|&setting| setting.to_owned()));
        all.iter().map(|setting| format!("-c {setting}")).collect::<Vec<_>>().join(" ")
    }
}

const FIXED: [&str; 19] = [
    "port=5432",
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "external_pid_file=",
    "ssl=off",
    "logging_collector=off",
    "log_destination=stderr",
    "archive_mode=off",
    "archive_cleanup_command=",
    "recovery_end_command=",
    "restore_command=",
    "primary_conninfo=",
    "max_logical_replication_workers=0",
    "shared_preload_libraries=",
    "autovacuum=off",
    "shared_buffers=32MB",
    "huge_pages=off",
    "default_transaction_read_only=on",
    "fsync=off",
];

fn socket(data: &Path) -> String {
    format!("{data}/.s.PGSQL.5432")
}

fn log(data: &Path) -> String {
    format!("{data}/cutwater.log")
}

impl Action for ServeCopy {
    const NAME: &'static str = "serve-copy";
    const SUMMARY: &'static str = "Starts a throw-away server on a copy, closed to everybody else.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().connect().run(&["readlink", "find", "ln", "pg_ctl", "pgrep"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let copied = input.copied();
        copied.must_be_plain()?;
        let mut effects = copied.effects(&ctx.mark);
        effects.push(Effect::run(&input.start(&ctx.mark)));
        Ok(Shown::new(effects).output(input.output()))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new(stop_effects(ctx, &input.copied())))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let copied = input.copied();
        copied.must_be_plain()?;
        match copied.is_ours(ctx)? {
            false => copied.must_stand_alone(ctx)?,
            // Its own server is the answer.
            true if serves(ctx, input) => return Ok(Done::Changed(input.output())),
            true => {}
        }
        copied.stand_alone(ctx)?;
        let started = ctx.host().run(&input.start(&ctx.mark))?;
        if started.success() {
            return Ok(Done::Changed(input.output()));
        }
        let told = ctx.host().read(&log(&input.data)).unwrap_or_default();
        let told = String::from_utf8_lossy(&told).into_owned();
        let skip = told.lines().count().saturating_sub(8);
        let last: Vec<&str> = told.lines().skip(skip).collect();
        let words = format!("{}; its log ends with: {}", started.words(), last.join(" | "));
        Err(Failure::new("not-started", words, format!("the copy in {}", input.data)).into())
    }

    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        if !input.copied().is_ours(ctx)? {
            return Ok(Probed::NotApplied);
        }
        Ok(match directory(ctx, input) {
            Ok(directory) if directory == input.data.as_str() => Probed::Applied(input.output()),
            Ok(other) => {
                Probed::CannotTell(format!("a server of {other} answers on {}", socket(&input.data)))
            }
            Err(trouble) if trouble.is_down() => Probed::PartWay(None),
            Err(trouble) => Probed::CannotTell(Refusal::from(trouble).message),
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, _: &Story) -> Answer<()> {
        match stop(ctx, &input.copied())? {
            true => Ok(Done::Changed(())),
            false => Ok(Done::Unchanged(())),
        }
    }
}

/// Whether the server that answers on the copy's socket is that of this copy.
fn serves(ctx: &Context<'_>, input: &Input) -> bool {
    directory(ctx, input).is_ok_and(|directory| directory == input.data.as_str())
}

fn directory(ctx: &Context<'_>, input: &Input) -> Result<String, Trouble> {
    let address = Address {
        unix: Some(socket(&input.data)),
        system_user: Some(input.user().to_owned()),
        ..Address::default()
    };
    let mut session = Session::open(ctx, &address)?;
    let directory = session.query(DIRECTORY)?.text(0)?;
    session.close();
    Ok(directory)
}

/// How long a server that is just being started has to write its process down.
const APPEARS_MS: u64 = 60_000;

/// Prints the processes that carry the run's mark on their command line: the server, and whatever is starting it.
fn ours(ctx: &Context<'_>, copied: &Copied<'_>) -> Command {
    let mark = format!("cluster_name={}", run_prefix(&ctx.mark));
    Command::new("pgrep").args(["-u", copied.user, "-f", &mark])
}

/// A checkpoint at the end would only be thrown away.
fn end(copied: &Copied<'_>) -> Command {
    Command::new("pg_ctl")
        .args(["stop", "-s", "-w", "-t", "120", "-m", "immediate", "-D", copied.data.as_str()])
        .user(copied.user)
}

/// What [`stop`] runs.
pub fn stop_effects(ctx: &Context<'_>, copied: &Copied<'_>) -> Vec<Effect> {
    vec![Effect::run(&ours(ctx, copied)), Effect::run(&end(copied))]
}

/// Ends the server of the copy, if it is one of this run; true if there was one. A process number that a copy brought
/// along, or that was given to another process meanwhile, is nobody's to end.
pub fn stop(ctx: &Context<'_>, copied: &Copied<'_>) -> Result<bool, Stop> {
    if !copied.is_ours(ctx)? {
        return Ok(false);
    }
    let until = ctx.host().monotonic() + APPEARS_MS;
    loop {
        let running = ctx.host().run(&ours(ctx, copied))?.text();
        let Some(process) = copied.process(ctx)?.filter(|pid| running.lines().any(|line| line == pid)) else {
            if running.trim().is_empty() {
                return Ok(false);
            }
            if ctx.host().monotonic() < until {
                ctx.host().sleep(100)?;
                continue;
            }
            let left = format!("perhaps a server on {}", copied.data);
            return Err(Failure::new("not-stopped", "a server is being started there", left).again().into());
        };
        let ended = ctx.host().run(&end(copied))?;
        return match ended.success() {
            true => Ok(true),
            false => {
                let left = format!("the server on {}, process {process}", copied.data);
                Err(Failure::new("not-stopped", ended.words(), left).again().into())
            }
        };
    }
}
