//! The plugins inside the binary: what lay in `target/guests/shipped` when it was built. It must not know what they do.

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));
