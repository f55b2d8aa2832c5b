//! Volume groups, logical volumes and their snapshots: one file a step; `report` reads LVM's answers, `name` makes
//! names.

mod activation;
mod check_extents;
mod course;
mod fence;
mod merge;
mod mergeable;
mod metadata_check;
mod name;
mod remove;
mod report;
mod snapshot;
mod unfence;
mod usable;

pub use activation::{Activate, Deactivate};
pub use check_extents::CheckExtents;
pub use fence::Fence;
pub use merge::Merge;
pub use metadata_check::MetadataCheck;
pub use remove::Remove;
pub use snapshot::Snapshot;
pub use unfence::Unfence;
pub use usable::Usable;

cutwater_sdk::plugin! {
    name: "lvm",
    summary: "Volume groups, logical volumes and their snapshots.",
    checks: [CheckExtents, MetadataCheck, Usable],
    actions: [Snapshot, Remove, Activate, Deactivate, Fence, Unfence, Merge],
}

#[cfg(test)]
mod tests;
