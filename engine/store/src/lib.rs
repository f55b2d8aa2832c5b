//! The journal of every run on this machine, in SQLite. It must not know plans' meaning, plugins or a terminal, and it
//! is the only crate that knows SQLite.

mod append;
mod error;
mod head;
mod history;
mod locks;
mod open;
mod read;
mod reserve;
mod schema;
mod store;
mod sum;
mod writer;

pub use error::StoreError;
pub use history::{Lock, Owner, Summary};
pub use schema::{EVENTS_VIEW, FORMAT};
pub use store::Store;
