//! Reading the policy file, strictly. It must not know what the keys are good for.

use super::{POLICY_FORMAT, Policy, Reader, SecretSource, Service};
use crate::grant::Grants;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct PolicyFault {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What, and the way out.
    pub message: String,
}

/// The file's own keys. What is a list or map there is added to the shipped one (`critical`, `read-only`) or stands alone.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    cutwater_policy: u32,
    #[serde(default)]
    roles: BTreeMap<String, Vec<String>>,
    path: Option<Vec<String>>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    critical: Vec<String>,
    #[serde(default)]
    read_only: Vec<Reader>,
    #[serde(default)]
    read_only_sql: Vec<String>,
    #[serde(default)]
    secrets: BTreeMap<String, SecretSource>,
    #[serde(default)]
    services: BTreeMap<String, Service>,
    #[serde(default)]
    grants: BTreeMap<String, Grants>,
    #[serde(default)]
    holds_without_scope: bool,
    #[serde(default)]
    faults: Switch,
    #[serde(default)]
    plugins: Vec<String>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Switch {
    Allow,
    #[default]
    Deny,
}

pub(super) fn parse(name: &str, text: &str) -> Result<Policy, PolicyFault> {
    let options = serde_saphyr::options! { with_snippet: false };
    let file: File = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let at = error.location();
        PolicyFault {
            file: name.to_owned(),
            line: at.map_or(1, |at| at.line()),
            column: at.map_or(1, |at| at.column()),
            message: first_line(&error.without_snippet().to_string()),
        }
    })?;
    let wrong = |key: &str, message: String| {
        let (line, column) = place_of(text, key);
        PolicyFault { file: name.to_owned(), line, column, message }
    };
    if file.cutwater_policy != POLICY_FORMAT {
        let message =
            format!("`cutwater-policy: {}` is not known; write {POLICY_FORMAT}", file.cutwater_policy);
        return Err(wrong("cutwater-policy", message));
    }
    check(&file).map_err(|(key, message)| wrong(key, message))?;
    let usual = Policy::default();
    Ok(Policy {
        roles: file.roles,
        path: file.path.unwrap_or(usual.path),
        environment: file.environment,
        critical: usual.critical.into_iter().chain(file.critical).collect(),
        read_only: usual.read_only.into_iter().chain(file.read_only).collect(),
        read_only_sql: usual
            .read_only_sql
            .into_iter()
            .chain(
                file.read_only_sql.iter().map(|text| text.trim().trim_end_matches(';').to_ascii_lowercase()),
            )
            .collect(),
        secrets: file.secrets,
        services: file.services,
        grants: file.grants,
        holds_without_scope: file.holds_without_scope,
        faults: file.faults == Switch::Allow,
        plugins: file.plugins,
    })
}

/// What the types alone do not say. Tells the top-level key and what is wrong there.
fn check(file: &File) -> Result<(), (&'static str, String)> {
    for member in file.roles.values().flatten() {
        if !matches!(member.split_once(':'), Some(("user" | "group", name)) if !name.is_empty()) {
            return Err(("roles", format!("`{member}` is neither `user:NAME` nor `group:NAME`")));
        }
    }
    let folders = [
        ("path", file.path.iter().flatten().collect::<Vec<_>>()),
        ("plugins", file.plugins.iter().collect()),
    ];
    for (key, folders) in folders {
        if let Some(folder) = folders.iter().find(|folder| !folder.starts_with('/')) {
            return Err((key, format!("`{folder}` is not an absolute path")));
        }
    }
    for (key, name) in [("PATH", "path"), ("LC_ALL", "environment"), ("LD_PRELOAD", "environment")] {
        if file.environment.contains_key(key) {
            return Err(("environment", format!("`{key}` cannot be set here; see `{name}`")));
        }
    }
    for (name, service) in &file.services {
        for (part, line) in [("start", &service.start), ("stop", &service.stop), ("status", &service.status)]
        {
            let program = line.first().map_or("", String::as_str);
            if program.is_empty() || program.contains('/') {
                let message = format!(
                    "`{name}.{part}` begins with `{program}`, not with a program's bare name; its folder goes to `path`"
                );
                return Err(("services", message));
            }
        }
        if service.fence_file.as_ref().is_some_and(|file| !file.starts_with('/')) {
            return Err(("services", format!("`{name}.fence-file` is not an absolute path")));
        }
    }
    for reader in &file.read_only {
        if let Some(message) = reader.fault() {
            return Err(("read-only", message));
        }
    }
    Ok(())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Where a top-level key stands.
fn place_of(text: &str, key: &str) -> (u64, u64) {
    let line = text.lines().position(|line| line.trim_start_matches(['"', '\'']).starts_with(key));
    (line.map_or(1, |at| at as u64 + 1), 1)
}
