//! `cutwater plugin test` where it needs more than a test process has: device mapper, or minutes. A test for each case. It
//! must not know how a trial is made.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which tells what it counted")]

use cutwater_lab::{Image, Lab, built_program, scratch};
use cutwater_system::compiled_plugins;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Each trial is a process or several, and each is slow in the lab.
const AT_MOST: Duration = Duration::from_secs(60 * 60);

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins")
}

/// A case that needs real volumes.
fn in_the_lab(plugin: &str, cases: &str, case: &str) {
    let folder = scratch("conformance").unwrap();
    let programs = built_program("cutwater").unwrap();
    let programs = programs.parent().unwrap();
    let lab = Lab::new(folder.path())
        .unwrap()
        .image(&Image::named("postgres").unwrap())
        .unwrap()
        .mount(programs, "/run/bin")
        .mount(programs.join("../guests/shipped"), "/run/shipped")
        .mount(plugins(), "/run/plugins")
        .mount(Path::new(env!("CARGO_MANIFEST_DIR")).join("job"), "/run/jobs")
        .mount(compiled_plugins().unwrap(), "/run/compiled");
    let job = format!(
        ". /run/jobs/machine.sh; install_cutwater
        VG=vg00 exec cutwater plugin test /run/shipped/{plugin}.wasm --cases /run/plugins/{plugin}/{cases} --case {case}"
    );
    let outcome = lab.run(&job, AT_MOST).unwrap();
    held(outcome.status, &outcome.log());
}

/// A case that needs a real server, or minutes. What it mounts, nobody else sees.
fn on_this_machine(plugin: &str, cases: &str, case: &str) {
    let folder = scratch("conformance").unwrap();
    let programs = built_program("cutwater").unwrap();
    let shipped = programs.parent().unwrap().join("../guests/shipped");
    let said = Command::new("unshare")
        .args(["-m", "--"])
        .arg(&programs)
        .args(["plugin", "test"])
        .arg(shipped.join(format!("{plugin}.wasm")).canonicalize().unwrap())
        .arg("--cases")
        .arg(plugins().join(plugin).join(cases).canonicalize().unwrap())
        .args(["--case", case, "--root"])
        .arg(folder.path())
        .output()
        .unwrap();
    let words = [said.stderr, said.stdout].concat();
    held(said.status.code().unwrap_or(-1), &String::from_utf8_lossy(&words));
}

fn held(status: i32, words: &str) {
    println!("{words}");
    assert_eq!(status, 0, "{words}");
    assert!(words.trim_end().ends_with("everything held"), "{words}");
}

macro_rules! cases {
    ($($of:ident $where:ident $plugin:literal $cases:literal: $($test:ident $case:literal)*;)*) => {
        $($(
            #[test]
            #[ignore = "exhaustive: make prove runs it"]
            fn $test() {
                $where($plugin, $cases, $case);
            }
        )*
        const $of: (&str, &str, &[&str]) = ($plugin, $cases, &[$($case),*]);)*
    };
}

// Sabotage: `lvm.snapshot` whose probe takes a snapshot by its name, or whose undo leaves an origin suspended;
// `lvm.merge` that takes lvconvert's 0 for the end of the merge, or whose probe does not look for its tag;
// `lvm.move` that goes on with whatever move is under way, or believes pvmove's status;
// `block.resync` that takes a target for its own though somebody has written to it; `postgres.bar` whose killed undo is
// taken for done though the server has not read the file; `restic.backup` that takes a backup for whole because it is there, or
// whose undo forgets those of another mark; `postgres.dump` that takes its folder for the dump, or removes it by its name.
cases! {
    LVM in_the_lab "lvm" "conformance.yaml":
        lvm_snapshot "snapshot" lvm_check_extents "check-extents" lvm_snapshot_usable "snapshot-usable" lvm_remove "remove"
        lvm_deactivate "deactivate" lvm_activate "activate" lvm_fence "fence"
        lvm_unfence "unfence" lvm_merge "merge" lvm_watch_snapshots "watch-snapshots" lvm_placed "placed" lvm_move "move"
        lvm_lend_extents "lend-extents";
    BLOCK in_the_lab "block" "conformance-lvm.yaml":
        block_resync "resync";
    POSTGRES on_this_machine "postgres" "conformance.yaml":
        postgres_checkpoint "checkpoint" postgres_check "check" postgres_quiesce "quiesce" postgres_bar "bar"
        postgres_admit "admit" postgres_drain "drain" postgres_start "start" postgres_take_wal "take-wal"
        postgres_serve_copy "serve-copy" postgres_stop_copy "stop-copy" postgres_exported_snapshot "exported-snapshot"
        postgres_dump "dump" postgres_dump_globals "dump-globals" postgres_base_backup "base-backup";
    RESTIC on_this_machine "restic" "conformance.yaml":
        restic_backup "backup" restic_check "check" restic_compare "compare" restic_restore "restore";
}

#[test]
fn every_case_has_its_test() {
    for (plugin, file, cases) in [LVM, BLOCK, POSTGRES, RESTIC] {
        let text = std::fs::read_to_string(plugins().join(plugin).join(file)).unwrap();
        let names: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("- name: ")).collect();
        assert_eq!(names, cases, "{plugin}");
    }
}
