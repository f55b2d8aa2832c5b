//! The host as a step sees it: one trait with every capability. On `wasm32` its only implementation stands on the
//! imports of `sdk/wit`; natively it is whatever a test brings, [`crate::fake::Host`] first of all.
//! It must not know which grants there are.

mod block;
mod command;
mod file;
mod stream;

pub use block::{
    Base, BlockFacts, Changed, CompareRequest, Compared, Copied, CopyRequest, ResyncRequest, Resynced,
};
pub(crate) use command::collect;
pub use command::{Child, Chunk, Command, Ended, Finished};
pub use file::{FileKind, Mount, Stat};
pub use stream::Stream;

use crate::answer::Fault;
use serde_json::Value;

/// How loud a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For whoever hunts a defect.
    Debug,
    /// For whoever watches.
    Info,
    /// Something is odd.
    Warn,
    /// Something went wrong.
    Error,
}

/// Every capability. A call that is not granted, or not in the plan, is a fault `denied`.
///
/// Hand on [`crate::Context`] rather than `&dyn Host`: on `wasm32` the calls are then resolved when the component is
/// built, and it imports only what it uses.
pub trait Host {
    /// Says something to whoever watches the run.
    fn log(&self, level: Level, text: &str);
    /// Tells how far it is: `done` of `total` (0: not known) `unit`s.
    fn progress(&self, done: u64, total: u64, unit: &str);
    /// Shows a figure that goes up and down, under its name; none: it has no value now.
    fn gauge(&self, name: &str, value: Option<f64>);
    /// Saves resumable state of this attempt; durable when it returns.
    fn save(&self, state: &Value) -> Result<(), Fault>;

    /// Starts a program.
    fn start(&self, command: &Command) -> Result<Box<dyn Child>, Fault>;
    /// Runs a program to its end and collects its output.
    fn run(&self, command: &Command) -> Result<Finished, Fault> {
        collect(self.start(command)?)
    }

    /// Opens a stream; `protocol` is `postgres` or `opaque`.
    fn connect(&self, address: &Value, protocol: &str) -> Result<Box<dyn Stream>, Fault>;

    /// The content of a file of at most 1 MiB.
    fn read(&self, path: &str) -> Result<Vec<u8>, Fault>;
    /// Puts new content in place of a file's, atomically and durably.
    fn replace(&self, path: &str, content: &[u8]) -> Result<(), Fault>;
    /// Removes a file; one that is not there is no fault.
    fn remove(&self, path: &str) -> Result<(), Fault>;
    /// What is at a path, or the fault `missing`.
    fn stat(&self, path: &str) -> Result<Stat, Fault>;
    /// Makes a folder where missing.
    fn make_folder(&self, path: &str) -> Result<(), Fault>;
    /// The content of a text file; none if there is no such file.
    fn read_text(&self, path: &str) -> Result<Option<String>, Fault> {
        match self.read(path) {
            Ok(bytes) => Ok(Some(
                String::from_utf8(bytes).map_err(|_| Fault::new("invalid", format!("{path} is not text")))?,
            )),
            Err(fault) if fault.is_missing() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// What a block device is, and who uses it.
    fn facts(&self, device: &str) -> Result<BlockFacts, Fault>;
    /// At most 1 MiB of a device, past the page cache.
    fn read_block(&self, device: &str, offset: u64, length: u32) -> Result<Vec<u8>, Fault>;
    /// Copies a whole device.
    fn copy(&self, request: &CopyRequest) -> Result<Copied, Fault>;
    /// Compares two devices.
    fn compare(&self, request: &CompareRequest) -> Result<Compared, Fault>;
    /// What an exception store lists as changed.
    fn changed(&self, store: &str, chunk_limit: Option<u64>) -> Result<Changed, Fault>;
    /// Copies just the chunks that an exception store lists.
    fn resync(&self, request: &ResyncRequest) -> Result<Resynced, Fault>;
    /// Zeroes the first and last MiB of a device.
    fn erase(&self, to: &str) -> Result<(), Fault>;

    /// Freezes the file system mounted at a path.
    fn freeze(&self, at: &str) -> Result<(), Fault>;
    /// Thaws it; one that is not frozen is no fault.
    fn thaw(&self, at: &str) -> Result<(), Fault>;

    /// Milliseconds since 1970.
    fn now(&self) -> u64;
    /// Milliseconds of a clock that only goes forward.
    fn monotonic(&self) -> u64;
    /// Waits; ends early with the fault `stopping`.
    fn sleep(&self, ms: u64) -> Result<(), Fault>;
    /// Random bytes.
    fn random(&self, count: u32) -> Vec<u8>;

    /// A named secret.
    fn secret(&self, name: &str) -> Result<String, Fault>;

    /// What the host's policy declares, such as the programs of a service.
    fn declared(&self, kind: &str, name: &str) -> Result<Option<Value>, Fault>;
    /// What is mounted where.
    fn mounts(&self) -> Result<Vec<Mount>, Fault>;
    /// Names the time since the machine was last started.
    fn boot_id(&self) -> Result<String, Fault>;
}
