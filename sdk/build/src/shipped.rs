//! The plugins that are shipped inside the binary: every folder of `plugins/`. It must not know what they do.

use crate::{BuildError, Built, build_with, find_toolchain};
use std::path::Path;

/// The names of all plugins in a checkout, sorted.
pub fn names(root: &Path) -> Result<Vec<String>, BuildError> {
    let folder = root.join("plugins");
    let entries =
        std::fs::read_dir(&folder).map_err(|source| BuildError::File { path: folder.clone(), source })?;
    let plugins = entries.flatten().filter(|entry| entry.path().join("Cargo.toml").exists());
    let mut names: Vec<String> = plugins.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Makes `target/guests/shipped/NAME.wasm` for these plugins of the checkout at `root`, one after the other: compiled
/// together they would share features, and so imports. `told` hears of each.
pub fn shipped(root: &Path, names: &[String], mut told: impl FnMut(&str, &Built)) -> Result<(), BuildError> {
    let toolchain = find_toolchain()?;
    for name in names {
        let out = root.join("target/guests/shipped").join(name).with_extension("wasm");
        told(name, &build_with(&toolchain, &root.join("plugins").join(name), &out)?);
    }
    Ok(())
}
