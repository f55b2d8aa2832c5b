//! The call of cargo that compiles a plugin to a module. It must not know components.

use crate::BuildError;
use crate::toolchain::{Kind, TARGET, Toolchain};
use serde_json::Value;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Small, whole-program, no unwinding; the same for plugins of any workspace.
const PROFILE: [&str; 6] = [
    "profile.guest.inherits=\"release\"",
    "profile.guest.opt-level=\"s\"",
    "profile.guest.lto=true",
    "profile.guest.codegen-units=1",
    "profile.guest.panic=\"abort\"",
    "profile.guest.strip=true",
];

/// What an outer cargo or rustup leaves in the environment, and must not reach this one.
const FOREIGN: [&str; 13] = [
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_MAKEFLAGS",
    "CARGO_TARGET_DIR",
    "MAKEFLAGS",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
    "LD_LIBRARY_PATH",
];

/// Compiles the plugin in `folder`; returns the module's path.
pub fn compile(toolchain: &Toolchain, folder: &Path) -> Result<PathBuf, BuildError> {
    let manifest = folder.join("Cargo.toml");
    let manifest = manifest.canonicalize().map_err(|source| BuildError::File { path: manifest, source })?;
    let root = workspace(toolchain, &manifest)?;
    let frugal = attempt(toolchain, &manifest, &root, &["--locked", "--offline"])?;
    let attempt = match frugal {
        Attempt::Wants(_) => attempt(toolchain, &manifest, &root, &[])?,
        other => other,
    };
    match attempt {
        Attempt::Made(module) => Ok(module),
        Attempt::Nothing => Err(BuildError::NoLibrary { folder: folder.to_owned() }),
        Attempt::Wants(words) | Attempt::Failed(words) => {
            eprint!("{words}");
            Err(BuildError::Compile { folder: folder.to_owned() })
        }
    }
}

enum Attempt {
    Made(PathBuf),
    Nothing,
    /// It would need the network, or to write the lock file.
    Wants(String),
    /// Already shown words are not repeated.
    Failed(String),
}

fn attempt(
    toolchain: &Toolchain,
    manifest: &Path,
    root: &Path,
    flags: &[&str],
) -> Result<Attempt, BuildError> {
    let outer = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target_dir = outer.join("guests").join(toolchain.kind.folder());
    let mut command = base(toolchain);
    command.args(["build", "--profile", "guest", "--target", TARGET]).args(flags);
    command.arg("--message-format=json-render-diagnostics");
    command.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(&target_dir);
    command.args(PROFILE.iter().flat_map(|line| ["--config", line]));
    if toolchain.kind == Kind::Debian {
        command.arg("-Zbuild-std=std,panic_abort");
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", rustflags());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());

    let failed = |source| BuildError::Start { cargo: toolchain.cargo.clone(), source };
    let mut child = command.spawn().map_err(failed)?;
    let errors = child.stderr.take();
    let frugal = !flags.is_empty();
    let words = std::thread::spawn(move || errors.map(|errors| listen(errors, frugal)).unwrap_or_default());
    let mut messages = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut messages).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    let (words, shown) = words.join().unwrap_or_default();
    if status.success() {
        return Ok(module(&messages, manifest).map_or(Attempt::Nothing, Attempt::Made));
    }
    let unshown = if shown { String::new() } else { words.clone() };
    let wants =
        ["--offline", "--locked", "lock file", "offline mode"].iter().any(|sign| words.contains(sign));
    Ok(if frugal && wants { Attempt::Wants(unshown) } else { Attempt::Failed(unshown) })
}

/// Shows cargo's words as they come, once it compiles something; until then they may be about a lock file or a missing
/// download, which a second attempt cures. Returns all of them and whether they were shown.
fn listen(errors: impl Read, hold_back: bool) -> (String, bool) {
    let (mut words, mut shown) = (String::new(), !hold_back);
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if !shown && line.contains("Compiling") {
            shown = true;
            eprint!("{words}");
        }
        words.push_str(&line);
        words.push('\n');
        if shown {
            eprintln!("{line}");
        }
    }
    (words, shown)
}

fn base(toolchain: &Toolchain) -> Command {
    let mut command = Command::new(&toolchain.cargo);
    for name in FOREIGN {
        command.env_remove(name);
    }
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    if toolchain.kind == Kind::Debian {
        command.env("PATH", "/usr/bin:/bin").env("RUSTC_BOOTSTRAP", "1");
    }
    if let Some(linker) = &toolchain.linker {
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    command
}

/// The custom backend of getrandom, which the SDK provides; and no path of this machine in the component. The same for
/// every plugin, so that the standard library is compiled once.
fn rustflags() -> String {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(Path::new(&home).join(".cargo"))
    });
    let mut flags = vec!["--cfg".to_owned(), "getrandom_backend=\"custom\"".to_owned()];
    flags.extend(cargo_home.map(|home| format!("--remap-path-prefix={}/registry/src/=", home.display())));
    flags.join("\u{1f}")
}

/// The folder of the workspace that the manifest belongs to.
fn workspace(toolchain: &Toolchain, manifest: &Path) -> Result<PathBuf, BuildError> {
    let asked = base(toolchain)
        .args(["locate-project", "--workspace", "--message-format=plain", "--manifest-path"])
        .arg(manifest)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| BuildError::Start { cargo: toolchain.cargo.clone(), source })?;
    let found = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
    match found.parent().filter(|_| asked.status.success()) {
        Some(folder) => Ok(folder.to_owned()),
        None => Err(BuildError::Compile { folder: manifest.to_owned() }),
    }
}

fn module(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = messages.filter(|message| message["manifest_path"].as_str().map(Path::new) == Some(manifest));
    let mut files = ours.filter_map(|message| message["filenames"].as_array().cloned()).flatten();
    files.find_map(|file| file.as_str().filter(|file| file.ends_with(".wasm")).map(PathBuf::from))
}
