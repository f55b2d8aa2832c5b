//! How runs look to people and programs. It must not change anything, nor know where the events come from.

pub mod feed;
pub mod figures;
pub mod glyph;
pub mod live;
pub mod model;
pub mod plain;
pub mod tree;
pub mod walk;
