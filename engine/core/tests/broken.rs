//! What the author of a broken document reads: each `broken/*.yaml` with the text beside it. A text is accepted by
//! running with `ACCEPT=NAME` (one file's name without its ending) and reviewed like code.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{catalog, deep};
use cutwater_core::check::{Given, check_text};
use cutwater_core::fault::codes;
use cutwater_core::policy::{Policy, SecretSource};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

fn documents() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "yaml")).collect();
    files.sort();
    files
}

/// The JSON behind `# NAME: ` at the top of a document.
fn header(text: &str, name: &str) -> Value {
    let prefix = format!("# {name}: ");
    let line = text.lines().take(3).find_map(|line| line.strip_prefix(&prefix));
    line.map_or(Value::Null, |json| serde_json::from_str(json).unwrap())
}

fn policy(text: &str) -> Option<Policy> {
    let header = header(text, "policy");
    let pairs = |key: &str| header[key].as_object().cloned().unwrap_or_default();
    let secrets =
        pairs("secrets").keys().map(|name| (name.clone(), SecretSource::Env(name.clone()))).collect();
    let roles: BTreeMap<String, Vec<String>> = pairs("roles")
        .into_iter()
        .map(|(role, members)| (role, serde_json::from_value(members).unwrap()))
        .collect();
    let grants = serde_json::from_value(Value::Object(pairs("bound"))).unwrap();
    (!header.is_null()).then(|| Policy { secrets, roles, grants, ..Policy::default() })
}

/// What is said about a document.
fn said(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let values = header(&text, "given").as_object().cloned().unwrap_or_default().into_iter().collect();
    let policy = policy(&text);
    deep(move || {
        let given = Given { values, partial: false };
        let faults = match check_text(&text, &name, &catalog(), &given, policy.as_ref()) {
            Ok(checked) => checked.warnings,
            Err(faults) => faults,
        };
        faults.render(|_| Some(&text), false)
    })
}

#[test]
fn every_broken_document_is_explained_as_reviewed() {
    let accept = std::env::var("ACCEPT").unwrap_or_default();
    let mut differing = Vec::new();
    for path in documents() {
        let said = said(&path);
        let golden = path.with_extension("txt");
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if accept == stem {
            std::fs::write(&golden, &said).unwrap();
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != said {
            differing.push(format!("--- {stem}\n{said}"));
        }
    }
    assert!(differing.is_empty(), "these differ from what was accepted:\n{}", differing.join("\n"));
}

/// Bounds are passed by texts that nobody wants to keep in a file: `hostile.rs` makes them.
#[test]
fn every_code_is_explained_somewhere() {
    let texts: Vec<String> = documents()
        .iter()
        .filter_map(|path| std::fs::read_to_string(path.with_extension("txt")).ok())
        .collect();
    let bounds = [codes::TOO_LARGE, codes::TOO_DEEP, codes::LONG_TEXT];
    for code in codes::ALL.iter().filter(|code| !bounds.contains(code)) {
        let mark = format!("[{code}]");
        assert!(
            texts.iter().any(|text| text.contains(&mark)),
            "no broken document shows {code}: {}",
            code.title()
        );
    }
}
