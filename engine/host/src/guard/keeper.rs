//! How a capability puts what it is about to hold into the guard's hands. It must not know the guard's process.

use cutwater_driver::ports::GuardError;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Keeps descriptors for a hold; two are known: the guard's client, and one for tests.
pub trait Keeper: Send + Sync {
    /// Before a file system is frozen: from here on the guard can thaw it by `mount`, an `O_RDONLY` descriptor. Fails
    /// unless the guard lives and covers `step`.
    fn keep_mount(&self, step: &str, at: &Path, mount: BorrowedFd<'_>) -> Result<(), GuardError>;
    /// After it is thawed: the guard closes its descriptor, so that the file system can be unmounted.
    fn give_mount(&self, step: &str, at: &Path);
}
