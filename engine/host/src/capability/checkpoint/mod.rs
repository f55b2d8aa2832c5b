//! Resumable state of an attempt.

pub mod link;
