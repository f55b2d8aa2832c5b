//! Figures that go up and down.

pub mod link;
