//! What the guard writes down once it has acted, for the run's next owner. On a file system of its own (`/run`), so
//! that writing it waits for nothing that may be frozen. It must not know how the guard acts.

use serde_json::Value;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the guard of a run writes.
pub fn path(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("guard-{run}.json"))
}

/// Where the words of the process that takes over go.
pub fn log(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("guard-{run}.log"))
}

/// Adds a line.
pub fn add(folder: &Path, run: &str, what: &Value) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path(folder, run))?;
    file.write_all(format!("{what}\n").as_bytes())?;
    file.sync_all()
}

/// What the guards of a run did that no owner has journalled yet, oldest first. A line cut short by a power cut is
/// left out.
pub fn read(folder: &Path, run: &str) -> io::Result<Vec<Value>> {
    match std::fs::read_to_string(path(folder, run)) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Removes it, once it is in the journal.
pub fn forget(folder: &Path, run: &str) -> io::Result<()> {
    match std::fs::remove_file(path(folder, run)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
