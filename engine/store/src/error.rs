//! What can go wrong beneath the journal's own errors. It must not decide what the caller does about it.

use cutwater_driver::ports::JournalError;
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};
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
    /// Whether it is there cannot be told: its folder is closed to this user.
    #[error("cannot look at {}; it belongs to the user that runs Cutwater: try again with sudo", path.display())]
    Closed {
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
    /// A run cannot begin: neither its journal nor its undo would be sure to fit.
    #[error(
        "a new run needs {} at {} for its journal and its undo, and {} are free; make room there, or move the journal with --root",
        mebibytes(*needed), folder.display(), mebibytes(*free)
    )]
    NoRoom {
        /// Where.
        folder: PathBuf,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// A run that has begun finds no room, its reserve included.
    #[error("{} is full ({} are free) and the run's reserve is used up; make room there", folder.display(), mebibytes(*free))]
    Full {
        /// Where.
        folder: PathBuf,
        /// Bytes.
        free: u64,
    },
    /// What is stored of the locks is not what was written.
    #[error(
        "the journal is damaged at the lock `{0}`, so nobody can tell who holds it: no lock is given; end or look at the runs that `cutwater runs --unfinished` lists"
    )]
    Lock(String),
    /// The end of a run's history is gone, and with it perhaps locks.
    #[error(
        "the journal has lost the end of run {0}, or its place in the list of runs, so nobody can tell which locks are held, and none is given; look at the machine by hand, then restore the journal from a backup"
    )]
    LostEnd(String),
    /// There is nothing in it, and there was.
    #[error("{} is empty, and run {run} was in it; restore it and its -wal from a backup, or move its -reserve away to begin anew", path.display())]
    Emptied {
        /// Which.
        path: PathBuf,
        /// One of its runs.
        run: String,
    },
    /// The part of the file that all runs share is damaged.
    #[error("{} is damaged in a part that all runs share; copy it and its -wal away before anything else touches them, then restore it from a backup or with the `.recover` of sqlite3", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<rusqlite::Error>,
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

impl StoreError {
    /// Whether it is the file system that has no room.
    pub fn is_full(&self) -> bool {
        let Self::Database(cause) = self else { return false };
        let Some(cause) = cause.sqlite_error() else { return false };
        cause.code == ErrorCode::DiskFull || cause.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    }

    /// Whether it may be that: a file that cannot be made does not say why.
    pub fn may_be_full(&self) -> bool {
        let cause = match self {
            Self::Database(cause) | Self::Open { source: cause, .. } => cause,
            _ => return false,
        };
        self.is_full() || cause.sqlite_error_code() == Some(ErrorCode::CannotOpen)
    }

    /// With the file's name, where it is the file's own damage.
    pub fn of_file(self, path: &Path) -> Self {
        match self {
            Self::Database(source) if is_damage(&source) => Self::Damaged { path: path.to_owned(), source },
            other => other,
        }
    }
}

/// Our statements and the kinds of our columns never change: where one of them means nothing, what is stored is damaged.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => true,
        error => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        ),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
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

impl Fault {
    /// For the caller, with the file's name where it is the file's own damage.
    pub fn of_file(self, path: &Path) -> JournalError {
        match self {
            Self::Own(error) => error,
            Self::All(error) => error.of_file(path).into(),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(source: StoreError) -> Self {
        Self::All(source)
    }
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
