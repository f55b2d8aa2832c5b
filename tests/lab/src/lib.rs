//! A machine of one's own for tests: user-mode Linux with device mapper, LVM, XFS and PostgreSQL,
//! booted through `boot/init` on disks that are files, given one job, powered off or cut dead.
//!
//! Must not know: anything of Cutwater. A job and a share are all that goes in, a share and disks
//! are all that comes out.
//!
//! ```no_run
//! # use std::time::Duration;
//! # fn main() -> anyhow::Result<()> {
//! use cutwater_lab::{Image, Lab};
//!
//! let lab = Lab::new("target/lab/example")?.image(&Image::named("postgres")?)?;
//! let outcome = lab.boot("lvs && echo hello >$OUT/greeting")?.wait(Duration::from_secs(60))?;
//! assert_eq!(outcome.status, 0);
//! assert_eq!(outcome.read("greeting")?, "hello\n");
//! # Ok(())
//! # }
//! ```

mod disk;
mod group;
mod image;
mod lab;
mod place;
mod processor;
mod running;

pub use disk::Disk;
pub use image::Image;
pub use lab::Lab;
pub use place::{built_program, lab_folder, scratch};
pub use running::{Outcome, Running};
