//! Programs: found on the host's fixed path, each watched from its start to its end.

pub mod child;
pub mod launch;
pub mod life;
pub mod link;
pub mod output;
pub mod path;
pub mod rules;
