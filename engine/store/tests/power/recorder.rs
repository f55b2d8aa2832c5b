//! SQLite's own way to its files, written down: a VFS over the usual one that keeps every write, cut, sync and deletion of
//! the journal's file and its log, in order. It must not know what is written.

use rusqlite::ffi::{
    SQLITE_OK, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find,
    sqlite3_vfs_register,
};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What reached a file, by the end of its name.
#[derive(Debug, Clone)]
pub enum Op {
    Write {
        file: Kind,
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        file: Kind,
        length: usize,
    },
    Sync {
        file: Kind,
    },
    Delete {
        file: Kind,
    },
    /// The caller of the journal was told that so many are there, and whether for good.
    Told {
        events: u64,
        durable: bool,
    },
}

/// Which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Journal,
    Log,
    /// What SQLite rolls back with before there is a log.
    Rollback,
}

static REAL: AtomicPtr<sqlite3_vfs> = AtomicPtr::new(std::ptr::null_mut());
static OPS: Mutex<Vec<Op>> = Mutex::new(Vec::new());

/// Every connection that is opened from here on in this process is recorded, until [`stop`].
pub fn start() {
    // SAFETY: SQLite's own VFS lives as long as the process, and so does the copy that is made of it.
    unsafe {
        let real = sqlite3_vfs_find(std::ptr::null());
        REAL.store(real, Ordering::SeqCst);
        let ours = Box::leak(Box::new(std::ptr::read(real)));
        ours.szOsFile += HEAD as c_int;
        ours.pNext = std::ptr::null_mut();
        ours.zName = c"recorder".as_ptr();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        assert_eq!(sqlite3_vfs_register(ours, 1), SQLITE_OK);
    }
}

/// From here on nothing is recorded; what was.
pub fn stop() -> Vec<Op> {
    // SAFETY: as above.
    unsafe { assert_eq!(sqlite3_vfs_register(REAL.load(Ordering::SeqCst), 1), SQLITE_OK) };
    std::mem::take(&mut OPS.lock().unwrap())
}

pub fn note(op: Op) {
    OPS.lock().unwrap().push(op);
}

/// Ours, before SQLite's own file in the same memory.
#[repr(C)]
struct Head {
    base: sqlite3_file,
    kind: Option<Kind>,
}

const HEAD: usize = size_of::<Head>().next_multiple_of(16);

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn kind_of(name: *const c_char) -> Option<Kind> {
    if name.is_null() {
        return None;
    }
    // SAFETY: SQLite's names end with a zero.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    match name {
        name if name.ends_with(b".db") => Some(Kind::Journal),
        name if name.ends_with(b".db-wal") => Some(Kind::Log),
        name if name.ends_with(b".db-journal") => Some(Kind::Rollback),
        _ => None,
    }
}

unsafe fn real(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: `szOsFile` was raised by HEAD, so that SQLite's own file begins there.
    unsafe { file.cast::<u8>().add(HEAD).cast() }
}

unsafe fn kind(file: *mut sqlite3_file) -> Option<Kind> {
    // SAFETY: every file that carries METHODS was set up by `open`.
    unsafe { (*file.cast::<Head>()).kind }
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives `szOsFile` bytes, HEAD more than its own VFS asks for.
    unsafe {
        let usual = REAL.load(Ordering::SeqCst);
        let rc = (*usual).xOpen.unwrap()(usual, name, real(file), flags, out);
        let opened = !(*real(file)).pMethods.is_null();
        (*file).pMethods = if opened { &METHODS } else { std::ptr::null() };
        (*file.cast::<Head>()).kind = kind_of(name);
        rc
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    if let Some(file) = kind_of(name) {
        note(Op::Delete { file });
    }
    // SAFETY: SQLite's own VFS, called as SQLite would.
    unsafe {
        let usual = REAL.load(Ordering::SeqCst);
        (*usual).xDelete.unwrap()(usual, name, sync)
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    n: c_int,
    at: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives `n` bytes.
    unsafe {
        if let Some(file) = kind(file) {
            let bytes = std::slice::from_raw_parts(from.cast::<u8>(), n as usize).to_vec();
            note(Op::Write { file, at: at as usize, bytes });
        }
        (*(*real(file)).pMethods).xWrite.unwrap()(real(file), from, n, at)
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, length: sqlite3_int64) -> c_int {
    // SAFETY: passed on.
    unsafe {
        if let Some(file) = kind(file) {
            note(Op::Cut { file, length: length as usize });
        }
        (*(*real(file)).pMethods).xTruncate.unwrap()(real(file), length)
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: passed on.
    unsafe {
        let rc = (*(*real(file)).pMethods).xSync.unwrap()(real(file), flags);
        if let Some(file) = kind(file) {
            note(Op::Sync { file });
        }
        rc
    }
}

macro_rules! passed_on {
    ($($name:ident = $method:ident ( $($arg:ident : $kind:ty),* ) -> $result:ty;)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file, $($arg: $kind),*) -> $result {
            // SAFETY: passed on.
            unsafe { (*(*real(file)).pMethods).$method.unwrap()(real(file), $($arg),*) }
        }
    )*};
}

passed_on! {
    close = xClose() -> c_int;
    read = xRead(into: *mut c_void, n: c_int, at: sqlite3_int64) -> c_int;
    file_size = xFileSize(size: *mut sqlite3_int64) -> c_int;
    lock = xLock(how: c_int) -> c_int;
    unlock = xUnlock(how: c_int) -> c_int;
    check_reserved_lock = xCheckReservedLock(out: *mut c_int) -> c_int;
    file_control = xFileControl(op: c_int, arg: *mut c_void) -> c_int;
    sector_size = xSectorSize() -> c_int;
    device_characteristics = xDeviceCharacteristics() -> c_int;
    shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) -> c_int;
    shm_lock = xShmLock(offset: c_int, n: c_int, flags: c_int) -> c_int;
    shm_barrier = xShmBarrier() -> ();
    shm_unmap = xShmUnmap(delete: c_int) -> c_int;
}
