//! Single files, read whole and replaced at once.

pub mod link;
pub mod place;
pub mod verbs;
