//! Ctrl-C and its kin: the first asks the run to undo everything, the second leaves at once. It must not touch the run
//! itself: what it wants goes through the run's own channel, like any person's word.

use crate::view::feed::Feed;
use cutwater_core::names::RunId;
use cutwater_driver::ports::{Command, Input};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Sender, channel};

static WAKE: AtomicI32 = AtomicI32::new(-1);

/// Listens for SIGINT and SIGTERM on behalf of a run. A terminal that goes away (SIGHUP) does not end a run.
pub fn listen(run: &RunId, inbox: Sender<Input>, feed: Feed) -> io::Result<()> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    // Kept open for as long as the process lives: the handler writes to it.
    let old = WAKE.swap(write.into_raw_fd(), Ordering::SeqCst);
    debug_assert_eq!(old, -1, "a process runs one run");
    let run = run.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || obey(read, &run, &inbox, &feed))?;
    handle(libc::SIGINT, wake as *const () as libc::sighandler_t)?;
    handle(libc::SIGTERM, wake as *const () as libc::sighandler_t)?;
    handle(libc::SIGHUP, libc::SIG_IGN)
}

extern "C" fn wake(_signal: libc::c_int) {
    // SAFETY: write(2) may be called in a handler; errno is put back as it was.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(WAKE.load(Ordering::SeqCst), [0u8].as_ptr().cast(), 1);
        *errno = before;
    }
}

fn handle(signal: libc::c_int, how: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: the structure is filled in whole; the handler calls only what may be called there.
    let done = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = how;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, std::ptr::null_mut())
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn obey(read: OwnedFd, run: &RunId, inbox: &Sender<Input>, feed: &Feed) {
    let mut wakes = File::from(read);
    let mut byte = [0];
    let mut asked = false;
    while wakes.read_exact(&mut byte).is_ok() {
        let command = if asked { Command::Quit } else { Command::Abort { by: "a signal".to_owned() } };
        let (reply, answer) = channel();
        if inbox.send(Input::Command(command, reply)).is_err() {
            return;
        }
        if !asked {
            feed.note(match answer.recv() {
                Ok(Ok(_)) => format!(
                    "undoing everything; once more to leave it as it is now (cutwater resume {run} goes on)"
                ),
                Ok(Err(why)) => format!("{why}; once more to leave (cutwater resume {run} goes on)"),
                Err(_) => return,
            });
        }
        asked = true;
    }
}
