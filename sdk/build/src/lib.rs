//! Makes a plugin's component: finds a toolchain that has the target, compiles, encodes, checks the imports.
//! It must not know the engine, nor what a plugin does.

mod cargo;
mod component;
mod shipped;
mod toolchain;

pub use component::{Built, Invalid};
pub use shipped::{names, shipped};
pub use toolchain::{Kind, NoToolchain, Toolchain, find_toolchain};

use std::path::{Path, PathBuf};

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nothing here can compile for the target.
    #[error(transparent)]
    Toolchain(#[from] NoToolchain),
    /// Cargo could not be run.
    #[error("{} could not be run", cargo.display())]
    Start {
        /// Which cargo.
        cargo: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Cargo said no; its own words went to the error stream.
    #[error("{} does not compile for wasm32-unknown-unknown", folder.display())]
    Compile {
        /// The plugin's folder.
        folder: PathBuf,
    },
    /// There is no plugin in the folder.
    #[error("{} makes no cdylib; a plugin's Cargo.toml says `[lib] crate-type = [\"cdylib\", \"rlib\"]`", folder.display())]
    NoLibrary {
        /// The plugin's folder.
        folder: PathBuf,
    },
    /// What was compiled is no component of ours.
    #[error("{}: {why}", path.display())]
    Component {
        /// The compiled module.
        path: PathBuf,
        /// What is wrong with it.
        why: Invalid,
    },
    /// A file could not be read or written.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Makes the component of the plugin in `manifest_dir` and writes it to `out`, unless that holds it already.
/// Whether anything has to be compiled is cargo's own decision.
pub fn build(manifest_dir: &Path, out: &Path) -> Result<Built, BuildError> {
    build_with(&find_toolchain()?, manifest_dir, out)
}

/// [`build`] with a toolchain that was found before.
pub fn build_with(toolchain: &Toolchain, manifest_dir: &Path, out: &Path) -> Result<Built, BuildError> {
    let module = cargo::compile(toolchain, manifest_dir)?;
    let bytes = std::fs::read(&module).map_err(|source| BuildError::File { path: module.clone(), source })?;
    let component = component::encode(&bytes).map_err(|why| BuildError::Component { path: module, why })?;
    component.write(out).map_err(|source| BuildError::File { path: out.to_owned(), source })
}
