//! A repository on this machine, and how restic is told to work on it and answers. It must not know steps.
//!
//! The password goes in by restic's input, where it is one secret and a line break; it is in no argument, file or variable.
//! Without a lock and a cache restic only reads, so those lines may run in a preview.

use cutwater_sdk::host::Chunk;
use cutwater_sdk::{
    Command, Context, Deserialize, Effect, Fault, Finished, Host, Path, Refusal, Stop, Value, serde_json,
};

/// A secret that is shorter cannot be kept out of words.
const SHORTEST: usize = 4;

/// A repository, and the secret that opens it.
pub struct Repository<'a> {
    path: &'a str,
    secret: &'a str,
}

/// A backup in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
pub struct Snapshot {
    /// All 64 digits.
    pub id: String,
    /// What was backed up.
    pub paths: Vec<String>,
    /// When, as RFC 3339 has it.
    pub time: String,
}

impl Snapshot {
    /// The one folder that it is of.
    pub fn path(&self) -> Result<&str, Refusal> {
        match self.paths.as_slice() {
            [path] if path.starts_with('/') => Ok(path),
            paths => {
                let message =
                    format!("backup {} is not of one folder, but of: {}", self.id, paths.join(", "));
                Err(Refusal::new("not-of-one-folder", message))
            }
        }
    }
}

impl<'a> Repository<'a> {
    /// Its folder, and the name of the secret that holds its password.
    pub fn new(path: &'a Path, secret: &'a str) -> Result<Self, Refusal> {
        let path = crate::mounted::plain(path.as_str())?;
        match secret.is_empty() || secret.contains(['[', ']', '\n']) {
            false => Ok(Self { path, secret }),
            true => {
                Err(Refusal::new("invalid-secret", format!("`{}` names no secret", secret.escape_debug())))
            }
        }
    }

    fn line(&self, verb: &str) -> [String; 4] {
        [verb, "--repo", self.path, "--no-cache"].map(str::to_owned)
    }

    /// A command that changes the repository, or something else.
    pub fn changing(&self, verb: &str) -> Command {
        Command::new("restic").args(self.line(verb))
    }

    /// A command that only reads.
    pub fn reading(&self, verb: &str) -> Command {
        Command::reading("restic").args([verb, "--repo", self.path, "--no-lock", "--no-cache"])
    }

    /// The command as the plan shows it: the host puts the secret's name where the secret would be.
    pub fn effect(&self, command: Command) -> Effect {
        Effect::run(&command.stdin(format!("[secret {}]\n", self.secret)))
    }

    fn with_password(&self, ctx: &Context<'_>, command: Command) -> Result<Command, Stop> {
        let password = ctx.host().secret(self.secret)?;
        if password.len() < SHORTEST || password.contains('\n') {
            let message = format!(
                "the secret `{}` is no usable password: it must be one line of at least {SHORTEST} bytes",
                self.secret
            );
            return Err(Refusal::new("unusable-secret", message).into());
        }
        Ok(command.stdin(format!("{password}\n")))
    }

    /// Runs it to its end.
    pub fn run(&self, ctx: &Context<'_>, command: Command) -> Result<Finished, Stop> {
        Ok(ctx.host().run(&self.with_password(ctx, command)?)?)
    }

    /// Runs it and hands on each line of its output as it comes. Only its complaints are collected.
    pub fn run_by_line(
        &self,
        ctx: &Context<'_>,
        command: Command,
        line: impl FnMut(&[u8]),
    ) -> Result<Finished, Stop> {
        let command = self.with_password(ctx, command)?;
        Ok(by_piece(ctx, &command, b'\n', line)?)
    }

    /// Runs one that only reads, and must end well.
    pub fn ask(&self, ctx: &Context<'_>, command: Command) -> Result<Finished, Stop> {
        let told = self.run(ctx, command)?;
        if told.success() { Ok(told) } else { Err(refused(&told).into()) }
    }

    /// The backup of that id.
    pub fn find(&self, ctx: &Context<'_>, id: &str) -> Result<Snapshot, Stop> {
        if id.len() < 8 || !id.chars().all(|c| c.is_ascii_hexdigit()) {
            let message = format!("`{}` is no id of a backup: at least 8 of its digits", id.escape_debug());
            return Err(Refusal::new("invalid-id", message).into());
        }
        let told = self.ask(ctx, self.reading("snapshots").args(["--json", id]))?;
        let found = listed(&told)?.into_iter().find(|snapshot| snapshot.id.starts_with(id));
        found.ok_or_else(|| {
            Refusal::new("no-such-backup", format!("{} has no backup {id}; {}", self.path, told.words()))
                .into()
        })
    }

