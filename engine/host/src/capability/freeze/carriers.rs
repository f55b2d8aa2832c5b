//! Which file systems carry given files: the file's own, and every one and every device below it, through overlays,
//! device mapper, loop files and partitions. It must not know what the files are, nor what would be done to whom.

use crate::capability::machine::mountinfo::{self, Mount};
use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The number of a device, or of a file system that has no device of its own.
pub type Device = (u32, u32);

/// The first of `files` that would stop if the file system mounted at `at` did. A file that is not there yet counts as
/// its nearest folder that is.
pub fn carried<'a>(at: &Path, files: &'a [PathBuf]) -> std::io::Result<Option<&'a PathBuf>> {
    let target = device(std::fs::metadata(at)?.dev());
    for file in files {
        if carriers(file)?.contains(&target) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Everything that the file rests on: its file system, and all file systems and devices below. A file that is not there
/// yet counts as its nearest folder that is.
pub fn carriers(file: &Path) -> std::io::Result<BTreeSet<Device>> {
    let Some(facts) = file.ancestors().find_map(|path| std::fs::metadata(path).ok()) else {
        return Ok(BTreeSet::new());
    };
    let mounts = mountinfo::mounts(&std::fs::read_to_string("/proc/self/mountinfo")?);
    Ok(chain(device(facts.dev()), &|number| below(number, &mounts)))
}

/// Everything that `first` rests on, itself included.
fn chain(first: Device, below: &dyn Fn(Device) -> Vec<Device>) -> BTreeSet<Device> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![first];
    while let Some(number) = waiting.pop() {
        if found.insert(number) {
            waiting.extend(below(number));
        }
    }
    found
}

fn below(number: Device, mounts: &[Mount]) -> Vec<Device> {
    let (major, minor) = number;
    if major == 0 {
        return sources(number, mounts);
    }
    let sys = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let mut found: Vec<_> = std::fs::read_dir(sys.join("slaves"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|slave| number_in(&slave.path().join("dev")))
        .collect();
    if sys.join("partition").exists() {
        found.extend(number_in(&sys.join("../dev")));
    }
    if let Ok(backing) = std::fs::read_to_string(sys.join("loop/backing_file")) {
        found.extend(std::fs::metadata(backing.trim_end()).ok().map(|facts| device(facts.dev())));
    }
    found
}

/// What a file system without a device of its own was made from: a device (btrfs), or folders of others (overlay).
fn sources(number: Device, mounts: &[Mount]) -> Vec<Device> {
    let mount = mounts.iter().find(|mount| (mount.major, mount.minor) == number);
    let Some(mount) = mount else { return Vec::new() };
    let layers = mount.options.split(',').filter_map(|option| {
        let (key, value) = option.split_once('=')?;
        matches!(key, "upperdir" | "workdir" | "lowerdir").then_some(value)
    });
    let layers = layers.flat_map(|folders| folders.split(':'));
    let paths = std::iter::once(mount.device.as_str()).chain(layers).filter(|path| path.starts_with('/'));
    let facts = paths.filter_map(|path| std::fs::metadata(path).ok());
    facts.map(|f| device(if f.file_type().is_block_device() { f.rdev() } else { f.dev() })).collect()
}

fn number_in(file: &Path) -> Option<Device> {
    let text = std::fs::read_to_string(file).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn device(number: u64) -> Device {
    (rustix::fs::major(number), rustix::fs::minor(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_goes_through_every_layer_once() {
        let below = |number| match number {
            (0, 50) => vec![(253, 0)],
            (253, 0) => vec![(253, 1), (253, 2)],
            (253, 1) | (253, 2) => vec![(8, 1)],
            (8, 1) => vec![(8, 0)],
            (8, 0) => vec![(253, 0)],
            _ => vec![],
        };
        let all = [(0, 50), (253, 0), (253, 1), (253, 2), (8, 1), (8, 0)];
        assert_eq!(chain((0, 50), &below), BTreeSet::from(all));
        assert_eq!(chain((9, 9), &below), BTreeSet::from([(9, 9)]));
    }

    #[test]
    fn a_file_is_carried_by_its_own_file_system_and_not_by_proc() {
        let here = std::env::current_dir().unwrap();
        let files = [here.join("Cargo.toml"), here.join("not/there/yet")];
        assert_eq!(carried(&here, &files).unwrap(), Some(&files[0]));
        assert_eq!(carried(&here, &files[1..]).unwrap(), Some(&files[1]));
        assert_eq!(carried(Path::new("/proc"), &files).unwrap(), None);
    }
}
