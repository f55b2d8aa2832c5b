//! The rules of the house: who may use whom, which crate owns which library, and that no library is compiled twice for
//! want of a feature. Held against what cargo says.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate may use of ours. A crate that is not here may use nothing of ours.
const MAY_USE: &[(&str, &[&str])] = &[
    ("cutwater-core", &[]),
    ("cutwater-driver", &["cutwater-core"]),
    ("cutwater-store", &["cutwater-core", "cutwater-driver"]),
    ("cutwater-host", &["cutwater-core", "cutwater-driver"]),
    ("cutwater-build", &[]),
    ("cutwater-lvm2", &[]),
    (
        "cutwater",
        &[
            "cutwater-core",
            "cutwater-driver",
            "cutwater-store",
            "cutwater-host",
            "cutwater-build",
            "cutwater-lvm2",
            "cutwater-testkit",
        ],
    ),
    ("cutwater-sdk", &[]),
    ("cutwater-testkit", &[]),
    ("cutwater-plugin-lvm", &["cutwater-lvm2", "cutwater-sdk"]),
    ("cutwater-plugin-files", &["cutwater-sdk"]),
    ("cutwater-plugin-fs", &["cutwater-sdk"]),
    ("cutwater-plugin-block", &["cutwater-sdk"]),
    ("cutwater-plugin-postgres", &["cutwater-sdk"]),
    ("cutwater-plugin-service", &["cutwater-sdk"]),
    ("cutwater-plugin-restic", &["cutwater-sdk"]),
];

/// Libraries with one owner.
const OWNED: &[(&str, &str)] = &[
    ("wasmtime", "cutwater-host"),
    ("rustls", "cutwater-host"),
    ("rusqlite", "cutwater-store"),
    ("cel", "cutwater-core"),
    ("petgraph", "cutwater-core"),
    ("clap", "cutwater"),
    ("wit-bindgen", "cutwater-sdk"),
];

/// What cargo prints, asked without a network.
fn cargo(args: &[&str]) -> Vec<u8> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(args)
        .arg("--offline")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Crates of ours, by name, with what they depend on outside of tests.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = cargo(&["metadata", "--format-version=1", "--no-deps"]);
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let uses = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"] != "dev");
            let names = uses.map(|d| d["name"].as_str().unwrap().to_owned()).collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

fn is_a_test(name: &str) -> bool {
    [
        "cutwater-lab",
        "cutwater-witness",
        "cutwater-system",
        "cutwater-demo",
        "cutwater-hostile",
        "cutwater-careless",
        "cutwater-sandbox",
    ]
    .contains(&name)
}

#[test]
fn nobody_uses_a_crate_that_the_table_does_not_allow() {
    let crates = crates();
    let ours: BTreeSet<&String> = crates.keys().collect();
    for (name, uses) in &crates {
        if is_a_test(name) {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(n, _)| n == name) else {
            panic!("`{name}` is not in the table of who may use whom");
        };
        for used in uses.iter().filter(|u| ours.contains(u)) {
            assert!(allowed.contains(&used.as_str()), "`{name}` must not use `{used}`");
        }
    }
    for (name, _) in MAY_USE {
        assert!(crates.contains_key(*name), "the table names `{name}`, which does not exist");
    }
}

#[test]
fn each_heavy_library_has_one_owner() {
    let crates = crates();
    for (library, owner) in OWNED {
        let users: Vec<&String> =
            crates.iter().filter(|(n, u)| u.contains(*library) && !is_a_test(n)).map(|(n, _)| n).collect();
        assert_eq!(users, [*owner], "who uses {library}");
    }
}

/// The features with which each library is compiled, by name and version.
fn features(args: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let args = [&["tree", "--prefix=none", "--format={p}\t{f}"], args].concat();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(cargo(&args)).unwrap().lines() {
        let Some((package, features)) = line.split_once('\t') else { continue };
        let name: Vec<&str> = package.split(' ').take(2).collect();
        let features = features.trim_end_matches(" (*)").to_owned();
        found.entry(name.join(" ")).or_default().insert(features);
    }
    found
}

/// Sabotage: a dependency of a test or a plugin that asks a library of the binary for one feature more: wasmtime and all
/// of ours would be compiled twice.
#[test]
fn the_tests_use_the_libraries_as_the_binary_has_them() {
    let binary = features(&["--package=cutwater", "--edges=normal,build"]);
    let all = features(&["--workspace", "--edges=normal,build,dev"]);
    for (library, features) in &binary {
        let ours = library.starts_with("cutwater");
        assert!(
            ours || all.get(library) == Some(features),
            "{library}: {features:?}, {:?}",
            all.get(library)
        );
    }
}
