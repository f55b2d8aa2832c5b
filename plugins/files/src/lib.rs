//! Copies of folders with rsync, the last resort where no snapshot can be had, and the hold on such a copy. One file a step:
//! `course` is the way of one pass, `lines` what is run, `told` what rsync says, `expected` how many passes there will be.

mod course;
mod expected;
mod lines;
mod release;
mod sync;
mod told;

pub use release::Release;
pub use sync::Sync;

cutwater_sdk::plugin! {
    name: "files",
    summary: "Copies of folders, verified file by file and held until they are released.",
    actions: [Sync, Release],
}
