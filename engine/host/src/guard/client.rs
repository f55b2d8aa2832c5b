//! The engine's side of the guard: starts it in a scope of its own and tells it what is held, before it is held. It
//! must not know what the guard does about it.

use super::keeper::Keeper;
use super::scope::Scope;
use super::words::{self, Kept, Reply, Word};
use crate::capability::connect::streams::Streams;
use cutwater_core::answer::GiveBack;
use cutwater_core::names::{RunId, StepName};
use cutwater_driver::ports::{CallId, Guard, GuardError};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::PidfdFlags;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the guard may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How many words may be on their way to it unanswered.
const AHEAD: usize = 16;

/// How guards are started on this machine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Program and arguments of the guard (`cutwater __guard`).
    pub guard: Vec<OsString>,
    /// Program and arguments to which `resume RUN --take-over` is added (`cutwater --root DIR`).
    pub engine: Vec<String>,
    /// Folder of evidence and logs, on a file system that is never frozen (`/run/cutwater`).
    pub folder: PathBuf,
    /// Added to each limit before the guard acts.
    pub margin: Duration,
    /// The host's policy allows holds whose guard has no scope of its own.
    pub without_scope: bool,
}

/// A guard as a process.
pub struct ProcessGuard {
    settings: Settings,
    streams: Streams,
    armed: Mutex<Option<Armed>>,
}

struct Armed {
    process: Child,
    socket: OwnedFd,
    scope: Scope,
    /// When what was said without waiting was said; its answers are still to come.
    posted: VecDeque<Instant>,
}

impl ProcessGuard {
    /// A guard that is not armed yet; `streams` are those that its runs' plugins open.
    pub fn new(settings: Settings, streams: Streams) -> Self {
        Self { settings, streams, armed: Mutex::new(None) }
    }

    fn start(&self, run: &RunId, scope: Scope) -> Result<Armed, GuardError> {
        let (socket, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(failed)?;
        rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, Some(ANSWER))
            .map_err(failed)?;
        let command = scope.command(&self.settings.guard);
        let (program, args) = command.split_first().ok_or_else(|| failed("no program"))?;
        let process = Command::new(program)
            .args(args)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut armed = Armed { process, socket, scope, posted: VecDeque::new() };
        let set_up = armed.scope.take_in(armed.process.id()).and_then(|()| self.instruct(&mut armed, run));
        match set_up {
            Ok(()) => Ok(armed),
            Err(error) => {
                armed.end();
                Err(error)
            }
        }
    }

    fn instruct(&self, armed: &mut Armed, run: &RunId) -> Result<(), GuardError> {
        let engine =
            rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).map_err(failed)?;
        let last = ["resume".to_owned(), run.to_string(), "--take-over".to_owned()];
        let word = Word::Arm {
            run: run.to_string(),
            folder: self.settings.folder.clone(),
            take_over: self.settings.engine.iter().cloned().chain(last).collect(),
        };
        armed.say(&word, Some(engine.as_fd()))
    }

    fn margin(&self) -> u64 {
        u64::try_from(self.settings.margin.as_millis()).unwrap_or(u64::MAX)
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Armed) -> Result<T, GuardError>) -> Result<T, GuardError> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        ask(armed.as_mut().ok_or_else(|| GuardError("it is not armed".into()))?)
    }

    fn keep(&self, armed: &mut Armed, step: &StepName, give_back: &GiveBack) -> Result<(), GuardError> {
        let (what, fd) = match give_back {
            GiveBack::HangUp(id) => {
                let socket = self.streams.copy(*id);
                (Kept::Stream(*id), socket.ok_or_else(|| GuardError(format!("stream {id} is not open")))?)
            }
            GiveBack::Thaw(at) => {
                let mount = std::fs::File::open(at).map_err(|e| GuardError(format!("{at}: {e}")))?;
                (Kept::Mount(at.clone()), mount.into())
            }
        };
        armed.say(&Word::Keep { step: step.to_string(), what }, Some(fd.as_fd()))
    }
}

