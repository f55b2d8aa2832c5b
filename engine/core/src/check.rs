//! What can be proved about a document before anything runs, given the plugins' descriptions, the inputs and the host's
//! policy; everything that is wrong is said in one go. It must not know how a plan is made.
//!
//! Enter it on a thread with a stack of [`crate::expr::STACK`] bytes: expressions are parsed here.

mod checked;
mod checker;
mod copies;
mod entry;
mod given;
mod grants;
mod inside;
mod limits;
mod mark;
mod order;
mod reach;
mod reads;
mod repeat;
mod top;
mod uses;
mod watch;
mod with;

pub use checked::{Checked, CheckedStep, ForEach};
pub use entry::{check, check_text};
pub use given::Given;
