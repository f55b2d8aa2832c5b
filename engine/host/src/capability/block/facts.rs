//! What the kernel says of a device: identity, size, users, how much was written to it. Reads sysfs and procfs only.
//! It must not know what is done with it.

use super::device::{Access, Device, Number};
use super::error::BlockError;
use super::signature;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How the target of a copy was left. While it holds, nothing but the data path has written to it since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The target's identity.
    pub to: String,
    /// The boot in which `written` was counted.
    pub boot: String,
    /// Sectors of 512 bytes written to it since it appeared, as the kernel counts them; for a file its change time
    /// in nanoseconds.
    pub written: u64,
}

/// Everything that is known of a device without writing to it: {bytes, sector, identity, kind, dm-name?, dm-uuid?,
/// holders, mounts, swap, signature?, signatures, written, boot}.
pub fn facts(path: &Path) -> Result<Value, BlockError> {
    let device = Device::open(path, Access::Read)?;
    let number = device.number();
    let signatures = signature::probe(&device)?;
    let mut facts = json!({
        "bytes": device.bytes(),
        "sector": sector(number),
        "identity": identity(&device),
        "kind": kind(number),
        "holders": holders(number),
        "mounts": mounts(number),
        "swap": swapped_on(number),
        "signatures": signatures.iter()
            .map(|s| json!({ "kind": s.kind, "at": s.at, "uuid": s.uuid }))
            .collect::<Vec<_>>(),
        "written": written(number, path)?,
        "boot": boot_id()?,
    });
    for (name, value) in [
        ("dm-name", dm(number, "name")),
        ("dm-uuid", dm(number, "uuid")),
        ("signature", signatures.first().map(|s| s.kind.to_owned())),
    ] {
        if let (Some(value), Some(all)) = (value, facts.as_object_mut()) {
            all.insert(name.to_owned(), value.into());
        }
    }
    Ok(facts)
}

/// The name of this very device, whatever the kernel calls it today: `dm:UUID`, `wwid:…`, `serial:…`, `partition:…`,
/// `loop:BACKING`, `file:…`; at worst `unnamed:…`, the kernel's own name. The size is part of all but the first.
pub fn identity(device: &Device) -> String {
    let bytes = device.bytes();
    match device.number() {
        Number::File(dev, inode) => format!("file:{dev:x}:{inode}:{bytes}"),
        number @ Number::Block(..) => block_identity(&sys(number), bytes, 0),
    }
}

fn block_identity(sys: &Path, bytes: u64, depth: u8) -> String {
    let text = |name: &str| {
        fs::read_to_string(sys.join(name)).ok().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())
    };
    if let Some(uuid) = text("dm/uuid") {
        return format!("dm:{uuid}");
    }
    if let (Some(number), Some(start), true) = (text("partition"), text("start"), depth == 0)
        && let Ok(real) = fs::canonicalize(sys)
        && let Some(disk) = real.parent()
    {
        return format!("partition:{number}:{start}:{bytes}:{}", block_identity(disk, size_of(disk), 1));
    }
    if let Some(uuid) = text("md/uuid") {
        return format!("md:{uuid}:{bytes}");
    }
    if let Some(wwid) = text("wwid").or_else(|| text("device/wwid")) {
        return format!("wwid:{wwid}:{bytes}");
    }
    if let Some(serial) = text("serial").or_else(|| text("device/serial")) {
        return format!("serial:{serial}:{bytes}");
    }
    if let Some(backing) = text("loop/backing_file") {
        return format!("loop:{backing}:{bytes}");
    }
    let name =
        fs::canonicalize(sys).ok().and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    format!("unnamed:{}:{bytes}", name.unwrap_or_else(|| sys.display().to_string()))
}

fn size_of(sys: &Path) -> u64 {
    fs::read_to_string(sys.join("size")).ok().and_then(|t| t.trim().parse::<u64>().ok()).unwrap_or(0) * 512
}

/// How the device stands now.
pub fn base(device: &Device) -> Result<Base, BlockError> {
    Ok(Base { to: identity(device), boot: boot_id()?, written: written(device.number(), device.path())? })
}

/// Refuses a target that is another one than `base` names, or that was written since. `slack` more sectors may have
/// been written, by an earlier attempt at the same thing.
pub fn check_base(device: &Device, base: &Base, slack: u64) -> Result<(), BlockError> {
    let now = self::base(device)?;
    if now.to != base.to {
        return Err(BlockError::OtherDevice {
            path: device.path().to_owned(),
            found: now.to,
            expected: base.to.clone(),
        });
    }
    let moved = |how: String| Err(BlockError::BaseMoved { path: device.path().to_owned(), how });
    if now.boot != base.boot {
        return moved("the machine was booted since".to_owned());
    }
    if now.written < base.written || now.written > base.written.saturating_add(slack) {
        return moved(match device.number() {
            Number::Block(..) => {
                format!("{} sectors were written since", now.written.saturating_sub(base.written))
            }
            Number::File(..) => "it was changed since".to_owned(),
        });
    }
    Ok(())
}

/// The mounts of a device, by mount point.
pub fn mounts(number: Number) -> Vec<String> {
    let Number::Block(major, minor) = number else { return Vec::new() };
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts_in(&table, major, minor, |source| {
        fs::metadata(source).is_ok_and(|meta| Number::of(&meta) == number)
    })
}

