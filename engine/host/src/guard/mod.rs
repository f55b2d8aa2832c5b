//! The guard: a small process that outlives the engine and gives back what a dead or hung one holds.
//!
//!     engine ── client ──socket── process ── covers (what is held, until when)
//!                                   │ engine dead, or a cover past its time
//!                                   └→ act: thaw, hang up, write evidence, end the engine, start `resume --take-over`

pub mod act;
pub mod client;
pub mod covers;
pub mod evidence;
pub mod keeper;
pub mod process;
pub mod scope;
pub mod words;
