//! The loop of one run and its recovery, and the ports that it stands on. It must not know SQLite, WebAssembly, NATS
//! or a terminal: whatever touches the world stands behind a port and reports back as data.

pub mod engine;
pub mod faults;
pub mod orphan;
pub mod ports;
pub mod prepare;
pub mod simulate;
pub mod window;

mod carry;
mod cross;
mod hear;
mod obey;
