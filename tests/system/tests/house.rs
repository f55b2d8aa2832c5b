//! The rules of the house: who may use whom, and which crate owns which library. Held against `cargo metadata`.
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
    (
        "cutwater",
        &[
            "cutwater-core",
            "cutwater-driver",
            "cutwater-store",
            "cutwater-host",
            "cutwater-build",
            "cutwater-testkit",
        ],
    ),
    ("cutwater-sdk", &[]),
    ("cutwater-testkit", &[]),
    ("cutwater-plugin-lvm", &["cutwater-sdk"]),
    ("cutwater-plugin-fs", &["cutwater-sdk"]),
    ("cutwater-plugin-block", &["cutwater-sdk"]),
    ("cutwater-plugin-postgres", &["cutwater-sdk"]),
    ("cutwater-plugin-service", &["cutwater-sdk"]),
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

/// Crates of ours, by name, with what they depend on outside of tests.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
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
