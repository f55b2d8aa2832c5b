//! The sandbox with the hostile plugin in it, and ways to ask the plugin for something and to hear all that is reported
//! meanwhile. It must not know what is tried.

mod bench;
mod heard;

pub use bench::{Bench, component};
pub use heard::Heard;
