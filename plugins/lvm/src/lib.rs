//! Volume groups, logical volumes and their snapshots: one file a step; `report`, `layout`, `members` and `physical` read LVM's
//! answers, `stack` what devices stand on, `name` makes names; `moving` and `carrying` are of `move_volumes`, `fill` is of `watch`,
//! `lent` of `lend`, `owner` and `proof` of `take_over`.

mod activation;
mod carrying;
mod check_extents;
mod course;
mod fence;
mod fill;
mod layout;
mod lend;
mod lent;
mod members;
mod merge;
mod mergeable;
mod metadata_check;
mod move_volumes;
mod moving;
mod name;
mod owner;
mod physical;
mod placed;
mod proof;
mod remove;
mod report;
mod snapshot;
mod stack;
mod take_over;
mod unfence;
mod usable;
mod watch;

pub use activation::{Activate, Deactivate};
pub use check_extents::CheckExtents;
pub use fence::Fence;
pub use lend::LendExtents;
pub use merge::Merge;
pub use metadata_check::MetadataCheck;
pub use move_volumes::MoveVolumes;
pub use placed::Placed;
pub use remove::Remove;
pub use snapshot::Snapshot;
pub use take_over::TakeOver;
pub use unfence::Unfence;
pub use usable::Usable;
pub use watch::Watch;

cutwater_sdk::plugin! {
    name: "lvm",
    summary: "Volume groups, logical volumes and their snapshots.",
    checks: [CheckExtents, MetadataCheck, Placed, Usable],
    actions: [Snapshot, Remove, Activate, Deactivate, Fence, Unfence, Merge, MoveVolumes, TakeOver, Watch],
    holds: [LendExtents],
}

#[cfg(test)]
mod lend_tests;
#[cfg(test)]
mod move_tests;
#[cfg(test)]
mod take_over_tests;
#[cfg(test)]
mod tests;
