//! A program to run, and what came of it. It must not know shells: arguments are never split or joined.

use crate::answer::{Fault, Refusal};

/// One program with its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// A name, found on the host's fixed path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The user to run as; the engine's own if none.
    pub user: Option<String>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Whether it only reads; decides what a fault after it means for the answer.
    pub reads: bool,
}

impl Command {
    /// A program without arguments, taken to change something.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), ..Self::default() }
    }

    /// A program that only reads.
    pub fn reading(program: impl Into<String>) -> Self {
        Self { program: program.into(), reads: true, ..Self::default() }
    }

    /// Adds an argument. An unknown [`crate::Maybe`] adds its placeholder, for a preview to show.
    pub fn arg(mut self, arg: impl ToString) -> Self {
        self.args.push(arg.to_string());
        self
    }

    /// Adds arguments.
    pub fn args<A: ToString>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.to_string()));
        self
    }

    /// Runs it as that user.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Lets it read these bytes.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))
    }
}

/// Some output of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// From its error stream.
    pub error_stream: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// A program that was started.
pub trait Child {
    /// The next output; none when both streams have ended.
    fn next(&mut self) -> Result<Option<Chunk>, Fault>;
    /// Waits for its own exit.
    fn wait(&mut self) -> Result<Ended, Fault>;
}

/// A program that has ended, and all it wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// The command line, for messages.
    pub line: String,
    /// Its exit status; none when a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it wrote to its error stream.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.status == Some(0)
    }

    /// What it wrote, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Its complaint: the error stream, else the output, trimmed; else how it ended.
    pub fn words(&self) -> String {
        let pick = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let words = Some(pick(&self.stderr)).filter(|w| !w.is_empty()).unwrap_or_else(|| pick(&self.stdout));
        match (words.is_empty(), self.status, self.signal) {
            (false, ..) => words,
            (true, Some(status), _) => format!("`{}` exited with {status}", self.line),
            (true, None, Some(signal)) => format!("`{}` was ended by signal {signal}", self.line),
            (true, None, None) => format!("`{}` ended", self.line),
        }
    }

    /// Itself if it exited with 0, else a refusal with its own words. Only right for a program that leaves nothing
    /// behind when it fails.
    pub fn or_refuse(self, code: &str) -> Result<Self, Refusal> {
        if self.success() { Ok(self) } else { Err(Refusal::new(code, self.words())) }
    }
}

/// What is collected of a stream, in bytes: a plugin has not much memory, and whoever wants more reads it as it comes.
const COLLECTED: usize = 4 << 20;

pub(crate) fn collect(mut child: Box<dyn Child>) -> Result<Finished, Fault> {
    let mut finished = Finished::default();
    while let Some(Chunk { error_stream, mut bytes }) = child.next()? {
        let stream = if error_stream { &mut finished.stderr } else { &mut finished.stdout };
        let room = COLLECTED.saturating_sub(stream.len());
        let cut = bytes.len() > room && stream.len() <= COLLECTED;
        bytes.truncate(room);
        stream.extend(bytes);
        if cut {
            stream.extend(format!("\n[cut after {COLLECTED} bytes]\n").bytes());
        }
    }
    let Ended { status, signal } = child.wait()?;
    Ok(Finished { status, signal, ..finished })
}
