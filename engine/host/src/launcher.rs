//! The body of the hidden subcommand that starts programs: it waits until its own pid is durable in the journal,
//! becomes the user, and executes. It must not know plugins, grants or the journal.
//!
//! The engine starts it with a stream socket as standard input, writes the whole of [`Orders`] once the pid is durable,
//! and reads the socket to its end: empty means executed, anything else is the reason why not. When the engine dies
//! before the last byte of the orders, the socket ends early and nothing is executed. Nothing ends the program when
//! the engine dies later (a half-done LVM command is worse than one that finishes): its pid, start time and boot tell a
//! later owner whether it still runs.

use crate::users::Ids;
use rustix::fs::{MemfdFlags, Mode, OFlags, SeekFrom};
use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

/// The hidden subcommand's name.
pub const COMMAND: &str = "__launch";

/// Status of a launcher whose engine went away before the orders were complete.
const ABANDONED: u8 = 125;
/// Status of a launcher that could not execute the program.
const NOT_EXECUTED: u8 = 127;
const GO: u8 = b'!';

/// How a launcher is started: the binary and what comes before nothing else (`cutwater __launch`).
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The binary.
    pub binary: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl Launcher {
    /// The launcher inside the binary at `binary`.
    pub fn of(binary: impl Into<PathBuf>) -> Self {
        Self { binary: binary.into(), args: vec![COMMAND.into()] }
    }
}

/// What a launcher executes.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Orders {
    /// The program's file.
    pub program: PathBuf,
    /// The name it is called by (`argv[0]`).
    pub name: String,
    /// The arguments after the name.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// The user to become; none: as the engine.
    pub ids: Option<Ids>,
    /// Whether it outlives a reader of its output: a broken pipe is an error to it, not its end.
    pub outlives_reader: bool,
}

impl Orders {
    /// The bytes a launcher waits for: lengths of orders and input (little-endian u32), both, and the go-ahead.
    pub fn encode(&self, stdin: &[u8]) -> io::Result<Vec<u8>> {
        let orders = serde_json::to_vec(self)?;
        let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "more than 4 GiB of input");
        let mut bytes = Vec::with_capacity(orders.len() + stdin.len() + 9);
        bytes.extend(u32::try_from(orders.len()).map_err(too_long)?.to_le_bytes());
        bytes.extend(u32::try_from(stdin.len()).map_err(too_long)?.to_le_bytes());
        bytes.extend(&orders);
        bytes.extend(stdin);
        bytes.push(GO);
        Ok(bytes)
    }
}

/// The launcher's whole life. Returns only when the program was not executed.
pub fn main() -> ExitCode {
    let Ok((orders, stdin)) = orders() else { return ExitCode::from(ABANDONED) };
    let status = match rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3) {
        Ok(status) => status,
        Err(_) => return ExitCode::from(ABANDONED),
    };
    let error = execute(&orders, &stdin);
    let _ = std::fs::File::from(status).write_all(error.to_string().as_bytes());
    ExitCode::from(NOT_EXECUTED)
}

fn orders() -> io::Result<(Orders, Vec<u8>)> {
    let _ = rustix::process::setsid();
    // SAFETY: nothing in this process owns a descriptor above the three standard ones yet.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
    let mut socket = unbuffered_stdin()?;
    let mut lengths = [0; 8];
    socket.read_exact(&mut lengths)?;
    let [a, b, c, d, e, f, g, h] = lengths;
    let mut text = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
    let mut stdin = vec![0; u32::from_le_bytes([e, f, g, h]) as usize];
    let mut go = [0];
    socket.read_exact(&mut text)?;
    socket.read_exact(&mut stdin)?;
    socket.read_exact(&mut go)?;
    if go != [GO] {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((serde_json::from_slice(&text)?, stdin))
}

fn unbuffered_stdin() -> io::Result<std::fs::File> {
    Ok(std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

fn execute(orders: &Orders, stdin: &[u8]) -> io::Error {
    if let Err(error) = become_the_program(orders, stdin) {
        return error;
    }
    let args = std::iter::once(&orders.name).chain(&orders.args).map(|arg| arg.clone().into_bytes());
    let env = orders.env.iter().map(|(name, value)| format!("{name}={value}").into_bytes());
    match (text(orders.program.as_os_str().as_encoded_bytes().to_vec()), texts(args), texts(env)) {
        (Ok(program), Ok(args), Ok(env)) => {
            // SAFETY: both lists end with a null pointer, and every text is terminated and outlives the call.
            unsafe { libc::execve(program.as_ptr(), pointers(&args).as_ptr(), pointers(&env).as_ptr()) };
            io::Error::last_os_error()
        }
        _ => io::ErrorKind::InvalidInput.into(),
    }
}

fn text(bytes: Vec<u8>) -> io::Result<CString> {
    Ok(CString::new(bytes)?)
}

fn texts(all: impl Iterator<Item = Vec<u8>>) -> io::Result<Vec<CString>> {
    all.map(text).collect()
}

fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

fn become_the_program(orders: &Orders, stdin: &[u8]) -> io::Result<()> {
    replace_stdin(input(stdin)?.as_fd())?;
    std::env::set_current_dir("/")?;
    let on_broken_pipe = if orders.outlives_reader { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: neither disposition is a handler of ours.
    unsafe { libc::signal(libc::SIGPIPE, on_broken_pipe) };
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let Some(ids) = &orders.ids else { return Ok(()) };
    // SAFETY: plain system calls; the list holds as many groups as said.
    let done = unsafe {
        libc::setgroups(ids.groups.len(), ids.groups.as_ptr()) == 0
            && libc::setresgid(ids.gid, ids.gid, ids.gid) == 0
            && libc::setresuid(ids.uid, ids.uid, ids.uid) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn replace_stdin(input: BorrowedFd<'_>) -> io::Result<()> {
    rustix::stdio::dup2_stdin(input)?;
    Ok(())
}

/// A program's whole input as something that never blocks.
fn input(bytes: &[u8]) -> io::Result<OwnedFd> {
    if bytes.is_empty() {
        return Ok(rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
    }
    let mut file = std::fs::File::from(rustix::fs::memfd_create("input", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}
