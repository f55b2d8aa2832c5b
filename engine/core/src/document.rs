//! The workflow file: text in, spanned tree out, everything wrong with its form said in one go. It must not know which
//! plugins there are.

mod bodies;
mod inputs;
pub mod node;
mod parse;
mod read;
mod scalar;
mod source;
mod steps;
mod tree;
mod walk;

pub use inputs::TYPES as INPUT_TYPES;
pub use parse::{KEYS, Parsed, parse, parse_leniently, tree_of};
pub use read::{DEEPEST, LARGEST, LONGEST, MOST};
pub use source::{Source, Span, Spanned};
pub use steps::KEYS as STEP_KEYS;
pub use tree::{Document, Does, Input, Repeat, Step, Uses};
