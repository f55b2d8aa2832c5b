//! Streams to databases and other services: who may connect where, as whom, and what may be said.

pub mod dial;
pub mod frames;
pub mod link;
pub mod stream;
pub mod streams;
pub mod tls;
