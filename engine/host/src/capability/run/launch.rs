//! A process that waits with no program in it, until its pid is durable in the journal; then it becomes the user and
//! executes. It must not know plugins, grants or the journal.
//!
//! The process shares the engine's memory until it executes (as `posix_spawn` does it), so that starting one costs no
//! copy of an engine, and runs nothing but plain system calls. It keeps one descriptor of the engine's: the stream on
//! which it says its pid and waits for the go-ahead. When the engine dies first, the stream ends and nothing is executed.
//! Nothing ends the program when the engine dies later (a half-done LVM command is worse than one that finishes): its
//! pid, start time and boot tell a later owner whether it still runs.

use crate::users::Ids;
use rustix::fs::{MemfdFlags, Mode, OFlags, SeekFrom};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a new process may take to say a word.
const PATIENCE: Duration = Duration::from_secs(30);
const STACK: usize = 64 * 1024;
/// Status of a process whose engine went away before the go-ahead.
const ABANDONED: c_int = 125;
/// Status of a process that could not execute the program.
const NOT_EXECUTED: c_int = 127;
/// Where the process keeps its end of the stream.
const STATUS: RawFd = 3;

/// What is executed.
#[derive(Debug, Clone)]
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

/// A process that waits. Dropping it lets it go: it ends with nothing executed, and the one who dropped it collects it.
#[derive(Debug)]
pub struct Waiting {
    /// Its process id.
    pub pid: u32,
    /// The same as a descriptor.
    pub pidfd: OwnedFd,
    stream: UnixStream,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// Makes a process that waits; with it, the ends of its output and its errors to read from.
pub fn wait(orders: &Orders, stdin: &[u8]) -> io::Result<(Waiting, [OwnedFd; 2])> {
    let (mut stream, theirs) = UnixStream::pair()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (out, their_out) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (err, their_err) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let ready = Ready::new(orders, [input(stdin)?, their_out, their_err, theirs.into()])?;
    let thread = std::thread::Builder::new().name("launch".into()).spawn(move || ready.launch())?;
    let mut pid = [0; 4];
    if let Err(error) = stream.read_exact(&mut pid) {
        let _ = stream.shutdown(Shutdown::Both);
        return Err(thread.join().ok().and_then(Result::err).unwrap_or(error));
    }
    let pid = i32::from_ne_bytes(pid);
    let known = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
    let pidfd = rustix::process::pidfd_open(known, PidfdFlags::empty())?;
    Ok((Waiting { pid: pid.unsigned_abs(), pidfd, stream, thread: Some(thread) }, [out, err]))
}

impl Waiting {
    /// Gives the go-ahead: returns once the program is executed, or with the reason why it is not.
    pub fn execute(&mut self) -> io::Result<()> {
        self.stream.write_all(b"!")?;
        let mut reason = Vec::new();
        self.stream.read_to_end(&mut reason)?;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
        }
        match <[u8; 4]>::try_from(reason) {
            Ok(code) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(code))),
            Err(_) => Ok(()),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// All that the process needs, made before it exists: it must not allocate.
struct Ready {
    program: CString,
    args: List,
    env: List,
    ids: Option<Ids>,
    on_broken_pipe: libc::sighandler_t,
    /// Input, output, errors, and its end of the stream.
    fds: [OwnedFd; 4],
}

impl Ready {
    fn new(orders: &Orders, fds: [OwnedFd; 4]) -> io::Result<Self> {
        let args = std::iter::once(&orders.name).chain(&orders.args).cloned();
        Ok(Self {
            program: CString::new(orders.program.as_os_str().as_encoded_bytes())?,
            args: List::new(args)?,
            env: List::new(orders.env.iter().map(|(name, value)| format!("{name}={value}")))?,
            ids: orders.ids.clone(),
            on_broken_pipe: if orders.outlives_reader { libc::SIG_IGN } else { libc::SIG_DFL },
            fds,
        })
    }

