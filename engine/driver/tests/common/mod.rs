//! What the tests of the loop share.

pub mod plans;