    /// The backups that carry this step's mark, the oldest first.
    pub fn marked(&self, ctx: &Context<'_>) -> Result<Vec<Snapshot>, Stop> {
        let told = self.ask(ctx, self.reading("snapshots").args(["--json", "--tag", &ctx.mark]))?;
        let mut found = listed(&told)?;
        found.sort_by(|a, b| a.time.cmp(&b.time));
        Ok(found)
    }
}

fn listed(told: &Finished) -> Result<Vec<Snapshot>, Refusal> {
    let unclear =
        || Refusal::new("unclear", format!("restic's list of backups is not understood: {}", told.words()));
    json_of(&told.stdout).and_then(|list| serde_json::from_value(list).ok()).ok_or_else(unclear)
}

/// The JSON in an output; restic first says that it reads the password.
pub fn json_of(output: &[u8]) -> Option<Value> {
    let lines = output.split(|byte| *byte == b'\n');
    lines
        .filter(|line| line.starts_with(b"[") || line.starts_with(b"{"))
        .find_map(|line| serde_json::from_slice(line).ok())
}

/// Runs a program and hands on each piece of its output up to `end` as it comes.
pub fn by_piece(
    ctx: &Context<'_>,
    command: &Command,
    end: u8,
    mut piece: impl FnMut(&[u8]),
) -> Result<Finished, Fault> {
    const MOST_WORDS: usize = 64 << 10;
    let lost = |fault: Fault| match command.reads {
        true => fault,
        false => Fault::new("lost", format!("the end of `{command}` was not seen: {}", fault.message)),
    };
    let mut child = ctx.host().start(command)?;
    let (mut rest, mut stderr) = (Vec::new(), Vec::new());
    while let Some(Chunk { error_stream, bytes }) = child.next().map_err(lost)? {
        if error_stream {
            let room = MOST_WORDS.saturating_sub(stderr.len());
            stderr.extend(bytes.into_iter().take(room));
            continue;
        }
        rest.extend(bytes);
        let mut begun = 0;
        while let Some(length) = rest[begun..].iter().position(|byte| *byte == end) {
            piece(&rest[begun..begun + length]);
            begun += length + 1;
        }
        rest.drain(..begun);
    }
    if !rest.is_empty() {
        piece(&rest);
    }
    let ended = child.wait().map_err(lost)?;
    let line = command.to_string();
    Ok(Finished { line, status: ended.status, signal: ended.signal, stdout: Vec::new(), stderr })
}

/// What became of a line that changed nothing, by its status and restic's words.
pub fn refused(told: &Finished) -> Refusal {
    let (code, again) = named(told);
    let refusal = Refusal::new(code, words(told));
    if again { refusal.again() } else { refusal }
}

/// Its complaint. restic has a line for each file and each pack: the first ones and the last, which holds the verdict, are told.
pub fn words(told: &Finished) -> String {
    const FIRST: usize = 10;
    let all = told.words();
    let lines: Vec<String> = all.lines().map(plain).collect();
    match lines.as_slice() {
        [first @ .., last] if first.len() > FIRST => {
            let more = first.len() - FIRST;
            format!("{}\n({more} lines more)\n{last}", first[..FIRST].join("\n"))
        }
        lines => lines.join("\n"),
    }
}

/// With `--json`, restic tells the fault of a file as JSON, and its cause by the system's number.
fn plain(line: &str) -> String {
    let fault = || {
        let fault: Value = serde_json::from_str(line).ok()?;
        let (item, error) = (fault.get("item")?.as_str()?, fault.get("error")?);
        let operation = error.get("Op").and_then(Value::as_str).unwrap_or("read");
        match error.get("Err").and_then(Value::as_u64) {
            Some(number) => Some(format!("{operation} {item}: error {number}")),
            None => Some(format!("{operation} {item}: {error}")),
        }
    };
    fault().unwrap_or_else(|| line.to_owned())
}

/// A word for how restic ended, and whether trying again may help. Its status alone tells few causes apart.
pub fn named(told: &Finished) -> (&'static str, bool) {
    let words = String::from_utf8_lossy(&told.stderr);
    let says = |text: &str| words.contains(text);
    match told.status {
        Some(0) => ("done", false),
        Some(3) => ("source-not-read", false),
        Some(130) => ("interrupted", true),
        _ if says("already locked") => ("locked", true),
        _ if says("wrong password") => ("wrong-password", false),
        _ if says("Is there a repository") => ("no-repository", false),
        _ if says("repository contains errors") => ("damaged", false),
        _ if says("no space left") => ("no-space", false),
        None => ("killed", true),
        Some(_) => ("restic", false),
    }
}
