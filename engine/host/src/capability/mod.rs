//! What a plugin may do, one folder a capability, each of the same shape: the work in plain Rust with its own
//! enforcement, and `link.rs`, which offers it to a guest.

pub mod block;
pub mod checkpoint;
pub mod clock;
pub mod connect;
pub mod file;
pub mod freeze;
pub mod gauge;
pub mod log;
pub mod machine;
pub mod progress;
pub mod random;
pub mod run;
pub mod secret;

mod all;

pub use all::link;
