//! The volume groups of this machine, read from its physical volumes. It must not know snapshots.

use cutwater_host::capability::block::error::BlockError;
use cutwater_host::capability::block::verbs;
use cutwater_lvm2::survey::{self, Found, Reader};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long metadata that is being changed is left alone.
const PAUSE: Duration = Duration::from_millis(25);
/// ENOMEDIUM: a reader of cards or discs with nothing in it.
const NO_MEDIUM: i32 = 123;

/// All groups, by name, and what could not be read.
#[derive(Debug, Default)]
pub struct Everything {
    /// The groups.
    pub groups: Vec<Found>,
    /// Devices that could not be read, or carry damaged metadata.
    pub troubles: Vec<String>,
}

/// Every block device but logical volumes themselves; LVM does not look for physical volumes in those either.
pub fn devices() -> std::io::Result<Vec<PathBuf>> {
    let mut devices = Vec::new();
    for entry in std::fs::read_dir("/sys/class/block")? {
        let entry = entry?;
        let text = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let is_volume = text("dm/uuid").starts_with("LVM-");
        if text("size").trim() != "0" && !is_volume {
            devices.push(Path::new("/dev").join(entry.file_name()));
        }
    }
    devices.sort();
    Ok(devices)
}

/// Reads them all.
pub fn find(devices: &[PathBuf]) -> Everything {
    let mut all = Everything::default();
    let mut carried = Vec::new();
    for device in devices {
        let device = device.display().to_string();
        match survey::carried(&mut Here, &device) {
            Ok(copy) => carried.extend(copy),
            Err(trouble) => all.troubles.push(format!("{device}: {trouble}")),
        }
    }
    survey::once_each(&mut carried);
    all.groups = survey::groups(&carried);
    all
}

/// The devices of this machine.
struct Here;

impl Reader for Here {
    fn read(&mut self, device: &str, offset: u64, bytes: usize) -> Result<Vec<u8>, String> {
        match verbs::read(Path::new(device), offset, bytes as u32) {
            Err(BlockError::Io { source, .. }) if source.raw_os_error() == Some(NO_MEDIUM) => Ok(Vec::new()),
            read => read.map_err(|error| error.full()),
        }
    }

    fn pause(&mut self) {
        std::thread::sleep(PAUSE);
    }
}
