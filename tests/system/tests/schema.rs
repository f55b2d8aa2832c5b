//! `cutwater schema` of the real binary, held by a validator that is not ours (Debian's python3-jsonschema): it takes every shipped
//! workflow and every example of the docs, and rejects, at the right place, the broken ones that a schema can see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod common;

use common::{Place, cutwater, files, tree, with_secrets};
use cutwater_core::document::tree_of;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// Prints for each instance, a line each, the JSON list of the places at which it is wrong, choices opened up.
const VALIDATOR: &str = "
import json, sys
from jsonschema import Draft202012Validator
given = json.load(sys.stdin)
Draft202012Validator.check_schema(given['schema'])
validator = Draft202012Validator(given['schema'])
def places(error):
    yield '/'.join(map(str, error.absolute_path))
    for inner in error.context or []:
        yield from places(inner)
for instance in given['instances']:
    print(json.dumps(sorted({place for error in validator.iter_errors(instance) for place in places(error)})))
";

/// The broken documents that a schema can see, and one place at which it must: what is wrong in them is form, types, or names that
/// the language or a shipped plugin does not have. Order, references, names that stand twice, what is granted and values from the
/// command line are seen by the checker alone; what cannot be read as a tree (syntax, tags, aliases, control characters) reaches no
/// schema.
const BROKEN: &[(&str, &str)] = &[
    ("CW0101-no-version", ""),
    ("CW0101-version", "cutwater"),
    ("CW0102-unknown-key", "steps/b/retry"),
    ("CW0103-not-yet", "inputs/password"),
    ("CW0104-missing-key", "steps/down/outage"),
    ("CW0105-wrong-kind", "steps/b/needs"),
    ("CW0106-bad-name", "steps"),
    ("CW0109-unit", "steps/look/timeout"),
    ("CW0110-one-of", "steps/b"),
    ("CW0112-empty", "steps/down/steps"),
    ("CW0201-inputs", "inputs/odd/type"),
    ("CW0301-plugins", "steps/b/uses"),
    ("CW0303-with", "steps/snap/with/size"),
    ("CW0401-grants", "grants/block/write/1"),
    ("CW0602-inside", "finally/ask-again"),
    ("CW0607-for-each", "steps/again/for-each/at-most"),
];

fn schema() -> Value {
    let said = Place::new().cutwater(&["schema"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    serde_json::from_str(&said.out).unwrap()
}

fn json_of(text: &str) -> Value {
    tree_of(text, "x.yaml").map(|root| root.to_json()).unwrap_or_else(|_| panic!("no YAML: {text}"))
}

fn places(schema: &Value, instances: &[Value]) -> Vec<Vec<String>> {
    let mut python = Command::new("/usr/bin/python3")
        .args(["-W", "ignore", "-c", VALIDATOR])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("/usr/bin/python3 with python3-jsonschema (tests/setup installs it)");
    let given = json!({ "schema": schema, "instances": instances }).to_string();
    python.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "the validator itself failed: is python3-jsonschema installed?");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_shipped_workflow_is_valid() {
    let workflows = files("workflows", ".yaml");
    assert!(!workflows.is_empty());
    let instances: Vec<Value> =
        workflows.iter().map(|path| json_of(&std::fs::read_to_string(path).unwrap())).collect();
    for (path, places) in workflows.iter().zip(places(&schema(), &instances)) {
        assert!(places.is_empty(), "{} is wrong at {places:?}", path.display());
    }
}

#[test]
fn every_shipped_workflow_passes_the_check() {
    let place = Place::new();
    let own = with_secrets(&place);
    for path in files("workflows", ".yaml") {
        let said = cutwater(&place.path(""), &own, &["check", path.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{}", said.err);
    }
}

#[test]
fn the_schema_rejects_the_broken_workflows_that_a_schema_can_see() {
    let folder = tree().join("engine/core/tests/broken");
    let instances: Vec<Value> = BROKEN
        .iter()
        .map(|(name, _)| json_of(&std::fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap()))
        .collect();
    for ((name, place), found) in BROKEN.iter().zip(places(&schema(), &instances)) {
        assert!(found.iter().any(|at| at == place), "{name}: not at `{place}`, but at {found:?}");
    }
}

#[test]
fn a_shipped_workflow_with_one_mistake_is_rejected_where_the_mistake_is() {
    let sound =
        json_of(&std::fs::read_to_string(tree().join("workflows/postgres/move-volume.yaml")).unwrap());
    let mistakes = [
        ("steps/down/outage/limit", json!(60)),
        ("steps/snap/uses", json!("lvm.snapshit")),
        ("steps/copy/with/at-most", json!("fast")),
        ("steps/copy/timeout", json!("2 hours")),
        ("on-failure", json!("undoo")),
        ("steps/down/steps/cross/point-of-no-return", json!("sure")),
        ("grants/service/units", json!("app")),
        ("inputs/target/type", json!("devcie")),
    ];
    let instances: Vec<Value> = mistakes
        .iter()
        .map(|(place, wrong)| {
            let mut document = sound.clone();
            let there = document.pointer_mut(&format!("/{place}"));
            *there.unwrap_or_else(|| panic!("the workflow has nothing at {place} any more")) = wrong.clone();
            document
        })
        .collect();
    for ((place, wrong), found) in mistakes.iter().zip(places(&schema(), &instances)) {
        assert!(found.iter().any(|at| at == place), "{wrong} at `{place}` is found at {found:?}");
    }
}
