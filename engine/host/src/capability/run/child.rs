//! One program from its start to its end. It must not know who may start it: admission comes before, in the link.
//!
//!     waiting, nothing in it ─pid durable→ executed ─own exit→ ended, told
//!         │ engine dies, journal refuses       │ told to stop: SIGTERM; patience; SIGKILL unless critical
//!         └→ it ends, nothing executed          └→ ended, told — or, critical and still there: lost

pub use super::rules::{Command, Rules};

use super::launch::{self, Orders};
use super::output::{Output, Piece};
use super::{life, output, path};
use crate::fault::Fault;
use crate::used::Uses;
use crate::{users, waiting};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use serde_json::json;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How often a stream is read before anything else is looked at: more than the largest pipe holds.
const READS: usize = 64;

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Whether it came on the error stream.
    pub error_stream: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// How it ended: one of the two is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Its exit status.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// A started program. Dropping it ends the program the way a stop does, and tells its end.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    pidfd: OwnedFd,
    name: String,
    critical: bool,
    rules: Rules,
    uses: Uses,
    began: Instant,
    streams: [Output; 2],
    kept: VecDeque<Chunk>,
    ending: Option<Ending>,
    lost: bool,
}

impl Child {
    /// Starts the program: returns once it is executed, its pid having been made durable before.
    pub fn start(command: &Command, rules: &Rules, uses: &Uses) -> Result<Self, Fault> {
        let file = path::find(&command.program, &rules.path)?;
        let ids = command.user.as_deref().map(users::find).transpose()?;
        let orders = Orders {
            program: file,
            name: command.program.clone(),
            args: command.args.clone(),
            env: rules.environment(),
            ids,
            outlives_reader: rules.is_critical(&command.program),
        };
        if command.args.iter().any(|arg| arg.contains('\0')) {
            return Err(Fault::invalid(format!("an argument of `{}` holds a zero byte", command.program)));
        }
        let fault = |error| Fault::io(format!("`{}` cannot be started", command.program), error);
        let (mut waiting, outputs) = launch::wait(&orders, &command.stdin).map_err(fault)?;
        let [out, err] = outputs.map(Output::of);
        let mut child = Self {
            pid: waiting.pid,
            pidfd: waiting.pidfd.try_clone().map_err(fault)?,
            name: command.program.clone(),
            critical: rules.is_critical(&command.program),
            rules: rules.clone(),
            uses: uses.clone(),
            began: Instant::now(),
            streams: [out.map_err(fault)?, err.map_err(fault)?],
            kept: VecDeque::new(),
            ending: None,
            lost: false,
        };
        child.tell_start(command)?;
        match waiting.execute() {
            Ok(()) => Ok(child),
            Err(error) => Err(child.not_executed(fault(error))),
        }
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The next output; none when both streams have ended, or the program has ended and nothing more is there (a
    /// daemon that it left behind may keep a stream open for ever).
    pub fn next(&mut self, stop: &AtomicBool) -> Result<Option<Chunk>, Fault> {
        loop {
            if let Some(chunk) = self.kept.pop_front() {
                self.streams[usize::from(chunk.error_stream)].asked(chunk.bytes.len());
                return Ok(Some(chunk));
            }
            if self.streams.iter().all(|stream| stream.waits_on().is_none()) {
                return Ok(None);
            }
            self.step(stop)?;
        }
    }

    /// Waits for the program's own exit. Output that nobody has asked for yet is kept.
    pub fn wait(&mut self, stop: &AtomicBool) -> Result<Ending, Fault> {
        loop {
            if let Some(ending) = self.ending {
                return Ok(ending);
            }
            self.step(stop)?;
        }
    }

    fn tell_start(&mut self, command: &Command) -> Result<(), Fault> {
        let told = life::boot().map_err(|error| Fault::io("this boot has no id", error)).and_then(|boot| {
            self.uses.tell_durably(json!({
                "capability": "run", "program": command.program, "args": command.args, "as": command.user,
                "stdin-bytes": command.stdin.len(), "pid": self.pid(), "start": life::started(self.pid()),
                "boot": boot,
            }))
        });
        told.map_err(|fault| self.not_executed(fault))
    }

    /// The process still waits, or has given up: it goes, and nothing was executed.
    fn not_executed(&mut self, fault: Fault) -> Fault {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        if let Ok(Some(status)) = self.end_of_process(WaitIdOptions::empty()) {
            let Ending { status, signal } = status.into();
            self.uses.tell(json!({
                "capability": "run", "program": self.name, "pid": self.pid(), "not-executed": fault.message,
                "status": status, "signal": signal,
            }));
        }
        self.ending = Some(Ending { status: None, signal: Some(libc::SIGKILL) });
        fault
    }

    /// Waits for output or the end, and takes in what is there.
    fn step(&mut self, stop: &AtomicBool) -> Result<(), Fault> {
        if self.lost {
            return Err(self.lost_fault());
        }
        match waiting::ready(&mut self.waits_on(), stop, None) {
            Err(fault) if fault.code == "stopping" => {
                self.end()?;
                return Err(fault);
            }
            other => other?,
        }
        self.take_in()
    }

    fn waits_on(&self) -> Vec<PollFd<'_>> {
        let mut fds: Vec<_> = self.streams.iter().filter_map(Output::waits_on).collect();
        if self.ending.is_none() {
            fds.push(self.pidfd.as_fd());
        }
        fds.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect()
    }

    fn take_in(&mut self) -> Result<(), Fault> {
        let ended = self.collect()?;
        for (index, stream) in self.streams.iter_mut().enumerate() {
            for _ in 0..READS {
                match stream.read() {
                    Piece::Bytes(bytes) => self.kept.push_back(Chunk { error_stream: index == 1, bytes }),
                    Piece::Dropped => {}
                    Piece::End | Piece::Nothing => break,
                }
            }
            if ended {
                stream.close();
            }
        }
        if ended {
            self.tell_end();
        }
        Ok(())
    }

    /// Whether it has ended. True once only.
    fn collect(&mut self) -> Result<bool, Fault> {
        if self.ending.is_some() {
            return Ok(false);
        }
        let ended = self
            .end_of_process(WaitIdOptions::NOHANG)
            .map_err(|error| Fault::io("a program's end cannot be seen", error))?;
        self.ending = ended.map(Ending::from);
        Ok(self.ending.is_some())
    }

    fn end_of_process(&self, how: WaitIdOptions) -> rustix::io::Result<Option<WaitIdStatus>> {
        rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED | how)
    }