    /// Makes the process; this thread sleeps until it has executed or ended.
    fn launch(self) -> io::Result<()> {
        let mut stack = vec![0_u128; STACK / size_of::<u128>()];
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the stack and `self` outlive the process's use of them, because this thread sleeps until then; all
        // signals are blocked here and in the process, so that none of the engine's handlers runs there.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
            let top = stack.as_mut_ptr().add(stack.len());
            let pid = libc::clone(process, top.cast(), flags, (&raw const self).cast_mut().cast());
            if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
        }
    }
}

/// The process's whole life until it executes.
extern "C" fn process(ready: *mut c_void) -> c_int {
    // SAFETY: `launch` passes a `Ready` and sleeps while this runs. What follows are system calls on values that were
    // made before; the calls that change a user go past the C library, which would change the engine's threads, too.
    unsafe {
        let ready = &*ready.cast::<Ready>();
        libc::setsid();
        let [stdin, out, err, status] = &ready.fds;
        let arranged = libc::dup2(stdin.as_raw_fd(), 0) == 0
            && libc::dup2(out.as_raw_fd(), 1) == 1
            && libc::dup2(err.as_raw_fd(), 2) == 2
            && (status.as_raw_fd() == STATUS
                || libc::dup3(status.as_raw_fd(), STATUS, libc::O_CLOEXEC) == STATUS)
            && libc::syscall(libc::SYS_close_range, STATUS + 1, libc::c_uint::MAX, 0) == 0;
        if !arranged {
            libc::_exit(ABANDONED);
        }
        let mut go = 0_u8;
        if !say(libc::getpid()) || libc::read(STATUS, (&raw mut go).cast(), 1) != 1 {
            libc::_exit(ABANDONED);
        }
        if become_the_user(ready) {
            libc::execve(ready.program.as_ptr(), ready.args.pointers(), ready.env.pointers());
        }
        say(*libc::__errno_location());
        libc::_exit(NOT_EXECUTED)
    }
}

unsafe fn say(word: c_int) -> bool {
    // SAFETY: four bytes of a value that lives as long as the call.
    unsafe { libc::write(STATUS, (&raw const word).cast(), size_of::<c_int>()) == 4 }
}

unsafe fn become_the_user(ready: &Ready) -> bool {
    // SAFETY: see `process`.
    unsafe {
        forget_handlers(ready.on_broken_pipe);
        libc::umask(0o022);
        let done = libc::chdir(c"/".as_ptr()) == 0;
        let Some(ids) = &ready.ids else { return done };
        done && libc::syscall(libc::SYS_setgroups, ids.groups.len(), ids.groups.as_ptr()) == 0
            && libc::syscall(libc::SYS_setresgid, ids.gid, ids.gid, ids.gid) == 0
            && libc::syscall(libc::SYS_setresuid, ids.uid, ids.uid, ids.uid) == 0
    }
}

/// The engine's handlers must not run on the engine's memory here, so they go before the first signal comes through.
unsafe fn forget_handlers(on_broken_pipe: libc::sighandler_t) {
    // SAFETY: see `process`; an all-zero `sigaction` is the default action.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        for signal in 1..=libc::SIGRTMAX() {
            let known = libc::sigaction(signal, std::ptr::null(), &mut action) == 0;
            if known && action.sa_sigaction != libc::SIG_IGN && action.sa_sigaction != libc::SIG_DFL {
                action = std::mem::zeroed();
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
        }
        action = std::mem::zeroed();
        action.sa_sigaction = on_broken_pipe;
        libc::sigaction(libc::SIGPIPE, &action, std::ptr::null_mut());
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

/// Texts as the kernel takes them: pointers to terminated texts, the last one null.
struct List {
    _texts: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers point into the list's own texts, which nothing changes.
unsafe impl Send for List {}

impl List {
    fn new(texts: impl Iterator<Item = String>) -> io::Result<Self> {
        let texts = texts.map(|text| Ok(CString::new(text)?)).collect::<io::Result<Vec<_>>>()?;
        let pointers = texts.iter().map(|text| CStr::as_ptr(text)).chain([std::ptr::null()]).collect();
        Ok(Self { _texts: texts, pointers })
    }

    fn pointers(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
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
