//! The guard's own life: the body of the hidden subcommand. One thread, its memory locked, in a session of its own,
//! deaf to the signals that end an engine. It must not know the journal.

use super::act::{self, Cause, Orders};
use super::covers::Covers;
use super::words::{self, Reply, Word};
use crate::waiting;
use rustix::event::{PollFd, PollFlags};
use rustix::mm::MlockAllFlags;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

/// The hidden subcommand's name.
pub const COMMAND: &str = "__guard";

/// How often the clock is looked at, at least: a sleeping machine's poll does not count the sleep.
const SLICE: Duration = Duration::from_secs(1);
const DEAF_TO: [libc::c_int; 4] = [libc::SIGINT, libc::SIGHUP, libc::SIGTERM, libc::SIGQUIT];

/// The guard's whole life; its socket is standard input.
pub fn main() -> ExitCode {
    stand_alone();
    match watch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn stand_alone() {
    let _ = rustix::process::setsid();
    let _ = std::env::set_current_dir("/");
    dispose(libc::SIG_IGN);
    let _ = rustix::mm::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE);
    let _ = std::fs::write("/proc/self/oom_score_adj", "-900");
}

/// Undoes what a process that takes over must not inherit.
pub(super) fn ordinary() {
    dispose(libc::SIG_DFL);
    let _ = rustix::mm::munlockall();
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
}

fn dispose(to: libc::sighandler_t) {
    for signal in DEAF_TO {
        // SAFETY: neither disposition is a handler of ours.
        unsafe { libc::signal(signal, to) };
    }
}

fn watch() -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor above the three standard ones yet.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let orders = armed(&socket)?;
    let mut covers = Covers::default();
    let mut talking = true;
    loop {
        let ready = wait(&socket, &orders.engine, talking, covers.earliest())?;
        while talking && (ready.dead || ready.word) {
            match hear(&socket, &mut covers) {
                Heard::Word => {}
                Heard::Disarm => return Ok(()),
                Heard::Silence => break,
                Heard::End => talking = false,
            }
        }
        if ready.dead && covers.is_empty() || !talking && covers.is_empty() {
            return Ok(());
        }
        let cause = match (ready.dead, covers.overdue(now())) {
            (true, _) => Cause::EngineDied,
            (false, overdue) if overdue.is_empty() => continue,
            (false, overdue) => Cause::Overdue(overdue),
        };
        let covered = covers.steps();
        act::act(&orders, &cause, &covered, covers.take_all());
        return Ok(());
    }
}

fn armed(socket: &OwnedFd) -> io::Result<Orders> {
    match words::receive(socket, true)? {
        Some((Word::Arm { run, folder, take_over }, Some(engine))) => {
            words::send(socket, &Reply::Done, None)?;
            Ok(Orders { run, folder, take_over, engine })
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

struct Ready {
    word: bool,
    dead: bool,
}

fn wait(socket: &OwnedFd, engine: &OwnedFd, talking: bool, until: Option<u64>) -> io::Result<Ready> {
    let listens = if talking { PollFlags::IN } else { PollFlags::empty() };
    let watched = if talking { socket } else { engine };
    let mut fds = [PollFd::new(engine, PollFlags::IN), PollFd::new(watched, listens)];
    let left = until.map_or(SLICE, |until| Duration::from_millis(until.saturating_sub(now())));
    waiting::once(&mut fds, left.min(SLICE)).map_err(io::Error::other)?;
    let [engine, socket] = &fds;
    Ok(Ready { word: talking && !socket.revents().is_empty(), dead: !engine.revents().is_empty() })
}

enum Heard {
    Word,
    Disarm,
    Silence,
    End,
}

/// Obeys one word, if one is there. An engine's last words count even when it is dead by now.
fn hear(socket: &OwnedFd, covers: &mut Covers<OwnedFd>) -> Heard {
    match words::receive::<Word>(socket, false) {
        Ok(Some((Word::Disarm, _))) => {
            let _ = words::send(socket, &Reply::Done, None);
            Heard::Disarm
        }
        Ok(Some((word, fd))) => {
            let _ = words::send(socket, &obey(covers, word, fd), None);
            Heard::Word
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Heard::Silence,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Heard::Word,
        Ok(None) | Err(_) => Heard::End,
    }
}

fn obey(covers: &mut Covers<OwnedFd>, word: Word, fd: Option<OwnedFd>) -> Reply {
    match (word, fd) {
        (Word::Cover { step, ms }, _) => covers.cover(&step, now().saturating_add(ms)),
        (Word::Keep { step, what }, Some(fd)) => {
            if !covers.keep(&step, what, fd) {
                return Reply::Refused(format!("`{step}` is not covered"));
            }
        }
        (Word::Give { step, what }, _) => covers.give(&step, &what),
        (Word::Uncover { step }, _) => covers.uncover(&step),
        (Word::Ping, _) => {}
        (Word::Keep { .. } | Word::Arm { .. } | Word::Disarm, _) => {
            return Reply::Refused("not now, or not without a descriptor".into());
        }
    }
    Reply::Done
}

/// Milliseconds of a clock that goes on while the machine sleeps.
fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}
