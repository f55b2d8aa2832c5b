//! What the tests of the loop share.

pub mod plans;
pub mod ports;
pub mod world;
