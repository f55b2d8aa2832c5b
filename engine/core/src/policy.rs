//! The host's own policy, /etc/cutwater/policy.yaml: who has which role, which programs are critical or only read, where
//! secrets come from, what services are without systemd, and how far any grant may go. It must not know files, users or
//! how it is enforced.

mod bounds;
mod parse;
mod reader;
mod shipped;

pub use bounds::Exceeded;
pub use parse::PolicyFault;
pub use reader::Reader;

use crate::grant::Grants;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The newest version of the file's format, its key `cutwater-policy`.
pub const POLICY_FORMAT: u32 = 1;

/// What this machine lets Cutwater do. [`Policy::default`] is what holds without a file: nothing is declared, and only
/// root and the engine's own user have roles.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// Role → `user:NAME` or `group:NAME`. Root and the engine's own user have every role.
    pub roles: BTreeMap<String, Vec<String>>,
    /// The folders in which programs are looked for, in order.
    pub path: Vec<String>,
    /// The environment of programs, beyond `LC_ALL` and `PATH`.
    pub environment: BTreeMap<String, String>,
    /// Programs that are never killed; a name may end in `*`.
    pub critical: Vec<String>,
    /// Command lines that only read: the shipped table and what the file adds.
    pub read_only: Vec<Reader>,
    /// SQL texts that only read, in lower case and without a final semicolon.
    pub read_only_sql: Vec<String>,
    /// Where each named secret comes from.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Services that systemd does not know, by name.
    pub services: BTreeMap<String, Service>,
    /// How far the grants of a plugin may go; `*` for those not named. A plugin without a bound has what the document grants.
    pub grants: BTreeMap<String, Grants>,
    /// Whether holds and outages may go on when the guard has no scope of its own.
    pub holds_without_scope: bool,
    /// Whether fault hooks work.
    pub faults: bool,
    /// Folders of plugins, beyond the usual ones.
    pub plugins: Vec<String>,
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// The content of a file, without its last line break.
    File(String),
    /// A variable of the engine's environment.
    Env(String),
    /// A systemd credential of the engine's unit.
    Credential(String),
}

/// A service that systemd does not know: three command lines, and the file whose presence bars it from starting by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Service {
    /// Program and arguments that start it.
    pub start: Vec<String>,
    /// Program and arguments that stop it.
    pub stop: Vec<String>,
    /// Program and arguments that tell by their exit status whether it runs; it changes nothing.
    pub status: Vec<String>,
    /// Its presence bars the service from starting by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence_file: Option<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            roles: BTreeMap::new(),
            path: shipped::PATH.iter().map(|&folder| folder.to_owned()).collect(),
            environment: BTreeMap::new(),
            critical: shipped::CRITICAL.iter().map(|&name| name.to_owned()).collect(),
            read_only: shipped::readers(),
            read_only_sql: shipped::SQL.iter().map(|&text| text.to_owned()).collect(),
            secrets: BTreeMap::new(),
            services: BTreeMap::new(),
            grants: BTreeMap::new(),
            holds_without_scope: false,
            faults: false,
            plugins: Vec::new(),
        }
    }
}

impl Policy {
    /// Reads the file's text; `name` is what faults call the file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyFault> {
        parse::parse(name, text)
    }

    /// BLAKE3 over all of it, hex: part of what an approval is bound to.
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        blake3::hash(&text).to_hex().to_string()
    }

    /// The grants of a plugin cut down to what this machine allows, and what was cut off.
    pub fn cut(&self, plugin: &str, granted: &Grants) -> (Grants, Vec<Exceeded>) {
        match self.grants.get(plugin).or_else(|| self.grants.get("*")) {
            Some(bound) => bounds::cut(bound, granted),
            None => (granted.clone(), Vec::new()),
        }
    }

    /// The roles that a user with these groups has by the file. That root and the engine's own user have all of them is
    /// for the caller to see.
    pub fn roles_of(&self, user: &str, groups: &[String]) -> Vec<String> {
        let has = |who: &String| match who.split_once(':') {
            Some(("user", name)) => name == user,
            Some(("group", name)) => groups.iter().any(|group| group == name),
            _ => false,
        };
        self.roles
            .iter()
            .filter(|(_, members)| members.iter().any(has))
            .map(|(role, _)| role.clone())
            .collect()
    }

    /// Whether the program is one that is never killed.
    pub fn is_critical(&self, program: &str) -> bool {
        self.critical.iter().any(|pattern| crate::grant::matches(pattern, program))
    }

    /// The entries of the read-only table for this command line.
    pub fn reads<'a>(&'a self, program: &'a str, args: &'a [String]) -> impl Iterator<Item = &'a Reader> {
        self.read_only.iter().filter(move |reader| reader.program == program && reader.admits(args))
    }

    /// Whether the statement only reads, whoever sends it.
    pub fn reads_sql(&self, text: &str) -> bool {
        let text = text.trim().trim_end_matches(';').trim_end().to_ascii_lowercase();
        self.read_only_sql.iter().any(|known| known == &text)
    }
}

#[cfg(test)]
mod tests;
