//! Volume groups, logical volumes and their snapshots: one file a step; `report` reads LVM's answers, `name` makes
//! names.

mod activation;
mod check_extents;
mod fence;
mod metadata_check;
mod name;
mod remove;
mod report;
mod snapshot;
mod usable;

pub use activation::{Activate, Deactivate};
pub use check_extents::CheckExtents;
pub use fence::Fence;
pub use metadata_check::MetadataCheck;
pub use remove::Remove;
pub use snapshot::Snapshot;
pub use usable::Usable;

cutwater_sdk::plugin! {
    name: "lvm",
    summary: "Volume groups, logical volumes and their snapshots.",
    checks: [CheckExtents, MetadataCheck, Usable],
    actions: [Snapshot, Remove, Activate, Deactivate, Fence],
}

#[cfg(test)]
mod tests;
