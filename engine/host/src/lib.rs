//! Everything that touches the machine: the sandbox that runs plugins, what they may do there, the guard, the socket of a run.
//! It must not know the journal, the order of steps, or a terminal.

pub mod admission;
pub mod bindings;
pub mod cache;
pub mod capability;
mod convert;
pub mod fault;
pub mod ground;
pub mod guard;
pub mod instance;
pub mod limits;
pub mod registry;
pub mod runner;
pub mod runtime;
pub mod socket;
pub mod state;
pub mod used;
pub mod users;
pub mod waiting;
