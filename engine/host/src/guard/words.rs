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
    rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
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
    let got = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        how | RecvFlags::CMSG_CLOEXEC,
    )?;
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
