//! The editor's schema, held by an independent validator (Debian's python3-jsonschema) against good and broken documents.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod common;

use common::{GOOD, HOLD, catalog};
use cutwater_core::document::tree_of;
use cutwater_core::editor::schema;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Validates each instance and prints one JSON list per line: the paths at which it is wrong.
const VALIDATOR: &str = "
import json, sys
from jsonschema import Draft202012Validator
given = json.load(sys.stdin)
Draft202012Validator.check_schema(given['schema'])
validator = Draft202012Validator(given['schema'])
for instance in given['instances']:
    print(json.dumps(['/'.join(map(str, error.absolute_path)) for error in validator.iter_errors(instance)]))
";

/// For each instance the places at which the validator finds it wrong.
fn validate(schema: &Value, instances: &[Value]) -> Vec<Vec<String>> {
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
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn json_of(text: &str) -> Option<Value> {
    tree_of(text, "x.yaml").ok().map(|root| root.to_json())
}

#[test]
fn good_documents_are_valid() {
    let found = validate(&schema(&catalog()), &[json_of(GOOD).unwrap(), json_of(HOLD).unwrap()]);
    assert_eq!(found, [Vec::<String>::new(), Vec::new()]);
}

/// What only the checker can see: references, order, grants that do not cover, names that stand twice, values on the
/// command line, warnings.
const UNSEEN: [&str; 19] = [
    "CW0108", "CW0111", "CW0107", "CW0402", "CW0404", "CW0501", "CW0502", "CW0601", "CW0604", "CW0606",
    "CW0610", "CW0611", "CW0612", "CW0614", "CW0901", "CW0004", "CW0006", "CW0008", "CW0001",
];

#[test]
fn broken_documents_are_rejected_unless_only_the_checker_can_see_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut names = Vec::new();
    let mut instances = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let unseen = UNSEEN.iter().any(|code| name.starts_with(code));
        if path.extension().is_some_and(|ext| ext == "yaml") && !unseen {
            let Some(instance) = json_of(&std::fs::read_to_string(&path).unwrap()) else { continue };
            names.push(name);
            instances.push(instance);
        }
    }
    let found = validate(&schema(&catalog()), &instances);
    let accepted: Vec<&String> =
        names.iter().zip(&found).filter(|(_, places)| places.is_empty()).map(|(name, _)| name).collect();
    assert!(accepted.is_empty(), "the editor's schema accepts {accepted:?}");
    assert!(names.len() >= 12, "only {names:?} were looked at");
}

#[test]
fn a_mistake_in_with_is_found_where_it_stands() {
    let document = |with: Value| json!({ "cutwater": 1, "name": "x", "steps": { "a": { "uses": "lvm.snapshot", "with": with } } });
    let sound = json!({ "vg": "vg00", "origin": "dat", "size": "${{ steps.room.volumes[0].cow }}" });
    let whole = json!({ "vg": "vg00", "origin": "dat", "size": 1073741824 });
    let unknown = json!({ "vg": "vg00", "orign": "dat", "origin": "dat", "size": "1GiB" });
    let wrong = json!({ "vg": "vg00", "origin": "dat", "size": "big" });
    let found = validate(
        &schema(&catalog()),
        &[document(sound), document(whole), document(unknown), document(wrong)],
    );
    assert_eq!(
        found,
        [vec![], vec![], vec!["steps/a/with".to_owned()], vec!["steps/a/with/size".to_owned()]]
    );
}
