//! Where the lab keeps its files: scripts in the source tree, everything made under `target/lab`.
//!
//! Must not know: what the files are for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// The folder of this crate's scripts (`boot`, `images`, `by-hand`).
pub(crate) fn scripts() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder that holds images and working files: `CUTWATER_LAB_DIR`, else `target/lab` of the
/// source tree. Made if it is not there. Absolute.
pub fn lab_folder() -> Result<PathBuf> {
    let folder = std::env::var_os("CUTWATER_LAB_DIR")
        .map_or_else(|| scripts().join("../../target/lab"), PathBuf::from);
    made(&folder)
}

/// A new, empty folder under [`lab_folder`] that goes away with the value, unless `CUTWATER_KEEP` is set.
pub fn scratch(prefix: &str) -> Result<TempDir> {
    let parent = lab_folder()?;
    tempfile::Builder::new()
        .prefix(&format!("{prefix}-"))
        .disable_cleanup(std::env::var_os("CUTWATER_KEEP").is_some())
        .tempdir_in(&parent)
        .with_context(|| format!("make a folder in {}", parent.display()))
}

/// A program of this workspace, as cargo built it beside the program that asks (a test, usually).
/// Show its folder in the lab with [`crate::Lab::mount`].
pub fn built_program(name: &str) -> Result<PathBuf> {
    let mut folder = std::env::current_exe().context("find this program")?;
    while folder.pop() {
        let program = folder.join(name);
        if program.is_file() {
            return Ok(program);
        }
        if folder.ends_with("debug") || folder.ends_with("release") {
            break;
        }
    }
    bail!("{name} is not built: run `cargo build -p {name}` with the same profile first")
}

/// Makes the folder, and gives its absolute path without links in it.
pub(crate) fn made(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    folder.canonicalize().with_context(|| format!("resolve {}", folder.display()))
}

/// A path as the kernel's command line can carry it.
pub(crate) fn argument(path: &Path) -> Result<&str> {
    let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    ensure!(
        !text.contains(|c: char| c.is_whitespace() || ",:\"'".contains(c)),
        "a kernel's command line cannot carry the path '{text}': \
         use one without spaces, commas, colons and quotes"
    );
    Ok(text)
}
