//! Copies and comparisons of block devices, one file a step. The bytes are moved by the host; here is decided which,
//! in which order, and what is remembered. `base` says how a copy was left.

mod base;
mod compare;
mod converges;
mod resync;
mod sync;

pub use compare::Compare;
pub use converges::Converges;
pub use resync::Resync;
pub use sync::Sync;

cutwater_sdk::plugin! {
    name: "block",
    summary: "Copies and comparisons of block devices.",
    checks: [Compare, Converges],
    actions: [Sync, Resync],
}

#[cfg(test)]
mod tests;
