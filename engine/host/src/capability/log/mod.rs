//! Words of a plugin, in the run's history.

pub mod link;
