//! Time, as the host tells it.

pub mod link;