    fn tell_end(&self) {
        let Some(ending) = self.ending else { return };
        let [(out, out_dropped), (err, err_dropped)] = [self.streams[0].counts(), self.streams[1].counts()];
        self.uses.tell(json!({
            "capability": "run", "program": self.name, "pid": self.pid(), "status": ending.status,
            "signal": ending.signal, "ms": millis(self.began), "bytes-out": out + err,
            "bytes-dropped": out_dropped + err_dropped,
        }));
    }

    /// Asks it to end, and waits; kills its whole group when it takes too long, unless it is critical.
    fn end(&mut self) -> Result<(), Fault> {
        self.signal(Signal::TERM);
        let patience = if self.critical { self.rules.critical_patience } else { self.rules.patience };
        if self.ended_within(patience)? {
            return Ok(());
        }
        if self.critical {
            self.lost = true;
            self.collect_later();
            return Err(self.lost_fault());
        }
        self.signal(Signal::KILL);
        self.ended_within(Duration::MAX).map(|_| ())
    }

    /// Leaves it to a thread of its own to read its output away and to tell its end, whenever that comes.
    fn collect_later(&mut self) {
        let Ok(pidfd) = self.pidfd.try_clone() else { return };
        let mut streams = std::mem::take(&mut self.streams);
        let (uses, name, pid, began) = (self.uses.clone(), self.name.clone(), self.pid(), self.began);
        let _ = std::thread::Builder::new().name("late-end".into()).spawn(move || {
            while output::drain(&mut streams, &pidfd) {}
            let ending = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            if let Ok(Some(ending)) = ending {
                uses.tell(json!({
                    "capability": "run", "program": name, "pid": pid, "status": ending.exit_status(),
                    "signal": ending.terminating_signal(), "ms": millis(began), "late": true,
                }));
            }
        });
    }

    fn ended_within(&mut self, patience: Duration) -> Result<bool, Fault> {
        let began = Instant::now();
        while self.ending.is_none() {
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            waiting::once(&mut self.waits_on(), left.min(Duration::from_secs(1)))?;
            self.take_in()?;
        }
        Ok(true)
    }

    fn signal(&self, signal: Signal) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, signal);
        // Its end is not collected yet, so the number still is its own.
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw)
            && self.ending.is_none()
        {
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }

    fn lost_fault(&self) -> Fault {
        Fault::lost(format!(
            "`{}` (pid {}) was told to stop and still runs; it is never killed because it is critical",
            self.name,
            self.pid()
        ))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ending.is_none() && !self.lost {
            let _ = self.end();
        }
    }
}

impl From<WaitIdStatus> for Ending {
    fn from(status: WaitIdStatus) -> Self {
        Self { status: status.exit_status(), signal: status.terminating_signal() }
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
