//! Reading and replacing. It must not know who may do it: admission comes before, in the link.

use super::place::{Granted, Place, make_folders};
use crate::fault::Fault;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Most bytes of a file that is read or replaced.
pub const MOST: u64 = 1 << 20;

/// Attributes that go with a file's owner and mode.
const ATTRIBUTES: [&str; 2] = ["security.selinux", "system.posix_acl_access"];

/// The content of a plain file.
pub fn read(path: &str, granted: Granted<'_>) -> Result<Vec<u8>, Fault> {
    let place = Place::find(path, true, granted)?;
    // A FIFO is opened without waiting for its other end, and then refused.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&place.folder, &place.name, flags, Mode::empty())
        .map_err(|error| Fault::io(path, error))?;
    let facts = rustix::fs::fstat(&file).map_err(|error| Fault::io(path, error))?;
    plain_file(path, &facts)?;
    let mut content = Vec::new();
    File::from(file).take(MOST + 1).read_to_end(&mut content).map_err(|error| Fault::io(path, error))?;
    fits(path, content.len())?;
    Ok(content)
}

/// Replaces the file at once: whoever reads it sees the old or the new content, whatever crashes. Durable when it
/// returns. Owner, mode and access lists of what was there are kept; a new file is 0644, in folders made as needed.
pub fn replace(path: &str, content: &[u8], granted: Granted<'_>) -> Result<(), Fault> {
    fits(path, content.len())?;
    let place = Place::make(path, granted)?;
    let before = place.facts()?;
    if let Some(facts) = &before {
        plain_file(path, facts)?;
    }
    let fresh = fresh_name(&place);
    let done = write_beside(&place, &fresh, content, before.as_ref())
        .and_then(|()| rustix::fs::renameat(&place.folder, &fresh, &place.folder, &place.name));
    if let Err(error) = done {
        let _ = rustix::fs::unlinkat(&place.folder, &fresh, AtFlags::empty());
        return Err(Fault::io(path, error));
    }
    place.sync_folder()
}

/// Removes a plain file or a link. What is not there is no fault.
pub fn remove(path: &str, granted: Granted<'_>) -> Result<(), Fault> {
    let place = match Place::find(path, false, granted) {
        Ok(place) => place,
        Err(fault) if fault.code == "missing" => return Ok(()),
        Err(fault) => return Err(fault),
    };
    match place.facts()? {
        None => return Ok(()),
        Some(facts) if FileType::from_raw_mode(facts.st_mode) == FileType::Symlink => {}
        Some(facts) => plain_file(path, &facts)?,
    }
    match rustix::fs::unlinkat(&place.folder, &place.name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => place.sync_folder(),
        Err(error) => Err(Fault::io(path, error)),
    }
}

/// `{kind: file|folder|block|link|other, bytes, uid, gid, mode}`, no link followed at the end; or `missing`.
pub fn stat(path: &str, granted: Granted<'_>) -> Result<Value, Fault> {
    let facts = Place::find(path, false, granted)?.facts()?;
    let facts = facts.ok_or_else(|| Fault::missing(format!("{path}: there is nothing")))?;
    let kind = match FileType::from_raw_mode(facts.st_mode) {
        FileType::RegularFile => "file",
        FileType::Directory => "folder",
        FileType::BlockDevice => "block",
        FileType::Symlink => "link",
        _ => "other",
    };
    Ok(json!({
        "kind": kind, "bytes": facts.st_size, "uid": facts.st_uid, "gid": facts.st_gid,
        "mode": facts.st_mode & 0o7777,
    }))
}

/// Makes the folder, and those above it, where missing.
pub fn make_folder(path: &str, granted: Granted<'_>) -> Result<(), Fault> {
    let real = make_folders(Path::new(path), granted)?;
    if real.is_dir() { Ok(()) } else { Err(Fault::invalid(format!("{path} is no folder"))) }
}

fn plain_file(path: &str, facts: &Stat) -> Result<(), Fault> {
    match FileType::from_raw_mode(facts.st_mode) {
        FileType::RegularFile => Ok(()),
        other => Err(Fault::invalid(format!("{path} is no plain file ({other:?})"))),
    }
}

fn fits(path: &str, length: usize) -> Result<(), Fault> {
    if length as u64 <= MOST {
        Ok(())
    } else {
        Err(Fault::invalid(format!("{path}: more than {MOST} bytes")))
    }
}

fn fresh_name(place: &Place) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(".{}.cutwater-{}-{count}", place.name.to_string_lossy(), std::process::id())
}

