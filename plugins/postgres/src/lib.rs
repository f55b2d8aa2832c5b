//! The plugin `postgres`: speaks the wire protocol itself. Checkpoints, holds backup mode, bars and admits clients,
//! drains sessions, starts closed to clients, checks by query; dumps and base backups by PostgreSQL's own programs. It must not
//! know volumes.

mod address;
mod admit;
mod bar;
mod base_backup;
mod binding;
mod check;
mod checkpoint;
mod client;
mod copied;
mod drain;
mod dump;
mod exported_snapshot;
mod facts;
mod folder;
mod hba;
mod orphan;
mod quiesce;
mod serve_copy;
mod session;
mod start;
mod statement;
mod stop_copy;
mod take_wal;
mod trouble;
mod wal;
mod whole;

pub use address::Address;
pub use admit::Admit;
pub use bar::Bar;
pub use base_backup::BaseBackup;
pub use check::Check;
pub use checkpoint::Checkpoint;
pub use drain::Drain;
pub use dump::Dump;
pub use exported_snapshot::ExportedSnapshot;
pub use quiesce::Quiesce;
pub use serve_copy::ServeCopy;
pub use start::Start;
pub use stop_copy::StopCopy;
pub use take_wal::TakeWal;

cutwater_sdk::plugin! {
    name: "postgres",
    summary: "PostgreSQL 15 and later: checkpoints, backup mode, barred and admitted clients, checks, dumps, base backups.",
    checks: [Check],
    actions: [Checkpoint, Bar, Admit, Drain, Start, TakeWal, ServeCopy, StopCopy, Dump, BaseBackup],
    holds: [Quiesce, ExportedSnapshot],
}
