//! The open streams of this engine, by number, so that a hold's sockets can be watched and handed to the guard. It
//! must not know what flows in them.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

/// Open streams. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Streams {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    last: u32,
    sockets: BTreeMap<u32, OwnedFd>,
}

impl Streams {
    /// Enters a socket; its number is never used again in this process.
    pub fn enter(&self, socket: BorrowedFd<'_>) -> std::io::Result<u32> {
        let copy = socket.try_clone_to_owned()?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.last += 1;
        let id = open.last;
        open.sockets.insert(id, copy);
        Ok(id)
    }

    /// A closed stream leaves.
    pub fn leave(&self, id: u32) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).sockets.remove(&id);
    }

    /// Another descriptor of the same socket, to watch or hand on; none: it is not open.
    pub fn copy(&self, id: u32) -> Option<OwnedFd> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.sockets.get(&id)?.as_fd().try_clone_to_owned().ok()
    }

    /// Shuts a stream down for whoever holds it.
    pub fn hang_up(&self, id: u32) {
        if let Some(socket) = self.copy(id) {
            let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
        }
    }
}
