//! Why the data path did not do what was asked, each with the stable code that a plugin sees. It must not know plugins.

use std::io;
use std::path::PathBuf;

/// Everything that stops a copy, compare, resync, erase or read. Unless a variant says otherwise nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// No such device or file.
    #[error("there is no {0}")]
    Missing(PathBuf),
    /// Neither a block device nor a regular file.
    #[error("{0} is neither a block device nor a file")]
    NotADevice(PathBuf),
    /// Somebody else has it: mounted, swapped on, under another device, or claimed.
    #[error("{path} is in use{by}")]
    Busy {
        /// Which.
        path: PathBuf,
        /// `: mounted at …`, `: held by …`, or nothing where the kernel does not tell.
        by: String,
    },
    /// It holds something that would be overwritten.
    #[error("{path} carries data ({what}); to overwrite it, say `replaces: {identity}`")]
    CarriesData {
        /// Which.
        path: PathBuf,
        /// What was recognised, and where.
        what: String,
        /// What `replaces` must say.
        identity: String,
    },
    /// `replaces` names something else than what is there.
    #[error("{path} is {found}, not {expected}")]
    OtherDevice {
        /// Which.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// Source and target are one and the same.
    #[error("{0} cannot be both source and target; two names may stand for one storage")]
    SameDevice(PathBuf),
    /// The target has less room than the source has bytes.
    #[error("{path} is too small: {has} bytes, needs {needs}; extend it by {} bytes", needs - has)]
    TooSmall {
        /// Which.
        path: PathBuf,
        /// Its size.
        has: u64,
        /// What it must hold.
        needs: u64,
    },
    /// The target is not as the copy that is to be brought up to date was left.
    #[error("{path} is not as the copy left it: {how}; copy it anew, or compare the whole of it first")]
    BaseMoved {
        /// The target.
        path: PathBuf,
        /// In what it differs.
        how: String,
    },
    /// The snapshot overflowed or was dropped: its list of changes is worthless.
    #[error("the snapshot overflowed: the store {0} is marked invalid; take a larger snapshot and copy anew")]
    Overflowed(PathBuf),
    /// What lies there is no exception store, or a damaged one.
    #[error("{path} is no sound exception store: {what}")]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The store is another volume's.
    #[error("{store} does not list the changes of {from}")]
    ForeignStore {
        /// The store.
        store: PathBuf,
        /// The volume asked for.
        from: PathBuf,
    },
    /// A snapshot of the same origin that the list does not tell of.
    #[error(
        "{store} does not tell in what {from} differs: {why}; take a new snapshot, and do not mount it for writing"
    )]
    NotLater {
        /// The snapshot.
        from: PathBuf,
        /// The store.
        store: PathBuf,
        /// How that was seen.
        why: String,
    },
    /// The source was written during the resync; what was copied may be torn. The target was written.
    #[error("{0} was written while it was copied; stop its writers and resync again")]
    OriginBusy(PathBuf),
    /// The request itself is wrong.
    #[error("{0}")]
    Invalid(String),
    /// It ended before its size. The target may have been written.
    #[error("{path} ended at {at} of {expected} bytes")]
    ShortRead {
        /// Which.
        path: PathBuf,
        /// Where reading stopped.
        at: u64,
        /// Where it should have.
        expected: u64,
    },
    /// The kernel's own words. The target may have been written.
    #[error("{doing} {path} at byte {at}")]
    Io {
        /// read, write, flush, open, …
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Where; 0 where there is no place.
        at: u64,
        /// The cause.
        source: io::Error,
    },
}

impl BlockError {
    /// The stable word for the cause, the code of the fault that a plugin gets.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Busy { .. } => "busy",
            Self::CarriesData { .. } => "carries-data",
            Self::OtherDevice { .. } => "other-device",
            Self::SameDevice(_) | Self::NotADevice(_) | Self::Invalid(_) => "invalid",
            Self::TooSmall { .. } => "too-small",
            Self::BaseMoved { .. } => "base-moved",
            Self::Overflowed(_) => "overflowed",
            Self::Corrupt { .. } => "corrupt",
            Self::ForeignStore { .. } | Self::NotLater { .. } => "foreign-store",
            Self::OriginBusy(_) => "origin-busy",
            Self::ShortRead { .. } | Self::Io { .. } => "io",
        }
    }

    /// The text with its causes, for a fault's message.
    pub fn full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}
