//! Freezes under the guard's eyes and thaws. Order: the guard has a descriptor of the mount before the kernel freezes
//! it, and closes it only after the thaw. It must not know grants.

use super::{carriers, kernel};
use crate::capability::machine::mountinfo;
use crate::fault::Fault;
use crate::guard::keeper::Keeper;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Freezes the file system mounted at `at` for the hold `step`. Refused without a guard that covers the
/// hold, for a path that is no mount point, and for what carries one of `carried`. When the engine dies at any point
/// of this, the guard thaws.
pub fn freeze(at: &str, step: &str, keeper: Option<&dyn Keeper>, carried: &[PathBuf]) -> Result<(), Fault> {
    let keeper = keeper.ok_or_else(|| Fault::denied("nothing is frozen without a guard"))?;
    let path = Path::new(at);
    let what = |error: io::Error| Fault::io(format!("{at} cannot be frozen"), error);
    let mount = open(path).map_err(what)?;
    if let Some(file) = carriers::carried(path, carried).map_err(what)? {
        let file = file.display();
        return Err(Fault::denied(format!(
            "{at} is never frozen: it carries {file}, which Cutwater stands on"
        )));
    }
    keeper
        .keep_mount(step, path, mount.as_fd())
        .map_err(|error| Fault::denied(format!("{at} is not frozen: {error}")))?;
    rustix::fs::syncfs(&mount).map_err(|error| what(error.into()))?;
    kernel::freeze(&mount).map_err(|error| {
        keeper.give_mount(step, path);
        match error.raw_os_error() {
            Some(libc::EBUSY) => Fault::denied(format!("{at} is frozen already, by somebody else")),
            _ => what(error),
        }
    })
}

/// Thaws it. One that is not frozen is no fault.
pub fn thaw(at: &str, step: &str, keeper: Option<&dyn Keeper>) -> Result<bool, Fault> {
    let what = |error: io::Error| Fault::io(format!("{at} cannot be thawed"), error);
    let mount = open(Path::new(at)).map_err(what)?;
    let frozen = kernel::thaw(&mount).map_err(what)?;
    if let Some(keeper) = keeper {
        keeper.give_mount(step, Path::new(at));
    }
    Ok(frozen)
}

/// The root of a mounted file system; anything else names a file system by chance.
fn open(at: &Path) -> io::Result<File> {
    let mount = File::open(at)?;
    let mounts = mountinfo::mounts(&std::fs::read_to_string("/proc/self/mountinfo")?);
    let number = mount.metadata()?.dev();
    let number = (rustix::fs::major(number), rustix::fs::minor(number));
    let seen = mounts.iter().rev().find(|mount| Path::new(&mount.at) == at);
    match seen {
        Some(seen) if (seen.major, seen.minor) == number => Ok(mount),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "no file system is mounted there")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cutwater_driver::ports::GuardError;
    use std::os::fd::BorrowedFd;
    use std::process::Command;
    use std::sync::Mutex;

    /// A guard that keeps or refuses, and remembers.
    struct Book {
        refuses: bool,
        kept: Mutex<Vec<String>>,
    }

    impl Keeper for Book {
        fn keep_mount(&self, _: &str, at: &Path, mount: BorrowedFd<'_>) -> Result<(), GuardError> {
            // Before the freeze: the file system still takes writes.
            std::fs::write(at.join("kept"), "").unwrap();
            assert!(!kernel::thaw(mount).unwrap());
            self.kept.lock().unwrap().push(format!("keep {}", at.display()));
            if self.refuses { Err(GuardError("not covered".into())) } else { Ok(()) }
        }

        fn give_mount(&self, _: &str, at: &Path) {
            self.kept.lock().unwrap().push(format!("give {}", at.display()));
        }
    }

    struct Mounted(tempfile::TempDir);

    impl Mounted {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (image, at) = (folder.path().join("image"), folder.path().join("at"));
            std::fs::create_dir(&at).unwrap();
            File::create(&image).unwrap().set_len(16 << 20).unwrap();
            assert!(Command::new("mkfs.ext4").arg("-q").arg(&image).status().unwrap().success());
            assert!(
                Command::new("mount").args(["-o", "loop"]).args([&image, &at]).status().unwrap().success()
            );
            Self(folder)
        }

        fn at(&self) -> String {
            self.0.path().join("at").display().to_string()
        }
    }

    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = File::open(self.at()).and_then(kernel::thaw);
            let _ = Command::new("umount").arg(self.at()).status();
        }
    }

    #[test]
    fn the_guard_has_a_mount_before_it_is_frozen_and_until_it_is_thawed() {
        let mounted = Mounted::new();
        let at = mounted.at();
        let book = Book { refuses: false, kept: Mutex::default() };
        freeze(&at, "pause", Some(&book), &[]).unwrap();
        assert_eq!(freeze(&at, "pause", None, &[]).unwrap_err().code, "denied");
        assert!(thaw(&at, "pause", Some(&book)).unwrap());
        assert!(!thaw(&at, "pause", None).unwrap());
        assert_eq!(*book.kept.lock().unwrap(), [format!("keep {at}"), format!("give {at}")]);
    }

    #[test]
    fn nothing_is_frozen_without_a_guard_that_covers_it() {
        let mounted = Mounted::new();
        let at = mounted.at();
        let book = Book { refuses: true, kept: Mutex::default() };
        assert_eq!(freeze(&at, "pause", Some(&book), &[]).unwrap_err().code, "denied");
        assert_eq!(freeze(&at, "pause", None, &[]).unwrap_err().code, "denied");
        assert!(!thaw(&at, "pause", None).unwrap());
    }

    #[test]
    fn what_carries_the_journal_is_never_frozen_whatever_lies_between() {
        let outer = Mounted::new();
        let image = format!("{}/inner-image", outer.at());
        let inner = format!("{}/inner", outer.0.path().display());
        std::fs::create_dir(&inner).unwrap();
        File::create(&image).unwrap().set_len(4 << 20).unwrap();
        assert!(Command::new("mkfs.ext4").args(["-q", &image]).status().unwrap().success());
        assert!(Command::new("mount").args(["-o", "loop", &image, &inner]).status().unwrap().success());
        let journal = [PathBuf::from(&inner).join("journal.db")];
        let book = Book { refuses: false, kept: Mutex::default() };
        let refused = |at: &str| freeze(at, "pause", Some(&book), &journal).unwrap_err();
        let faults = [refused(&inner), refused(&outer.at())];
        assert!(Command::new("umount").arg(&inner).status().unwrap().success());
        for fault in faults {
            assert!(fault.message.contains("journal.db"), "{fault}");
        }
        assert!(book.kept.lock().unwrap().is_empty());
    }

    #[test]
    fn a_folder_that_is_no_mount_point_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display().to_string();
        let book = Book { refuses: false, kept: Mutex::default() };
        assert!(freeze(&at, "pause", Some(&book), &[]).unwrap_err().message.contains("mounted"));
    }
}
