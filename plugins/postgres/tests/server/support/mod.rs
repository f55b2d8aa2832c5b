//! A throw-away server, the machine that it runs on as a host, and the plugin's calls. It must not know the plugin's steps.

mod bench;
mod cluster;
mod machine;
mod stream;

pub use bench::{Bench, changed, refused};
pub use cluster::Cluster;
pub use machine::{Machine, Strike};
