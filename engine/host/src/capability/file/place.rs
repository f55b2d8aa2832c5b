//! Where a path really leads, so that no symbolic link leads out of what is granted. Links among the folders above are
//! legitimate (`/etc/postgresql` may be one): they are resolved first, the real path must be granted as well, and is
//! then opened without following anything. It must not know what is done with the file.

use crate::fault::Fault;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

/// Says whether the real path is granted, where it is not the one that was asked for.
pub type Granted<'a> = &'a dyn Fn(&str) -> Result<(), Fault>;

/// A name in a folder that was opened without following a link.
#[derive(Debug)]
pub struct Place {
    /// The folder.
    pub folder: OwnedFd,
    /// The name in it.
    pub name: OsString,
    /// The real path.
    pub path: PathBuf,
}

impl Place {
    /// Where `path` really is; a last part that is a link is followed when `follow`. `missing` when its folder is not
    /// there.
    pub fn find(path: &str, follow: bool, granted: Granted<'_>) -> Result<Self, Fault> {
        let asked = plain(path)?;
        let (folder, name) = split(asked)?;
        let what = |error| Fault::io(path, error);
        let mut real = folder.canonicalize().map_err(what)?.join(name);
        if follow && std::fs::symlink_metadata(&real).is_ok_and(|facts| facts.is_symlink()) {
            real = real.canonicalize().map_err(what)?;
        }
        if real != asked {
            granted(&real.to_string_lossy())?;
        }
        let (folder, name) = split(&real)?;
        let folder = open_folder(folder).map_err(|error| Fault::io(path, error))?;
        Ok(Self { folder, name: name.to_owned(), path: real.clone() })
    }

    /// As [`Place::find`], but folders that are missing are made first (0755).
    pub fn make(path: &str, granted: Granted<'_>) -> Result<Self, Fault> {
        let (folder, name) = split(plain(path)?)?;
        let folder = make_folders(folder, granted)?;
        Self::find(&folder.join(name).to_string_lossy(), true, granted)
    }

    /// What stands there, no link followed; none: nothing.
    pub fn facts(&self) -> Result<Option<Stat>, Fault> {
        match rustix::fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(facts) => Ok(Some(facts)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Fault::io(self.path.display(), error)),
        }
    }

    /// Makes what was done in the folder durable.
    pub fn sync_folder(&self) -> Result<(), Fault> {
        rustix::fs::fsync(&self.folder).map_err(|error| Fault::io(self.path.display(), error))
    }
}

/// Makes the folder and those above it where they are missing (0755), and gives its real path.
pub fn make_folders(path: &Path, granted: Granted<'_>) -> Result<PathBuf, Fault> {
    let asked = plain(&path.to_string_lossy())?.to_owned();
    let what = |error: io::Error| Fault::io(asked.display(), error);
    let there = asked.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    let missing = asked.strip_prefix(there).unwrap_or(Path::new(""));
    let mut real = there.canonicalize().map_err(what)?;
    if real.join(missing) != asked {
        granted(&real.join(missing).to_string_lossy())?;
    }
    let mut folder = open_folder(&real).map_err(|error| what(error.into()))?;
    for part in missing.components() {
        match rustix::fs::mkdirat(&folder, part.as_os_str(), Mode::from_raw_mode(0o755)) {
            Ok(()) => rustix::fs::fsync(&folder).map_err(|error| what(error.into()))?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(what(error.into())),
        }
        real.push(part);
        folder = open_folder(&real).map_err(|error| what(error.into()))?;
    }
    Ok(real)
}

/// A whole path without `.`, `..` or a zero byte.
fn plain(path: &str) -> Result<&Path, Fault> {
    let plain = Path::new(path);
    let fine = plain.is_absolute()
        && !path.contains('\0')
        && plain.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        && !path.split('/').any(|part| part == ".");
    if fine {
        Ok(plain)
    } else {
        Err(Fault::invalid(format!("`{}` is no whole path without `..`", path.escape_default())))
    }
}

fn split(path: &Path) -> Result<(&Path, &OsStr), Fault> {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Ok((folder, name)),
        _ => Err(Fault::invalid(format!("`{}` names no file", path.display()))),
    }
}

fn open_folder(real: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(rustix::fs::CWD, real, flags, Mode::empty(), resolve)
}
