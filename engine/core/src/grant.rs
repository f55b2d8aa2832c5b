//! What a plugin may reach: the host's own keys, typed. It must not know how a grant is enforced.

use serde::{Deserialize, Serialize};

/// The grants of one plugin, after inputs are filled in and cut down by the host's policy.
/// Paths and objects are exact texts or patterns in which `*` stands for any characters but `/`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Grants {
    /// Programs it may start, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// The objects that the arguments of those programs may name (`vg/lv`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// Mount points it may mount on and unmount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mount: Vec<String>,
    /// Files and devices it may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Files and devices it may write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// Services it may start, stop and fence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// Mounted file systems it may freeze.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Addresses it may connect to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect: Vec<Address>,
    /// Secrets it may read, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// Where a plugin may connect to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Address {
    /// A unix socket, as a user of the system.
    Unix {
        /// The socket's path.
        unix: String,
        /// Connect with this user's ids.
        #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Usable in preview too: the role behind it cannot write.
        #[serde(default, rename = "read-only", skip_serializing_if = "std::ops::Not::not")]
        read_only: bool,
    },
    /// A host and port.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// TLS is required, with these settings.
        #[serde(skip_serializing_if = "Option::is_none")]
        tls: Option<Tls>,
        /// Usable in preview too: the role behind it cannot write.
        #[serde(default, rename = "read-only", skip_serializing_if = "std::ops::Not::not")]
        read_only: bool,
    },
}

/// How a TLS server is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the authorities; the system's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The name the certificate must carry; the host's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Whether `text` matches `pattern`: exact, but `*` stands for any characters except `/`. A `..` never matches.
pub fn matches(pattern: &str, text: &str) -> bool {
    if text.split('/').any(|part| part == "..") {
        return false;
    }
    glob(pattern.as_bytes(), text.as_bytes())
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((sp, st)) = star.filter(|&(_, st)| text[st] != b'/') {
            star = Some((sp, st + 1));
            p = sp + 1;
            t = st + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stays_within_one_path_segment() {
        assert!(matches("/dev/vg00/*", "/dev/vg00/dat"));
        assert!(matches("vg00/dat*", "vg00/dat-cutwater"));
        assert!(!matches("/dev/vg00/*", "/dev/vg00/x/y"));
        assert!(!matches("/dev/vg00/*", "/dev/vg00/.."));
        assert!(!matches("/dev/vg00/dat", "/dev/vg00/data"));
        assert!(matches("*a*b", "xaxxb"));
    }
}
