//! The plugin `postgres`: speaks the wire protocol itself. Checkpoints, holds backup mode, bars and admits clients,
//! drains sessions, starts closed to clients, checks by query. It must not know volumes.

mod address;
mod admit;
mod bar;
mod binding;
mod check;
mod checkpoint;
mod copied;
mod drain;
mod facts;
mod hba;
mod quiesce;
mod serve_copy;
mod session;
mod start;
mod statement;
mod stop_copy;
mod take_wal;
mod trouble;
mod wal;

pub use address::Address;
pub use admit::Admit;
pub use bar::Bar;
pub use check::Check;
pub use checkpoint::Checkpoint;
pub use drain::Drain;
pub use quiesce::Quiesce;
pub use serve_copy::ServeCopy;
pub use start::Start;
pub use stop_copy::StopCopy;
pub use take_wal::TakeWal;

cutwater_sdk::plugin! {
    name: "postgres",
    summary: "PostgreSQL 15 and later: checkpoints, backup mode, barred and admitted clients, checks.",
    checks: [Check],
    actions: [Checkpoint, Bar, Admit, Drain, Start, TakeWal, ServeCopy, StopCopy],
    holds: [Quiesce],
}
