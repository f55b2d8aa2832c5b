//! The kernel's two calls. A freeze outlives the process that made it; a second freeze is EBUSY, a second thaw EINVAL.
//! It must not know who may freeze what.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// `_IOWR('X', 119, int)` and `_IOWR('X', 120, int)` of linux/fs.h.
const FIFREEZE: libc::c_ulong = 0xC004_5877;
const FITHAW: libc::c_ulong = 0xC004_5878;

/// Freezes the file system of an `O_RDONLY` descriptor, what is dirty being written out before.
pub fn freeze(on: impl AsFd) -> io::Result<()> {
    ask(on, FIFREEZE)
}

/// Thaws it. True: it was frozen; false: it was not.
pub fn thaw(on: impl AsFd) -> io::Result<bool> {
    match ask(on, FITHAW) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
    }
}

fn ask(on: impl AsFd, request: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the descriptor lives through the call, and both requests ignore their argument.
    match unsafe { libc::ioctl(on.as_fd().as_raw_fd(), request, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
