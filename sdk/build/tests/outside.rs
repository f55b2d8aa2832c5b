//! A plugin outside every workspace of ours, built by the program from nothing but its folder. It must not know the
//! engine.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;
use std::sync::Once;

#[test]
fn a_plugin_is_built_and_imports_just_what_its_step_calls() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (folder, target) = (first(), here.join("../../target"));
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("first.wasm");
    let build = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutwater-build"));
        let built = command.arg(&folder).arg(&out).env("CARGO_TARGET_DIR", &target).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        String::from_utf8(built.stdout).unwrap()
    };
    let said = build();
    assert!(said.trim_end().ends_with("imports: checkpoint file log"), "{said}");
    assert!(std::fs::read(&out).unwrap().starts_with(b"\0asm"));
    assert!(build().contains("(unchanged)"));
}

#[test]
fn its_own_tests_pass_natively() {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(["test", "--offline", "--manifest-path"]).arg(first().join("Cargo.toml"));
    let tested = command.env("CARGO_TARGET_DIR", target).output().unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
    assert!(String::from_utf8_lossy(&tested.stdout).contains("2 passed"));
}

/// The plugin's folder, with the versions that this workspace has locked.
fn first() -> std::path::PathBuf {
    static LOCKED: Once = Once::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("tests/first");
    LOCKED.call_once(|| {
        std::fs::copy(here.join("../../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    });
    folder
}

#[test]
fn the_manual_shows_the_plugin_that_is_tested() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manual = std::fs::read_to_string(here.join("../../docs/writing-plugins.md")).unwrap();
    for file in ["src/lib.rs", "tests/keep.rs"] {
        let text = std::fs::read_to_string(here.join("tests/first").join(file)).unwrap();
        assert!(manual.contains(text.trim_end()), "docs/writing-plugins.md does not hold {file}");
    }
}