impl Guard for ProcessGuard {
    fn arm(&self, run: &RunId) -> Result<u32, GuardError> {
        if run.as_str().contains('/') {
            return Err(GuardError(format!("`{run}` is no run's name")));
        }
        let mut place = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(armed) = place.as_mut()
            && armed.lives()
        {
            return Ok(armed.process.id());
        }
        std::fs::create_dir_all(&self.settings.folder).map_err(failed)?;
        let mut last = GuardError(
            "it needs a scope of its own, and there is neither systemd nor a control group to make one in; \
             the host's policy may say `holds-without-scope: true`"
                .into(),
        );
        for scope in Scope::choices(run.as_str(), self.settings.without_scope) {
            match self.start(run, scope) {
                Ok(armed) => {
                    let pid = armed.process.id();
                    *place = Some(armed);
                    return Ok(pid);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn cover(
        &self,
        step: &StepName,
        _hold: Option<CallId>,
        limit_ms: u64,
        give_backs: &[GiveBack],
    ) -> Result<(), GuardError> {
        let ms = limit_ms.saturating_add(self.margin());
        self.with(|armed| {
            armed.say(&Word::Cover { step: step.to_string(), ms }, None)?;
            give_backs.iter().try_for_each(|give_back| self.keep(armed, step, give_back))
        })
    }

    fn renew(&self, step: &StepName, limit_ms: u64) {
        let ms = limit_ms.saturating_add(self.margin());
        // One that has gone is noticed by `alive`.
        let _ = self.with(|armed| armed.post(&Word::Cover { step: step.to_string(), ms }));
    }

    fn uncover(&self, step: &StepName) {
        let _ = self.with(|armed| armed.say(&Word::Uncover { step: step.to_string() }, None));
    }

    fn alive(&self) -> bool {
        self.with(|armed| if armed.lives() { armed.post(&Word::Ping) } else { Err(failed("dead")) }).is_ok()
    }

    fn disarm(&self) {
        let armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut armed) = armed {
            if armed.say(&Word::Disarm, None).is_ok() {
                let _ = armed.process.wait();
            }
            armed.end();
        }
    }
}

/// Only a hold is covered under its own name: a step that is none is refused by the guard's process.
impl Keeper for ProcessGuard {
    fn keep_mount(&self, step: &str, at: &Path, mount: BorrowedFd<'_>) -> Result<(), GuardError> {
        let what = Kept::Mount(at.to_string_lossy().into_owned());
        self.with(|armed| armed.say(&Word::Keep { step: step.to_owned(), what }, Some(mount)))
    }

    fn give_mount(&self, step: &str, at: &Path) {
        let what = Kept::Mount(at.to_string_lossy().into_owned());
        let _ = self.with(|armed| armed.say(&Word::Give { step: step.to_owned(), what }, None));
    }
}

impl Armed {
    /// Says a word and waits for the answer.
    fn say(&mut self, word: &Word, with: Option<BorrowedFd<'_>>) -> Result<(), GuardError> {
        while !self.posted.is_empty() {
            self.answer(true)?;
            self.posted.pop_front();
        }
        words::send(&self.socket, word, with).map_err(failed)?;
        self.answer(true).map(drop)
    }

    /// Says a word and waits for nothing: a guard that is stopped must not stop the engine. It is given up when an answer
    /// is late.
    fn post(&mut self, word: &Word) -> Result<(), GuardError> {
        while !self.posted.is_empty() && self.answer(false)? {
            self.posted.pop_front();
        }
        match self.posted.front() {
            Some(said) if said.elapsed() >= ANSWER => return Err(self.given_up("it does not answer")),
            // What it has not heard yet says the same.
            Some(_) if self.posted.len() >= AHEAD => return Ok(()),
            _ => {}
        }
        words::send(&self.socket, word, None).map_err(failed)?;
        self.posted.push_back(Instant::now());
        Ok(())
    }

    /// Takes one answer; false: there is none yet.
    fn answer(&mut self, wait: bool) -> Result<bool, GuardError> {
        match words::receive(&self.socket, wait) {
            Ok(Some((Reply::Done, _))) => Ok(true),
            Ok(Some((Reply::Refused(why), _))) => Err(GuardError(why)),
            Ok(None) => Err(GuardError("it has gone".into())),
            Err(error) if !wait && error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(self.given_up(error)),
        }
    }

    /// One that once did not answer in time is never believed again: a late answer would be taken for the next one.
    fn given_up(&self, why: impl std::fmt::Display) -> GuardError {
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        failed(why)
    }

    fn lives(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.scope.sweep();
    }
}

fn failed(error: impl std::fmt::Display) -> GuardError {
    GuardError(error.to_string())
}
