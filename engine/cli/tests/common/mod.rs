//! The binary as a person calls it, in a root of its own. It must not reach into the crates.
#![allow(dead_code, reason = "each test file uses its own part of it")]

pub mod disks;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A machine with nothing on it.
pub struct Place {
    folder: TempDir,
    devices: RefCell<Vec<String>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        for device in self.devices.take() {
            let _ = Command::new("losetup").args(["-d", &device]).status();
        }
    }
}

impl Place {
    /// Below the target folder, where only the owner may write. All of them share one cache of compiled plugins.
    pub fn new() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let place = Self { folder: tempfile::tempdir_in(target).unwrap(), devices: RefCell::default() };
        std::fs::create_dir_all(target.join("cache")).unwrap();
        std::fs::create_dir_all(place.path("root/var/lib/cutwater")).unwrap();
        std::os::unix::fs::symlink(target.join("cache"), place.path("root/var/lib/cutwater/cache")).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A loop device on the file, until the place goes. Needs root.
    pub fn device(&self, name: &str) -> String {
        let output = Command::new("losetup").args(["-f", "--show"]).arg(self.path(name)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let device = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        self.devices.borrow_mut().push(device.clone());
        device
    }

    /// Ready to be started; the root is named relative to the folder, for a socket's path is short.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutwater"));
        command
            .current_dir(self.folder.path())
            .args(["--root", "root"])
            .args(args)
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            .env_remove("SUDO_USER");
        command
    }

    pub fn cutwater(&self, args: &[&str]) -> Said {
        Said::of(&self.command(args).output().unwrap(), self.folder.path())
    }
}

/// What it said, and how it left.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: &Output, folder: &Path) -> Self {
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).unwrap().replace(&*folder.to_string_lossy(), "HERE")
        };
        Self { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// For a golden file.
    pub fn golden(&self) -> String {
        format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}
