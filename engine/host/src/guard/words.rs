//! What engine and guard say to each other: one packet a word, an answer to each, at most one descriptor with it.
//! It must not know what either does.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Longest packet, in bytes.
const LONGEST: usize = 64 * 1024;

/// From the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The first: whom to watch (its pidfd comes along) and what to do at its end.
    Arm {
        /// The run.
        run: String,
        /// Folder of the evidence and the log of the take-over.
        folder: PathBuf,
        /// Program and arguments that take the run over.
        take_over: Vec<String>,
    },
    /// Something is held, or about to be; past `ms` from now the guard acts. Said again, it sets the time anew.
    Cover { step: String, ms: u64 },
    /// What can be given back comes along.
    Keep { step: String, what: Kept },
    /// It is given back: close the descriptor.
    Give { step: String, what: Kept },
    /// All of it is over.
    Uncover { step: String },
    /// Are you there?
    Ping,
    /// The run needs no guard any more.
    Disarm,
}

/// What a kept descriptor is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// Thaw the file system mounted there.
    Mount(String),
    /// Shut down the stream of that number.
    Stream(u32),
}

/// From the guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Done.
    Done,
    /// Not done, and why.
    Refused(String),
}

/// Sends a word or a reply as one packet, a descriptor with it.
pub fn send(socket: impl AsFd, word: &impl Serialize, with: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let bytes = serde_json::to_vec(word)?;
    let fds: Vec<_> = with.into_iter().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    loop {
        match rustix::net::sendmsg(&socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map(drop).map_err(io::Error::from),
        }
    }
}

/// Receives one, waiting for it or not (`WouldBlock`); none at the end of the conversation.
pub fn receive<T: for<'a> Deserialize<'a>>(
    socket: impl AsFd,
    wait: bool,
) -> io::Result<Option<(T, Option<OwnedFd>)>> {
    let how = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
    let mut bytes = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    // With a time limit on the socket the kernel restarts nothing that a signal interrupted, and silence is no answer.
    let got = loop {
        let mut into = [IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(&socket, &mut into, &mut control, how | RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut fd = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            fd = fds.last();
        }
    }
    if got.bytes == 0 {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&bytes[..got.bytes])?, fd)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::os::unix::thread::JoinHandleExt;
    use std::time::Duration;

    extern "C" fn nothing(_: libc::c_int) {}

    /// Sabotage: an interrupted wait taken for the other side's end (the engine then believes that its guard died).
    #[test]
    fn a_signal_does_not_end_the_wait_for_an_answer() {
        // SAFETY: the handler does nothing; without SA_RESTART whatever waits is interrupted.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as libc::sighandler_t;
            libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut());
        }
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let limit = Some(Duration::from_secs(60));
        rustix::net::sockopt::set_socket_timeout(&ours, rustix::net::sockopt::Timeout::Recv, limit).unwrap();
        let waits = std::thread::spawn(move || receive::<Reply>(&ours, true));
        for _ in 0..2_000 {
            // SAFETY: the thread is not joined yet, so that its handle is good.
            unsafe { libc::pthread_kill(waits.as_pthread_t(), libc::SIGUSR2) };
            std::thread::yield_now();
        }
        send(&theirs, &Reply::Done, None).unwrap();
        assert!(matches!(waits.join().unwrap(), Ok(Some((Reply::Done, None)))));
    }
}
