//! The other end: asks the owner of a run, and tells when there is none. It must not know what is asked.

use super::words::{self, Reply, Request};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an owner may take: longer than it gives its own loop.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long one that is alive may take to say so, which needs nothing of its loop.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Why there is no answer, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nobody alive owns the run: append the command to the journal, or resume it.
    #[error("nobody owns run {0} at the moment")]
    NoOwner(String),
    /// The owner said no, and why.
    #[error("{0}")]
    Refused(String),
    /// The owner is there and does not answer.
    #[error(
        "process {pid}, which owns run {run}, is there and does not answer; `ps -o pid,stat,wchan -p {pid}` shows whether \
         it is stopped (T: `kill -CONT {pid}`) or hangs (`kill -KILL {pid}`, then `cutwater resume {run}`; where something \
         is held or down, the guard does that by itself when its limit passes)"
    )]
    Silent {
        /// Which run.
        run: String,
        /// The owner's process.
        pid: String,
        /// How the conversation broke.
        #[source]
        source: io::Error,
    },
}

/// Asks the owner of `run` and returns its words. `folder` is where runs have their sockets.
pub fn send(folder: &Path, run: &str, request: &Request) -> Result<String, SendError> {
    let no_owner = || SendError::NoOwner(run.to_owned());
    if run.contains('/') {
        return Err(no_owner());
    }
    let ask = |request: &Request, patience| {
        let stream = match UnixStream::connect(words::path(folder, run)) {
            Ok(stream) => stream,
            // Nobody can listen at a path that is too long for a socket (InvalidInput) either.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::InvalidInput
                ) =>
            {
                return Err(no_owner());
            }
            Err(source) => return Err(SendError::Silent { run: run.to_owned(), pid: "?".into(), source }),
        };
        let silent = |source| SendError::Silent { run: run.to_owned(), pid: pid_of(&stream), source };
        stream.set_read_timeout(Some(patience)).map_err(silent)?;
        stream.set_write_timeout(Some(patience)).map_err(silent)?;
        words::send(&stream, request).map_err(silent)?;
        words::receive(&stream).map_err(silent)
    };
    let mut reply = ask(&Request::Ping, SIGN_OF_LIFE)?;
    if *request != Request::Ping {
        reply = ask(request, PATIENCE)?;
    }
    match reply {
        Reply::Done(words) => Ok(words),
        Reply::Refused(why) => Err(SendError::Refused(why)),
    }
}

/// Who listens.
fn pid_of(stream: &UnixStream) -> String {
    let pid = rustix::net::sockopt::socket_peercred(stream).map(|peer| peer.pid.as_raw_nonzero().to_string());
    pid.unwrap_or_else(|_| "?".to_owned())
}
