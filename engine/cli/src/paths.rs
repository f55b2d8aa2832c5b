//! Where things are on this machine. It must not open any of them.

use std::path::{Path, PathBuf};

/// The folders of Cutwater, below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// Below `root`; `/` is the usual one.
    pub fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The host's policy.
    pub fn policy(&self) -> PathBuf {
        self.root.join("etc/cutwater/policy.yaml")
    }

    /// The folder of journal and cache.
    pub fn state(&self) -> PathBuf {
        self.root.join("var/lib/cutwater")
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.state().join("journal.db")
    }

    /// Compiled plugins.
    pub fn cache(&self) -> PathBuf {
        self.state().join("cache")
    }

    /// Sockets of runs.
    pub fn run(&self) -> PathBuf {
        self.root.join("run/cutwater")
    }

    /// Plugins that the machine's owner installed.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("usr/lib/cutwater/plugins")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_moves_everything() {
        let usual = Paths::below(Path::new("/"));
        assert_eq!(usual.policy(), Path::new("/etc/cutwater/policy.yaml"));
        assert_eq!(usual.journal(), Path::new("/var/lib/cutwater/journal.db"));
        let moved = Paths::below(Path::new("/tmp/x"));
        assert_eq!(moved.run(), Path::new("/tmp/x/run/cutwater"));
        assert_eq!(moved.plugins(), Path::new("/tmp/x/usr/lib/cutwater/plugins"));
    }
}
