//! Named secrets: where they come from, and how they are kept out of everything else.

pub mod link;
pub mod redact;
pub mod source;
