//! PostgreSQL's own programs (pg_dump and its kin): how they reach the server that an address names, and what they say
//! while they work. A password goes in by their input, never as an argument. It must not know what they are asked for.

use crate::address::Address;
use cutwater_sdk::host::Chunk;
use cutwater_sdk::{Command, Context, Effect, Fault, Finished, Host, Refusal, Stop};

/// A secret that is shorter cannot be kept out of words.
const SHORTEST: usize = 4;
/// What is kept of a program's complaints.
const MOST_WORDS: usize = 16 << 10;

/// The programs as one address needs them.
pub struct Client<'a> {
    address: &'a Address,
    options: Vec<String>,
}

impl<'a> Client<'a> {
    /// Sessions of theirs carry the step's mark, as this plugin's own do.
    ///
    /// # Errors
    /// The programs cannot reach what this plugin can.
    pub fn new(ctx: &Context<'_>, address: &'a Address) -> Result<Self, Refusal> {
        address.connect()?;
        let wrong = |text: String| Refusal::new("invalid-input", format!("address: {text}"));
        let (host, port) = match address.socket() {
            Some(path) => {
                let parts = path.rsplit_once("/.s.PGSQL.").filter(|(_, port)| port.parse::<u16>().is_ok());
                let (folder, port) =
                    parts.ok_or_else(|| wrong(format!("{path} is not FOLDER/.s.PGSQL.PORT")))?;
                (folder.to_owned(), port.to_owned())
            }
            None => {
                let host = address.host.clone().unwrap_or_default();
                (host, address.port.unwrap_or(5432).to_string())
            }
        };
        let mut words = vec![("dbname", address.database()), ("application_name", &ctx.mark)];
        if let Some(tls) = &address.tls {
            if tls.name.as_ref().is_some_and(|name| Some(name) != address.host.as_ref()) {
                return Err(wrong(format!(
                    "the certificate must name {host}, which is what programs look for"
                )));
            }
            let ca =
                tls.ca.as_deref().ok_or_else(|| wrong("programs need `ca` where there is `tls`".into()))?;
            words.extend([("sslmode", "verify-full"), ("sslrootcert", ca)]);
        }
        let words: Vec<String> =
            words.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
        let mut options = vec![
            format!("--host={host}"),
            format!("--port={port}"),
            format!("--username={}", address.role()),
            format!("--dbname={}", words.join(" ")),
        ];
        if address.password_secret.is_none() {
            options.push("--no-password".to_owned());
        }
        Ok(Self { address, options })
    }

    /// A program that asks the server.
    pub fn command(&self, program: &str) -> Command {
        as_user(Command::new(program), self.address).args(&self.options)
    }

    /// It as the plan shows it: the host puts the secret's name where the secret would be.
    pub fn effect(&self, command: Command) -> Effect {
        match &self.address.password_secret {
            Some(secret) => Effect::run(&command.stdin(format!("[secret {secret}]\n"))),
            None => Effect::run(&command),
        }
    }

    /// Runs it to its end, and hands on each line of what it says as it comes.
    pub fn run(
        &self,
        ctx: &Context<'_>,
        mut command: Command,
        said: impl FnMut(&str),
    ) -> Result<Finished, Stop> {
        if let Some(secret) = &self.address.password_secret {
            let password = ctx.host().secret(secret)?;
            if password.len() < SHORTEST || password.contains('\n') {
                let message = format!(
                    "the secret `{secret}` is no usable password: it must be one line of at least {SHORTEST} bytes"
                );
                return Err(Refusal::new("unusable-secret", message).into());
            }
            command = command.stdin(format!("{password}\n"));
        }
        Ok(run(ctx, &command, |_| (), said)?)
    }
}

/// As the user of the system who connects.
pub fn as_user(command: Command, address: &Address) -> Command {
    match address.system_user() {
        Some(user) => command.user(user),
        None => command,
    }
}

/// A value in a connection string.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Runs a program; `output` gets its output piece by piece, `said` each line of its error stream. Only its complaints are
/// collected.
pub fn run(
    ctx: &Context<'_>,
    command: &Command,
    mut output: impl FnMut(&[u8]),
    mut said: impl FnMut(&str),
) -> Result<Finished, Fault> {
    let lost = |fault: Fault| match command.reads || fault.is_stopping() {
        true => fault,
        false => {
            Fault::new("lost", format!("the end of `{}` was not seen: {}", command.program, fault.message))
        }
    };
    let mut child = ctx.host().start(command)?;
    let (mut rest, mut words) = (Vec::new(), Words::default());
    while let Some(Chunk { error_stream, bytes }) = child.next().map_err(lost)? {
        if !error_stream {
            output(&bytes);
            continue;
        }
        rest.extend(bytes);
        while let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&rest[..length]).into_owned();
            rest.drain(..=length);
            said(&line);
            words.hear(&line);
        }
        rest.truncate(MOST_WORDS);
    }
    words.hear(&String::from_utf8_lossy(&rest));
    let ended = child.wait().map_err(lost)?;
    let line = command.to_string();
    let stderr = words.all.into_bytes();
    Ok(Finished { line, status: ended.status, signal: ended.signal, stdout: Vec::new(), stderr })
}

/// What a program said: from its first complaint on, else its last line. A verbose one tells each thing that it does.
#[derive(Default)]
struct Words {
    all: String,
    complains: bool,
}

impl Words {
    fn hear(&mut self, line: &str) {
        let line = line.trim_end();
        if line.is_empty() || self.all.len() > MOST_WORDS {
            return;
        }
        let complaint = [": error: ", ": warning: ", "FATAL: "].iter().any(|mark| line.contains(mark));
        match self.complains {
            true => self.all.push('\n'),
            false => self.all.clear(),
        }
        self.complains |= complaint;
        self.all.push_str(line);
    }
}