fn write_beside(place: &Place, fresh: &str, content: &[u8], before: Option<&Stat>) -> rustix::io::Result<()> {
    // One that a crash left behind belongs to a process that is gone: the number of this one is in the name.
    let _ = rustix::fs::unlinkat(&place.folder, fresh, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&place.folder, fresh, flags, Mode::from_raw_mode(0o600))?;
    let mode = match before {
        Some(facts) => {
            let (uid, gid) = (facts.st_uid, facts.st_gid);
            let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
            rustix::fs::fchown(&file, Some(uid), Some(gid))?;
            keep_attributes(place, &file);
            Mode::from_raw_mode(facts.st_mode & 0o7777)
        }
        None => Mode::from_raw_mode(0o644),
    };
    rustix::fs::fchmod(&file, mode)?;
    let mut file = File::from(file);
    file.write_all(content).and_then(|()| file.sync_all()).map_err(errno)
}

/// Where the file system and the kernel's policy have them; not having them is no fault.
fn keep_attributes(place: &Place, file: impl std::os::fd::AsFd) {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(old) = rustix::fs::openat(&place.folder, &place.name, flags, Mode::empty()) else { return };
    for name in ATTRIBUTES {
        let mut value = vec![0; 4096];
        if let Ok(length) = rustix::fs::fgetxattr(&old, name, &mut value) {
            let _ = rustix::fs::fsetxattr(&file, name, &value[..length], XattrFlags::empty());
        }
    }
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    /// Nothing beyond what was asked for is granted.
    fn nowhere(real: &str) -> Result<(), Fault> {
        Err(Fault::denied(format!("{real} is not granted")))
    }

    fn folder() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().display().to_string();
        (folder, path)
    }

    #[test]
    fn a_replaced_file_keeps_owner_and_mode_and_leaves_nothing_beside_it() {
        let (_keep, at) = folder();
        let path = format!("{at}/conf");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
        replace(&path, b"new", &nowhere).unwrap();
        let facts = std::fs::metadata(&path).unwrap();
        assert_eq!((facts.uid(), facts.gid(), facts.mode() & 0o7777), (65534, 65534, 0o640));
        assert_eq!(read(&path, &nowhere).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(&at).unwrap().count(), 1);
    }

    #[test]
    fn a_new_file_is_made_with_its_folders() {
        let (_keep, at) = folder();
        let path = format!("{at}/unit.d/cutwater.conf");
        replace(&path, b"x", &nowhere).unwrap();
        assert_eq!(stat(&path, &nowhere).unwrap()["mode"], 0o644);
        remove(&path, &nowhere).unwrap();
        remove(&path, &nowhere).unwrap();
        remove(&format!("{at}/nowhere/at/all"), &nowhere).unwrap();
        assert_eq!(stat(&path, &nowhere).unwrap_err().code, "missing");
    }

    #[test]
    fn no_link_leads_out_of_what_is_granted() {
        let (_keep, at) = folder();
        let (_other, outside) = folder();
        std::fs::write(format!("{outside}/secret"), "s").unwrap();
        symlink(format!("{outside}/secret"), format!("{at}/link")).unwrap();
        symlink(&outside, format!("{at}/sub")).unwrap();
        for path in [format!("{at}/link"), format!("{at}/sub/secret")] {
            assert_eq!(read(&path, &nowhere).unwrap_err().code, "denied");
            assert_eq!(replace(&path, b"x", &nowhere).unwrap_err().code, "denied");
        }
        assert_eq!(make_folder(&format!("{at}/sub/more"), &nowhere).unwrap_err().code, "denied");
        assert_eq!(std::fs::read(format!("{outside}/secret")).unwrap(), b"s");
        let granted = |real: &str| if real.starts_with(&outside) { Ok(()) } else { nowhere(real) };
        assert_eq!(read(&format!("{at}/sub/secret"), &granted).unwrap(), b"s");
        assert_eq!(stat(&format!("{at}/link"), &nowhere).unwrap()["kind"], "link");
    }

    #[test]
    fn devices_pipes_folders_and_giants_are_no_files() {
        let (_keep, at) = folder();
        let pipe = format!("{at}/pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_str(), "/dev/zero", at.as_str()] {
            assert_eq!(read(path, &nowhere).unwrap_err().code, "invalid", "{path}");
            assert_eq!(replace(path, b"", &nowhere).unwrap_err().code, "invalid", "{path}");
            assert_eq!(remove(path, &nowhere).unwrap_err().code, "invalid", "{path}");
        }
        let giant = format!("{at}/giant");
        File::create(&giant).unwrap().set_len(MOST + 1).unwrap();
        assert_eq!(read(&giant, &nowhere).unwrap_err().code, "invalid");
        for path in ["relative", "/a/../b", "/a/./b", "/", "/a\0b"] {
            assert_eq!(read(path, &nowhere).unwrap_err().code, "invalid", "{path}");
        }
    }

    #[test]
    fn a_folder_is_made_once_and_a_file_in_its_place_is_said() {
        let (_keep, at) = folder();
        let path = format!("{at}/a/b");
        make_folder(&path, &nowhere).unwrap();
        make_folder(&path, &nowhere).unwrap();
        std::fs::write(format!("{at}/f"), "").unwrap();
        assert!(make_folder(&format!("{at}/f"), &nowhere).is_err());
        assert!(make_folder(&format!("{at}/f/g"), &nowhere).is_err());
    }
}
