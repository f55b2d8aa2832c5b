//! A throw-away server, and the machine that it runs on as a host. It must not know the plugin's steps.

mod cluster;
mod machine;
mod stream;

pub use cluster::Cluster;
pub use machine::Machine;
