//! Random bytes.

pub mod link;
