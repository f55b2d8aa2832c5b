//! A picture of a run over time: a lane for each step, bands for holds and outages, a line for the point of no return.
//! It needs nothing else: no font, no script, no style from outside. It must not know where the events come from.
//!
//! The time axis is stretched where much happens, for a copy lasts hours and an outage seconds: the width of each piece
//! between two events grows with a power of its length, and the axis is labelled with true times.

mod axis;
mod draw;

pub use draw::svg;

#[cfg(test)]
mod tests;
