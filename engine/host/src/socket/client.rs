//! The other end: asks the owner of a run, and tells when there is none. It must not know what is asked.

use super::words::{self, Reply, Request};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an owner may take: longer than it gives its own loop.
const PATIENCE: Duration = Duration::from_secs(90);

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
    #[error("the owner of run {run} does not answer")]
    Silent {
        /// Which run.
        run: String,
        /// How the conversation broke.
        #[source]
        source: io::Error,
    },
}

/// Asks the owner of `run` and returns its words. `folder` is where runs have their sockets.
pub fn send(folder: &Path, run: &str, request: &Request) -> Result<String, SendError> {
    let no_owner = || SendError::NoOwner(run.to_owned());
    let silent = |source| SendError::Silent { run: run.to_owned(), source };
    if run.contains('/') {
        return Err(no_owner());
    }
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
        Err(error) => return Err(silent(error)),
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(silent)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(silent)?;
    words::send(&stream, request).map_err(silent)?;
    match words::receive(&stream).map_err(silent)? {
        Reply::Done(words) => Ok(words),
        Reply::Refused(why) => Err(SendError::Refused(why)),
    }
}
