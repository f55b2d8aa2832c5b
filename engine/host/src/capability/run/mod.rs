//! Programs: found on the host's fixed path, started through the launcher, watched to their own end.

pub mod child;
pub mod life;
pub mod link;
pub mod output;
pub mod path;
pub mod rules;