/// A mount counts where its device number is the one asked for, or its source is (btrfs shows numbers of its own).
fn mounts_in(table: &str, major: u32, minor: u32, is_it: impl Fn(&str) -> bool) -> Vec<String> {
    let wanted = format!("{major}:{minor}");
    table
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut fields = before.split(' ');
            let device = fields.nth(2)?;
            let at = fields.nth(1)?;
            let source = unescape(after.split(' ').nth(1)?);
            (device == wanted || (source.starts_with('/') && is_it(&source))).then(|| unescape(at))
        })
        .collect()
}

/// Undoes the octal escapes (`\040` for a blank) of the kernel's mount tables.
pub fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = (bytes[at] == b'\\')
            .then(|| text.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The devices that stand on this one, by kernel name.
pub fn holders(number: Number) -> Vec<String> {
    names_in(&sys(number).join("holders"))
}

/// The devices that a device-mapper or md device stands on, by kernel name.
pub fn slaves(number: Number) -> Vec<String> {
    names_in(&sys(number).join("slaves"))
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The number of a block device by its kernel name.
pub fn number_of(name: &str) -> Option<Number> {
    let text = fs::read_to_string(Path::new("/sys/class/block").join(name).join("dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some(Number::Block(major.parse().ok()?, minor.parse().ok()?))
}

/// Whether it is swapped on.
fn swapped_on(number: Number) -> bool {
    let table = fs::read_to_string("/proc/swaps").unwrap_or_default();
    table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .any(|path| fs::metadata(unescape(path)).is_ok_and(|meta| Number::of(&meta) == number))
}

/// Device-mapper's `name` or `uuid` of the device, where it is one of its own.
pub fn dm(number: Number, what: &str) -> Option<String> {
    let text = fs::read_to_string(sys(number).join("dm").join(what)).ok()?;
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

/// Words for why a claim on the device failed, as far as anybody can tell: `: mounted at …`.
pub fn used_by(path: &Path) -> String {
    let Ok(meta) = fs::metadata(path) else { return String::new() };
    let number = Number::of(&meta);
    let mounts = mounts(number);
    let holders: Vec<String> = holders(number)
        .into_iter()
        .map(|name| number_of(&name).and_then(|n| dm(n, "name")).unwrap_or(name))
        .collect();
    match (mounts.is_empty(), holders.is_empty(), swapped_on(number)) {
        (false, _, _) => format!(": mounted at {}", mounts.join(", ")),
        (_, false, _) => format!(": held by {}", holders.join(", ")),
        (_, _, true) => ": swapped on".to_owned(),
        _ => String::new(),
    }
}

/// The identity of this boot.
pub fn boot_id() -> Result<String, BlockError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(source) => Err(BlockError::Io { doing: "read", path: path.to_owned(), at: 0, source }),
    }
}

/// See [`Base::written`]. The kernel's seventh figure of a device's `stat` is sectors written (Documentation/block/stat).
fn written(number: Number, path: &Path) -> Result<u64, BlockError> {
    let failed = |path: &Path, source| BlockError::Io { doing: "read", path: path.to_owned(), at: 0, source };
    match number {
        Number::Block(..) => {
            let stat = sys(number).join("stat");
            let text = fs::read_to_string(&stat).map_err(|e| failed(&stat, e))?;
            let figure = text.split_whitespace().nth(6).and_then(|word| word.parse().ok());
            figure.ok_or_else(|| failed(&stat, std::io::ErrorKind::InvalidData.into()))
        }
        Number::File(..) => {
            let meta = fs::metadata(path).map_err(|e| failed(path, e))?;
            Ok((meta.ctime() as u64).wrapping_mul(1_000_000_000).wrapping_add(meta.ctime_nsec() as u64))
        }
    }
}

fn sector(number: Number) -> u64 {
    let text = |name: &str| fs::read_to_string(sys(number).join(name)).ok();
    let size = text("queue/logical_block_size").or_else(|| text("../queue/logical_block_size"));
    size.and_then(|t| t.trim().parse().ok()).unwrap_or(512)
}

fn kind(number: Number) -> &'static str {
    let sys = sys(number);
    match number {
        Number::File(..) => "file",
        _ if sys.join("dm").exists() => "dm",
        _ if sys.join("loop").exists() => "loop",
        _ if sys.join("partition").exists() => "partition",
        _ => "disk",
    }
}

pub(super) fn sys(number: Number) -> PathBuf {
    match number {
        Number::Block(major, minor) => PathBuf::from(format!("/sys/dev/block/{major}:{minor}")),
        Number::File(..) => PathBuf::from("/nonexistent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
        31 27 253:4 / /srv/post\\040gres rw,noatime shared:3 - xfs /dev/mapper/vg00-dat rw\n\
        35 27 0:41 /sub /srv/b rw - btrfs /dev/vdb rw,subvol=/sub\n";

    #[test]
    fn a_mount_is_found_by_number_and_its_blanks_are_restored() {
        assert_eq!(mounts_in(TABLE, 253, 4, |_| false), ["/srv/post gres"]);
        assert!(mounts_in(TABLE, 253, 40, |_| false).is_empty());
    }

    #[test]
    fn a_btrfs_mount_is_found_by_its_source() {
        assert_eq!(mounts_in(TABLE, 254, 16, |source| source == "/dev/vdb"), ["/srv/b"]);
    }
}
