//! What this machine is: its mounts, its boot, what the policy declares.

pub mod link;
pub mod mountinfo;
