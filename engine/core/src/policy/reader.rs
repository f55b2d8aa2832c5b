//! One entry of the read-only table: a program with arguments that change nothing. It must not know who asks.

use crate::grant::matches;
use serde::{Deserialize, Serialize};

/// A program and the arguments with which it only reads. Either `args` gives the whole line, or the other fields say
/// what it is made of; anything they do not name is not read-only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reader {
    /// Its bare name.
    pub program: String,
    /// It goes without saying for whoever is granted one of these programs, or anything under one of the grants' keys
    /// `mount`, `units`, `read`, `write`, `connect`; others need the program itself granted.
    pub goes_with: Vec<String>,
    /// The whole line: one pattern for each argument (`*` stands for any characters, also `/`, but not for an option).
    pub args: Option<Vec<String>>,
    /// The first argument must be one of these.
    pub verbs: Vec<String>,
    /// Options that must be there.
    pub required: Vec<String>,
    /// Options without a value.
    pub flags: Vec<String>,
    /// Options with a value (`-o name`, `--options=name`).
    pub values: Vec<String>,
    /// Whether other arguments (names, paths) may stand there; never one that begins with `-` or `@`.
    pub names: bool,
    /// The other arguments are services, and must be granted as `units`.
    pub units: bool,
    /// Whether its input may be one granted secret, with a line break behind it: a password that is read and not kept.
    pub secret: bool,
}

impl Reader {
    /// Whether this line only reads.
    pub fn admits(&self, args: &[String]) -> bool {
        match &self.args {
            Some(patterns) => {
                patterns.len() == args.len() && patterns.iter().zip(args).all(|(p, a)| argument(p, a))
            }
            None => self.operands(args).is_some_and(|operands| {
                (self.names || operands.is_empty()) && operands.iter().all(|o| !o.starts_with(['-', '@']))
            }),
        }
    }

    /// The arguments that are neither the verb nor options; none if an option is not known here, or a required one is not there.
    pub fn operands<'a>(&self, args: &'a [String]) -> Option<Vec<&'a str>> {
        let mut rest = args.iter().map(String::as_str);
        if !self.verbs.is_empty() && !rest.next().is_some_and(|verb| self.verbs.iter().any(|v| v == verb)) {
            return None;
        }
        let mut missing: Vec<&str> = self.required.iter().map(String::as_str).collect();
        let mut operands = Vec::new();
        while let Some(arg) = rest.next() {
            if !arg.starts_with('-') {
                operands.push(arg);
                continue;
            }
            missing.retain(|option| *option != arg);
            let known = |list: &[String], name: &str| list.iter().any(|known| known == name);
            if known(&self.flags, arg) || known(&self.required, arg) {
                continue;
            }
            match arg.split_once('=') {
                Some((name, _)) if name.starts_with("--") && known(&self.values, name) => {}
                None if known(&self.values, arg) => {
                    rest.next()?;
                }
                _ => return None,
            }
        }
        missing.is_empty().then_some(operands)
    }

    /// What is wrong with an entry of the policy file.
    pub(super) fn fault(&self) -> Option<String> {
        if self.program.is_empty() || self.program.contains('/') {
            return Some(format!(
                "`{}` is not a program's bare name; its folder goes to `path`",
                self.program
            ));
        }
        let parts =
            !(self.verbs.is_empty() && self.flags.is_empty() && self.values.is_empty() && !self.names);
        (self.args.is_some() && parts)
            .then(|| format!("`{}` has `args`, the whole line, and parts of a line; keep one", self.program))
    }
}

/// A pattern never stands for an option unless it begins as one itself.
fn argument(pattern: &str, text: &str) -> bool {
    (!text.starts_with('-') || pattern.starts_with('-'))
        && matches(&pattern.replace('/', "\u{1}"), &text.replace('/', "\u{1}"))
}
