//! Mounts, /etc/fstab and freezing, one file a step; `mounted` reads the kernel's table, `fstab` edits the text.

mod discard;
mod freeze;
mod fstab;
mod mount;
mod mounted;
mod persist;
mod unmount;

pub use discard::Discard;
pub use freeze::Freeze;
pub use mount::Mount;
pub use persist::Persist;
pub use unmount::Unmount;

cutwater_sdk::plugin! {
    name: "fs",
    summary: "Mounts, /etc/fstab, and freezing file systems.",
    actions: [Mount, Unmount, Discard, Persist],
    holds: [Freeze],
}

#[cfg(test)]
mod tests;
