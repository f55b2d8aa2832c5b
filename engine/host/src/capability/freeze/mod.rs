//! Freezing a mounted file system, under the guard's eyes, and never one that carries what Cutwater itself needs.

pub mod carriers;
pub mod hold;
pub mod kernel;
pub mod link;
