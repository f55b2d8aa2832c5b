//! Whether two devices are names of one storage: loop devices on one file, a disk and its partition, a volume and what it
//! stands on, two paths to one disk. It must not know who asks.

use super::device::{Device, Number};
use super::facts::{self, number_of, slaves};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A stretch of a file that a loop device shows.
struct Stretch {
    file: (u64, u64),
    from: u64,
    to: u64,
}

impl Stretch {
    /// Of a loop device, by its folder in sysfs.
    fn of_loop(sys: &Path, bytes: u64) -> Option<Self> {
        let text = |name: &str| fs::read_to_string(sys.join("loop").join(name)).ok();
        let meta = fs::metadata(text("backing_file")?.trim_end()).ok()?;
        let from = text("offset")?.trim().parse().ok()?;
        Some(Self { file: (meta.dev(), meta.ino()), from, to: from.saturating_add(bytes) })
    }

    fn of(number: Number, bytes: u64) -> Option<Self> {
        match number {
            Number::File(dev, inode) => Some(Self { file: (dev, inode), from: 0, to: bytes }),
            Number::Block(..) => Self::of_loop(&facts::sys(number), bytes),
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.file == other.file && self.from < other.to && other.from < self.to
    }
}

/// The device and everything that it stands on: slaves, and the disk of a partition.
fn stack(number: Number) -> BTreeSet<(u32, u32)> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![number];
    while let Some(number) = waiting.pop() {
        let Number::Block(major, minor) = number else { continue };
        if found.insert((major, minor)) {
            waiting.extend(slaves(number).iter().filter_map(|name| number_of(name)));
            let disk = fs::canonicalize(facts::sys(number)).ok().filter(|sys| sys.join("partition").exists());
            let name = disk.as_deref().and_then(Path::parent).and_then(Path::file_name);
            waiting.extend(name.and_then(|name| number_of(&name.to_string_lossy())));
        }
    }
    found
}

/// Whether what is written to one may change the other.
pub fn share(a: &Device, b: &Device) -> bool {
    let stands_on = |upper: &Device, lower: &Device| match lower.number() {
        Number::Block(major, minor) => stack(upper.number()).contains(&(major, minor)),
        Number::File(..) => upper.number() == lower.number(),
    };
    let stretches = (Stretch::of(a.number(), a.bytes()), Stretch::of(b.number(), b.bytes()));
    let overlap = matches!(&stretches, (Some(a), Some(b)) if a.overlaps(b));
    // Names that a disk carries itself, whichever path leads to it.
    let own_name = |name: &str| ["wwid:", "dm:", "md:"].iter().any(|kind| name.starts_with(kind));
    let name = facts::identity(a);
    stands_on(a, b) || stands_on(b, a) || overlap || (own_name(&name) && name == facts::identity(b))
}

/// Other loop devices that show some of what the device shows.
pub fn others(device: &Device) -> Vec<String> {
    let Some(own) = Stretch::of(device.number(), device.bytes()) else { return Vec::new() };
    let entries = fs::read_dir("/sys/class/block").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let sectors: u64 = fs::read_to_string(entry.path().join("size")).ok()?.trim().parse().ok()?;
            let other = Stretch::of_loop(&entry.path(), sectors * 512)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            (number_of(&name)? != device.number() && own.overlaps(&other)).then(|| format!("/dev/{name}"))
        })
        .collect()
}
