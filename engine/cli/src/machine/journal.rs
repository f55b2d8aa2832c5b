//! Opening the journal for a run. It must not read it.

use crate::exit::Failure;
use crate::paths::Paths;
use cutwater_core::event::Outcome;
use cutwater_store::{Store, Summary};
use std::path::PathBuf;
use std::sync::Arc;

/// The journal, made where it is missing.
pub fn open(paths: &Paths) -> Result<Arc<Store>, Failure> {
    let store = Arc::new(Store::open(&paths.journal())?);
    take_sockets_away(paths, &store);
    Ok(store)
}

/// An engine that is killed once its run is over leaves its socket, and nobody takes such a run up again.
fn take_sockets_away(paths: &Paths, store: &Store) {
    let files = std::fs::read_dir(paths.run()).into_iter().flatten().flatten().map(|entry| entry.path());
    let sockets: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "sock")).collect();
    if sockets.is_empty() {
        return;
    }
    let is_over = |summary: &&Summary| {
        matches!(summary.ended, Some((Outcome::Done | Outcome::Rehearsed | Outcome::Undone, _)))
    };
    for summary in store.history().unwrap_or_default().iter().filter(is_over) {
        for socket in &sockets {
            if socket.file_stem().is_some_and(|name| name == summary.run.as_str()) {
                // It harms nothing where it stays.
                let _ = std::fs::remove_file(socket);
            }
        }
    }
}
