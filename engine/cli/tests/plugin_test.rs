//! `cutwater plugin test` on the shipped plugins against the real thing, and on a plugin that breaks its promises. It must
//! not know how a trial is made.
#![expect(clippy::unwrap_used, reason = "a test")]
mod common;

use common::{Place, Said};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// In a mount namespace of its own: what a case mounts, nobody else sees.
fn test(place: &Place, plugin: &str, args: &[&str]) -> Said {
    let folder = folder(plugin);
    let plain = place.command(&["plugin", "test", folder.to_str().unwrap()]);
    let mut command = Command::new("unshare");
    command.args(["-m", "--"]).arg(plain.get_program()).args(plain.get_args()).args(args);
    command.current_dir(place.path("")).env("NO_COLOR", "1");
    Said::of(&command.output().unwrap(), &place.path(""))
}

fn holds(plugin: &str, args: &[&str]) {
    let said = test(&Place::new(), plugin, args);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.trim_end().ends_with("everything held"), "{}", said.out);
}

/// Sabotage: `block.sync` that saves no checkpoint before its first byte, or whose undo erases a target that somebody else
/// has made a file system on meanwhile.
#[test]
fn the_plugin_block_keeps_its_promises_on_real_devices() {
    holds("plugins/block", &[]);
}

/// Sabotage: `fs.mount` that says unchanged for what a killed attempt of its own has mounted.
#[test]
fn the_plugin_fs_keeps_its_promises_on_real_mounts() {
    holds("plugins/fs", &[]);
}

/// Sabotage: `files.sync` that saves its checkpoint after the mark, whose undo clears a folder without asking what is in it, or
/// knows the names of one file by the time of their change alone.
#[test]
fn the_plugin_files_keeps_its_promises_with_a_real_rsync() {
    holds("plugins/files", &[]);
}

/// Sabotage: `service.fence` whose undo lifts a fence that carries another mark.
#[test]
fn the_plugin_service_keeps_its_promises_on_a_real_process() {
    holds("plugins/service", &[]);
}

/// Sabotage: `restic.compare` that lists the backup with a lock, and so writes to the repository.
#[test]
fn a_comparison_of_the_plugin_restic_changes_neither_the_repository_nor_the_volume() {
    holds("plugins/restic", &["--case", "compare"]);
}

/// Sabotage: `postgres.quiesce` whose orphan's release ends no session, or that is not said to be taken before it is.
#[test]
fn the_hold_of_the_plugin_postgres_keeps_its_promises_on_a_real_server() {
    holds("plugins/postgres", &["--case", "quiesce"]);
}

/// Sabotage: a run that kills nothing, looks at nothing, or takes any answer would find none of these.
#[test]
fn each_broken_promise_is_found_and_the_call_at_which_it_broke_is_named() {
    let said = test(&Place::new(), "tests/conformance/plugin", &["--json"]);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let broken: Vec<(&str, &str, &str)> = told["trials"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|trial| !trial["broken"].is_null())
        .map(|trial| {
            let at = trial["broken"]["at"].as_str().unwrap_or_default();
            let died = at.split(", after").next().unwrap();
            (trial["case"].as_str().unwrap(), trial["tried"].as_str().unwrap(), died)
        })
        .collect();
    let (finish, back) =
        ("killed at each call of apply, then finished", "killed at each call of apply, then taken back");
    let died = "killed at point 4, before a call of `file`";
    assert_eq!(
        broken,
        [
            ("appends", "applied twice", ""),
            ("appends", finish, died),
            ("greedy", "somebody else's object is left alone", ""),
            ("hasty", finish, died),
            ("forgetful", back, died),
        ]
    );
    assert_eq!((said.code, &told["holds"]), (3, &Value::Bool(false)));
    let forgotten = told["trials"].as_array().unwrap().iter().rfind(|trial| trial["tried"] == back).unwrap();
    let diff = forgotten["broken"]["diff"].as_array().unwrap();
    assert!(diff.contains(&Value::String("+ ==> kept <==".into())), "{diff:?}");
}

#[test]
fn cases_that_cannot_be_tried_are_said_before_anything_is_done() {
    let place = Place::new();
    let said = place.cutwater(&["plugin", "test", "."]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("Cargo.toml") || said.err.contains("cdylib"), "{}", said.err);
    let plugin = folder("tests/conformance/plugin");
    let none = place.file("none.yaml", "cutwater-conformance: 1\ncases: []\n");
    let said = test(&place, "tests/conformance/plugin", &["--cases", none.to_str().unwrap()]);
    assert_eq!(said.code, 3, "{plugin:?}");
    assert!(said.err.contains("nothing would be tried"), "{}", said.err);
    let said = test(&place, "tests/conformance/plugin", &["--case", "nobody"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("there are sound, appends"), "{}", said.err);
}
