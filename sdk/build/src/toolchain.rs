//! Which toolchain can compile for `wasm32-unknown-unknown` here: the usual one if it has the target, else Debian's
//! newer one beside it. It must not know what is compiled.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of every plugin.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A cargo that can do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// Where it comes from.
    pub kind: Kind,
    /// The cargo to call.
    pub cargo: PathBuf,
    /// The linker, where it is not the compiler's own.
    pub linker: Option<PathBuf>,
}

/// Where a toolchain comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The `cargo` on the path, with the target installed.
    Usual,
    /// Debian's packages, which bring the standard library as source.
    Debian,
}

impl Kind {
    /// Each kind compiles into its own folder: artifacts of two compilers must not meet.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Debian => "debian",
        }
    }
}

/// Nothing here can compile for the target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no Rust toolchain here can compile for {TARGET}.\n  With rustup:  rustup target add {TARGET}\n  \
     On Debian:    apt-get install --no-install-recommends rustc-web cargo-web rust-web-src {linker}   (missing: {})",
    missing.join(", ")
)]
pub struct NoToolchain {
    /// What Debian's way lacks.
    pub missing: Vec<String>,
    linker: &'static str,
}

/// The usual toolchain if it has the target, else Debian's, else which command installs one.
pub fn find_toolchain() -> Result<Toolchain, NoToolchain> {
    usual().map_or_else(|| debian(Path::new("/usr")), Ok)
}

fn usual() -> Option<Toolchain> {
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output().ok()?;
    let folder = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
    let has_std = std::fs::read_dir(folder).ok()?.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.starts_with("libstd-") && name.ends_with(".rlib"))
    });
    has_std.then(|| Toolchain { kind: Kind::Usual, cargo: "cargo".into(), linker: None })
}

fn debian(prefix: &Path) -> Result<Toolchain, NoToolchain> {
    let (cargo, rustc) = (prefix.join("bin/cargo"), prefix.join("bin/rustc"));
    let source = prefix.join("lib/rustlib/src/rust/library/std/Cargo.toml");
    let linker = newest_linker(&prefix.join("bin"));
    let parts = [
        ("cargo-web", cargo.exists()),
        ("rustc-web", rustc.exists()),
        ("rust-web-src", source.exists()),
        ("lld", linker.is_some()),
    ];
    let missing: Vec<String> =
        parts.iter().filter(|(_, there)| !there).map(|(name, _)| (*name).to_owned()).collect();
    match linker {
        Some(linker) if missing.is_empty() => {
            Ok(Toolchain { kind: Kind::Debian, cargo, linker: Some(linker) })
        }
        _ => Err(NoToolchain { missing, linker: "lld-19" }),
    }
}

/// `wasm-ld-N` with the highest N, else `wasm-ld`.
fn newest_linker(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let version = |name: &str| match name.strip_prefix("wasm-ld")? {
        "" => Some(0),
        rest => rest.strip_prefix('-')?.parse::<u32>().ok(),
    };
    entries
        .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path())))
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    #[test]
    fn a_missing_toolchain_is_told_with_the_commands_that_install_one() {
        let folder = tempfile::tempdir().unwrap();
        touch(&folder.path().join("bin/rustc"));
        let error = debian(folder.path()).unwrap_err();
        assert_eq!(error.missing, ["cargo-web", "rust-web-src", "lld"]);
        let text = error.to_string();
        assert!(text.contains("rustup target add wasm32-unknown-unknown"), "{text}");
        assert!(text.contains("apt-get install"), "{text}");
    }

    #[test]
    fn the_newest_linker_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["wasm-ld", "wasm-ld-9", "wasm-ld-19", "wasm-ld-x", "ld"] {
            touch(&folder.path().join(name));
        }
        assert_eq!(newest_linker(folder.path()).unwrap(), folder.path().join("wasm-ld-19"));
    }
}
