//! What is started, and how this host starts it. It must not know who may start it.

use super::path;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What to start.
#[derive(Debug, Clone)]
pub struct Command {
    /// A name, found on the host's fixed path.
    pub program: String,
    /// The arguments after the name.
    pub args: Vec<String>,
    /// The user to run as; the engine's own if absent.
    pub user: Option<String>,
    /// The whole input.
    pub stdin: Vec<u8>,
}

/// How the host starts programs.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Where they are looked for.
    pub path: Vec<PathBuf>,
    /// The environment beyond `LC_ALL=C` and `PATH`.
    pub env: BTreeMap<String, String>,
    /// Programs that are never killed (LVM, mkfs, xfs_admin); a name may hold `*`.
    pub critical: Vec<String>,
    /// How long a program may take to end after SIGTERM, before it is killed.
    pub patience: Duration,
    /// How long a critical one may take, before its end counts as lost.
    pub critical_patience: Duration,
}

impl Rules {
    /// The usual path, no further environment, patience of 5 s (10 minutes for critical programs).
    pub fn usual() -> Self {
        Self {
            path: path::USUAL.iter().map(PathBuf::from).collect(),
            env: BTreeMap::new(),
            critical: Vec::new(),
            patience: Duration::from_secs(5),
            critical_patience: Duration::from_secs(600),
        }
    }

    /// Whether the program is never killed.
    pub fn is_critical(&self, program: &str) -> bool {
        self.critical.iter().any(|pattern| cutwater_core::grant::matches(pattern, program))
    }

    /// The whole environment of a program.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let path: Vec<_> = self.path.iter().map(|folder| folder.to_string_lossy()).collect();
        let fixed = [("LC_ALL".to_owned(), "C".to_owned()), ("PATH".to_owned(), path.join(":"))];
        self.env.clone().into_iter().chain(fixed).collect()
    }
}
