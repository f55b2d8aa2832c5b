//! Backups of mounted volumes in a restic repository on this machine, and the way back: one file a step; `repository` talks to
//! restic, `mounted` sees that a folder is the volume it is taken for, `tree` lists and compares.

mod backup;
mod check;
mod compare;
mod locks;
mod mounted;
mod repository;
mod restore;
mod tree;

pub use backup::Backup;
pub use check::{Check, ReadData};
pub use compare::Compare;
pub use restore::Restore;

cutwater_sdk::plugin! {
    name: "restic",
    summary: "Backups of mounted volumes in a restic repository, and the way back.",
    checks: [Check, Compare],
    actions: [Backup, Restore],
}
