//! What can go wrong beneath the journal's own errors. It must not decide what the caller does about it.

use cutwater_driver::ports::JournalError;
use std::path::PathBuf;
use std::sync::Arc;

/// The cause inside [`JournalError::Storage`]; shared, because one failed commit answers many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or synced.
    #[error("cannot make the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The file cannot be made or looked at.
    #[error("cannot make the file {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// SQLite cannot open it.
    #[error("cannot open {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// It is there, and may only be read.
    #[error("{} cannot be written; give it back to the user that runs Cutwater, or mount its file system for writing", path.display())]
    NotWritable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// It is no regular file.
    #[error("{} is not a regular file; move it away or choose another --root", path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// A database, but of another program.
    #[error("{} is a database of another program; move it away or choose another --root", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// SQLite did not do it.
    #[error("the database refused")]
    Database(#[source] Arc<rusqlite::Error>),
    /// A sync failed: what the disk has is not known until the file is opened anew.
    #[error("an earlier write failed, so nothing more is written; mend the disk, then resume")]
    Broken(#[source] Arc<rusqlite::Error>),
    /// An event cannot be written as JSON.
    #[error("an event cannot be written as JSON")]
    Json(#[source] Arc<serde_json::Error>),
    /// A run is longer than its place in the key allows.
    #[error("run {0} is too long: no more than 4294967295 events fit")]
    TooLong(String),
    /// The thread that writes is gone.
    #[error("the thread that writes the journal has ended")]
    WriterGone,
    /// It was opened for reading.
    #[error("the journal was opened for reading only")]
    ReadOnly,
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database(Arc::new(source))
    }
}

impl From<StoreError> for JournalError {
    fn from(cause: StoreError) -> Self {
        Self::Storage(Box::new(cause))
    }
}

/// Inside a transaction: an answer for one caller, or the end of the whole batch.
#[derive(Debug)]
pub enum Fault {
    /// Only this caller is told; the batch goes on.
    Own(JournalError),
    /// Nothing of the batch is kept.
    All(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(source: rusqlite::Error) -> Self {
        Self::All(source.into())
    }
}

impl From<JournalError> for Fault {
    fn from(own: JournalError) -> Self {
        Self::Own(own)
    }
}
