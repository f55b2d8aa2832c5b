//! The socket of a run's owner: how a person, on a terminal of their own, reaches the engine that owns the run.
//!
//!     client ──JSON line──> server ──Command, reply channel──> the loop of the run

pub mod client;
pub mod peer;
pub mod server;
pub mod words;
