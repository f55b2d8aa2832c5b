//! Compiled plugins on disk. A compiled plugin is native code: it is loaded only from a place where nobody else may write,
//! and only if it is just what was written there. It must not know what a plugin does.
//!
//! A file is 32 bytes of BLAKE3 over the rest, and the rest. Its name is BLAKE3 over the component, the engine's settings
//! and this crate's version, so that whatever differs is another file.

use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiled plugins, on disk where that is safe.
#[derive(Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
}

/// Why compiled plugins are not kept: everything works, and starts later.
#[derive(Debug, thiserror::Error)]
pub enum CacheFault {
    /// Somebody else could put native code there.
    #[error("{path} is not used for compiled plugins: {why}")]
    Unsafe {
        /// The folder, or the one above it.
        path: PathBuf,
        /// Owner or mode.
        why: String,
    },
    /// It cannot be made or read.
    #[error("{path} cannot be used for compiled plugins")]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Cache {
    /// Compiles in memory, always.
    pub fn none() -> Self {
        Self { folder: None }
    }

    /// Keeps compiled plugins in `folder` if it, and everything above it, is written by root and this user only; it is made
    /// where it is missing. Otherwise nothing is kept, and the fault says why.
    pub fn open(folder: &Path) -> (Self, Option<CacheFault>) {
        match prepare(folder) {
            Ok(folder) => (Self { folder: Some(folder) }, None),
            Err(fault) => (Self::none(), Some(fault)),
        }
    }

    /// The compiled component, if it is kept.
    pub fn load(&self, engine: &Engine, component: &[u8]) -> Option<Component> {
        let artifact = read(&self.folder.as_ref()?.join(name(engine, component))).ok()??;
        // SAFETY: the artifact is what `Component::serialize` gave: it lies in a folder in which, like in all folders above
        // it, only root and this user may write (looked at when the cache was opened), the file itself is theirs, and its
        // digest is right. Settings and version are checked by `deserialize` itself.
        unsafe { Component::deserialize(engine, artifact) }.ok()
    }

    /// Compiles the component.
    ///
    /// # Errors
    /// It is no valid component.
    pub fn compile(&self, engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
        Component::from_binary(engine, component)
    }

    /// Keeps a compiled component that passed all checks. Whether that works changes nothing but the next start.
    pub fn keep(&self, engine: &Engine, component: &[u8], compiled: &Component) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let artifact = compiled.serialize().map_err(io::Error::other)?;
        write(folder, &name(engine, component), &artifact)
    }
}

fn name(engine: &Engine, component: &[u8]) -> String {
    let mut hasher = Digest(blake3::Hasher::new());
    hasher.0.update(blake3::hash(component).as_bytes());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.0.update(crate::bindings::WIT.as_bytes());
    format!("{}.cwasm", hasher.0.finalize().to_hex())
}

/// Takes what `Hash` gives.
struct Digest(blake3::Hasher);

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.finalize();
        digest.as_bytes().iter().take(8).fold(0, |all, &byte| all << 8 | u64::from(byte))
    }
}

/// Makes the folder and looks at it and at everything above it, with links resolved.
fn prepare(folder: &Path) -> Result<PathBuf, CacheFault> {
    let io = |source| CacheFault::Io { path: folder.to_owned(), source };
    let mut above = folder;
    while !above.exists() {
        above = above.parent().ok_or_else(|| io(io::ErrorKind::NotFound.into()))?;
    }
    check(&above.canonicalize().map_err(io)?)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    let real = folder.canonicalize().map_err(io)?;
    check(&real)?;
    Ok(real)
}

fn check(folder: &Path) -> Result<(), CacheFault> {
    for part in folder.ancestors() {
        let meta =
            fs::symlink_metadata(part).map_err(|source| CacheFault::Io { path: part.to_owned(), source })?;
        if let Some(why) = others_may_write(meta.uid(), meta.mode()) {
            return Err(CacheFault::Unsafe { path: part.to_owned(), why });
        }
    }
    Ok(())
}

/// Also where the sticky bit is set: others may make files there.
fn others_may_write(owner: u32, mode: u32) -> Option<String> {
    let me = rustix::process::geteuid().as_raw();
    if owner != me && owner != 0 {
        return Some(format!("it belongs to user {owner}"));
    }
    (mode & 0o022 != 0).then(|| format!("others may write in it (mode {:o})", mode & 0o7777))
}

/// None: it is not there. A file of another owner, or damaged, is an error.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let meta = file.metadata()?;
    if !meta.is_file() || others_may_write(meta.uid(), meta.mode()).is_some() {
        return Err(io::Error::other("not a file of ours"));
    }
    let mut digest = [0; 32];
    file.read_exact(&mut digest)?;
    let mut artifact = Vec::new();
    file.read_to_end(&mut artifact)?;
    if blake3::hash(&artifact) == digest { Ok(Some(artifact)) } else { Err(io::Error::other("damaged")) }
}

/// Atomic: another process sees the whole file or none.
fn write(folder: &Path, name: &str, artifact: &[u8]) -> io::Result<()> {
    let part = folder.join(format!("{name}.{}.part", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    let written = file
        .write_all(blake3::hash(artifact).as_bytes())
        .and_then(|()| file.write_all(artifact))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&part, folder.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Allocation, Runtime};
    use std::os::unix::fs::PermissionsExt;

    /// The smallest component.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    /// A folder that nobody else may write, nor any above it: tests run as whoever built the crate.
    fn safe() -> tempfile::TempDir {
        tempfile::Builder::new().prefix("cache-").tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap()
    }

    #[test]
    fn an_artifact_of_one_allocation_loads_in_the_other() {
        let [pool, single] = [Allocation::Pool, Allocation::OneByOne].map(|a| Runtime::with(a).unwrap());
        assert_eq!(name(pool.engine(), EMPTY), name(single.engine(), EMPTY));
        let folder = safe();
        let (cache, fault) = Cache::open(&folder.path().join("made/on/the/way"));
        assert!(fault.is_none(), "{fault:?}");
        assert!(cache.load(single.engine(), EMPTY).is_none());
        let compiled = cache.compile(pool.engine(), EMPTY).unwrap();
        cache.keep(pool.engine(), EMPTY, &compiled).unwrap();
        assert!(cache.load(pool.engine(), EMPTY).is_some());
        assert!(cache.load(single.engine(), EMPTY).is_some());
    }

    #[test]
    fn a_changed_artifact_is_never_loaded() {
        let runtime = Runtime::new().unwrap();
        let folder = safe();
        let (cache, _) = Cache::open(folder.path());
        let compiled = cache.compile(runtime.engine(), EMPTY).unwrap();
        cache.keep(runtime.engine(), EMPTY, &compiled).unwrap();
        let path = folder.path().join(name(runtime.engine(), EMPTY));
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(cache.load(runtime.engine(), EMPTY).is_none());
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(cache.load(runtime.engine(), EMPTY).is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(cache.load(runtime.engine(), EMPTY).is_none(), "others may write it");
    }

    #[test]
    fn a_place_where_others_may_write_is_not_used() {
        let folder = safe();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
        for path in [open.clone(), open.join("below")] {
            let (cache, fault) = Cache::open(&path);
            assert!(matches!(fault, Some(CacheFault::Unsafe { .. })), "{fault:?}");
            assert!(cache.folder.is_none() && !open.join("below").exists());
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&open, &link).unwrap();
        assert!(Cache::open(&link).1.is_some(), "a link leads to an open folder");
    }
}
