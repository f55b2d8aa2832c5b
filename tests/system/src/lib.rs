//! What the whole-system tests and the demo share: the main job on a machine of the lab, and what it left behind.

mod job;
mod log_writes;
mod report;
mod strike;

pub use job::{MainJob, Moved, compiled_plugins};
pub use log_writes::{Entry, LogWrites};
pub use report::report;
pub use strike::{Struck, durable_but_for};
