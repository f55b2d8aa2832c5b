//! A workflow's run in a world that is only thought of: the real core and driver over ports that act on a [`World`], and
//! the walk over every place at which a step can fail or the engine can die. It must not know a system, nor a terminal.

mod case;
mod clock;
mod guard;
mod judge;
mod memory;
mod outputs;
mod runner;
mod shape;
mod trouble;
mod walk;
mod world;

pub use case::{End, Played, Stage, play};
pub use clock::Jumping;
pub use guard::Remembering;
pub use judge::{Blame, Wrong, blind_repeats};
pub use memory::Memory;
pub use outputs::{Outputs, given_or_made_up, plan};
pub use runner::Simulated;
pub use shape::Shape;
pub use trouble::{Column, Trouble};
pub use walk::{Case, Pairs, Walked, walk};
pub use world::World;
