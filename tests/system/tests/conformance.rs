//! `cutwater plugin test` where it needs more than a test process has: device mapper, or minutes. It must not know how a
//! trial is made.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which tells what it counted")]

use cutwater_lab::{Image, Lab, built_program, scratch};
use cutwater_system::compiled_plugins;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Each trial is a process or several, and each is slow in the lab.
const AT_MOST: Duration = Duration::from_secs(60 * 60);

/// Sabotage: `lvm.snapshot` whose probe takes a snapshot by its name, or whose undo leaves an origin suspended.
#[test]
#[ignore = "exhaustive: make prove runs it"]
fn the_plugin_lvm_keeps_its_promises_on_real_volumes() {
    keeps_its_promises_in_the_lab("lvm", "conformance.yaml");
}

/// Sabotage: `block.resync` that takes a target for its own though somebody has written to it; one that begins anew
/// without its checkpoint's slack (it refuses its own half).
#[test]
#[ignore = "exhaustive: make prove runs it"]
fn the_plugin_block_keeps_its_promises_on_a_real_exception_store() {
    keeps_its_promises_in_the_lab("block", "conformance-lvm.yaml");
}

fn keeps_its_promises_in_the_lab(plugin: &str, cases: &str) {
    let folder = scratch("conformance").unwrap();
    let programs = built_program("cutwater").unwrap();
    let programs = programs.parent().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lab = Lab::new(folder.path())
        .unwrap()
        .image(&Image::named("postgres").unwrap())
        .unwrap()
        .mount(programs, "/run/bin")
        .mount(programs.join("../guests/shipped"), "/run/shipped")
        .mount(here.join("../../plugins"), "/run/plugins")
        .mount(here.join("job"), "/run/jobs")
        .mount(compiled_plugins().unwrap(), "/run/compiled");
    let job = format!(
        ". /run/jobs/machine.sh; install_cutwater
        VG=vg00 exec cutwater plugin test /run/shipped/{plugin}.wasm --cases /run/plugins/{plugin}/{cases}"
    );
    let outcome = lab.run(&job, AT_MOST).unwrap();
    println!("{}", outcome.log());
    assert_eq!(outcome.status, 0, "{}", outcome.log());
    assert!(outcome.log().trim_end().ends_with("everything held"), "{}", outcome.log());
}

/// Sabotage: `postgres.bar` whose killed undo is taken for done though the server has not read the file.
#[test]
#[ignore = "exhaustive: make prove runs it"]
fn the_plugin_postgres_keeps_its_promises_on_a_real_server() {
    let folder = scratch("conformance-postgres").unwrap();
    let programs = built_program("cutwater").unwrap();
    let shipped = programs.parent().unwrap().join("../guests/shipped/postgres.wasm");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/postgres/conformance.yaml");
    let said = Command::new(&programs)
        .args(["plugin", "test"])
        .arg(shipped.canonicalize().unwrap())
        .arg("--cases")
        .arg(cases.canonicalize().unwrap())
        .arg("--root")
        .arg(folder.path())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    println!("{out}");
    assert_eq!(said.status.code(), Some(0), "{out}{err}");
    assert!(out.trim_end().ends_with("everything held"), "{out}");
}
