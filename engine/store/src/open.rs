//! Making and opening the file: folder, mode, pragmas. It must not know what is stored.
//!
//! The database's file is never opened by other means while SQLite has it open in this process: closing such a
//! descriptor would drop SQLite's locks (POSIX record locks belong to the process).

use crate::error::StoreError;
use crate::head;
use crate::reserve::{self, Reserves};
use crate::schema::{self, Found};
use cutwater_core::names::Seq;
use rusqlite::ffi::SQLITE_READONLY_ROLLBACK;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long another process may keep the file to itself: far more than any transaction of ours takes.
const BUSY_TRIES: i32 = 30_000;

/// Opens for writing. A missing file is made with mode 0600, missing folders with 0700, and both are on disk when this
/// returns. A file of a newer format is left as it is.
pub fn for_writing(path: &Path) -> Result<(Connection, Found), StoreError> {
    make_file(path)?;
    in_what_room_there_is(path, || {
        let (reading, found) = look(path)?;
        if matches!(found, Found::Newer { .. }) {
            return Ok((reading, found));
        }
        drop(reading);
        let mut connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        refuse_read_only(&connection, path)?;
        let found = schema::look(&connection, path)?;
        if matches!(found, Found::Newer { .. }) {
            return Ok((connection, found));
        }
        let _: String = connection.query_row("pragma journal_mode = wal", [], |row| row.get(0))?;
        connection.pragma_update(None, "synchronous", "full")?;
        schema::migrate(&mut connection)?;
        sweep(&mut connection, path)?;
        Ok((connection, found))
    })
}

/// Reserves of runs that are over, or that never came to be. In a transaction that may write, so that no run begins
/// meanwhile; while a run's row is damaged nobody can tell whose they are.
fn sweep(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let alone = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Ok(rows) = head::all(&alone)
        && let Ok(heads) = rows.into_iter().collect::<Result<Vec<_>, _>>()
    {
        let ends: HashMap<&str, _> =
            heads.iter().map(|head| (head.id.as_str(), (Seq(head.last), head.is_unfinished()))).collect();
        Reserves::beside(path).sweep(|run| ends.get(run.as_str()).copied());
    }
    Ok(())
}

/// Even opening takes a little room, for the index of the write-ahead log.
fn in_what_room_there_is<T>(path: &Path, open: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let opened = match open() {
        Err(error) if error.may_be_full() && reserve::lend(path) => open(),
        opened => opened,
    };
    opened.map_err(|error| error.of_file(path))
}

/// The connection that reads beside the one that writes. Not a read-only one: whichever of them closes last takes the
/// write-ahead log into the file, and a read-only one cannot.
pub fn beside_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens for reading; the file must be there.
pub fn for_reading(path: &Path) -> Result<(Connection, Found), StoreError> {
    in_what_room_there_is(path, || look(path))
}

fn look(path: &Path) -> Result<(Connection, Found), StoreError> {
    refuse_strange(path)?;
    let connection =
        if is_sealed(path) { open_sealed(path)? } else { open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)? };
    match schema::look(&connection, path) {
        // The file's making was cut off before there was a log, and only a writer can roll it back: to nothing.
        Err(StoreError::Database(cause))
            if cause.sqlite_error().is_some_and(|e| e.extended_code == SQLITE_READONLY_ROLLBACK) =>
        {
            Ok((connection, Found::Empty))
        }
        found => Ok((connection, found?)),
    }
}

/// Whether its file system is mounted for reading only.
fn is_sealed(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|system| system.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// Where nobody can write, SQLite can neither make the index of the write-ahead log nor lock anything, and need not: the
/// index is kept in memory, and without a log the file is all that there is.
fn open_sealed(path: &Path) -> Result<Connection, StoreError> {
    let log = path.with_file_name(format!("{}-wal", path.file_name().unwrap_or_default().to_string_lossy()));
    let has_log = std::fs::metadata(log).is_ok_and(|meta| meta.len() > 0);
    let name: String = path
        .as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                char::from(*byte).to_string()
            }
            other => format!("%{other:02x}"),
        })
        .collect();
    let how = if has_log { "vfs=unix-none" } else { "immutable=1" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = open(Path::new(&format!("file:{name}?{how}")), flags)?;
    if has_log {
        let _: String = connection.query_row("pragma locking_mode = exclusive", [], |row| row.get(0))?;
    }
    Ok(connection)
}

fn open(path: &Path, how: OpenFlags) -> Result<Connection, StoreError> {
    let wrong = |source| StoreError::Open { path: path.to_owned(), source: Arc::new(source) };
    let flags = how | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(wrong)?;
    connection.busy_handler(Some(wait_for_others)).map_err(wrong)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(wrong)?;
    connection.pragma_update(None, "cell_size_check", true).map_err(wrong)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(wrong)?;
    Ok(connection)
}

/// SQLite's own handler sleeps up to 100 ms between tries, too long beside a running outage.
fn wait_for_others(tries: i32) -> bool {
    std::thread::sleep(Duration::from_millis(1));
    tries < BUSY_TRIES
}

/// SQLite opens a file that it may not write for reading, and says nothing until the first write.
fn refuse_read_only(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if connection.is_readonly("main")? {
        let source = rustix::fs::access(path, rustix::fs::Access::WRITE_OK)
            .err()
            .map_or_else(|| std::io::ErrorKind::PermissionDenied.into(), std::io::Error::from);
        return Err(StoreError::NotWritable { path: path.to_owned(), source: Arc::new(source) });
    }
    Ok(())
}

fn refuse_strange(path: &Path) -> Result<(), StoreError> {
    let wrong = |source| StoreError::File { path: path.to_owned(), source: Arc::new(source) };
    let meta = std::fs::metadata(path).map_err(wrong)?;
    if meta.is_file() { Ok(()) } else { Err(StoreError::NotAFile { path: path.to_owned() }) }
}

fn make_file(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return refuse_strange(path);
    }
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => sync_folder(folder),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::File { path: path.to_owned(), source: Arc::new(source) }),
    }
}

fn make_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(above)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => sync_folder(above),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::Folder { path: folder.to_owned(), source: Arc::new(source) }),
    }
}

fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|opened| opened.sync_all())
        .map_err(|source| StoreError::Folder { path: folder.to_owned(), source: Arc::new(source) })
}
