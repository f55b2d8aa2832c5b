//! How far a call is.

pub mod link;
