//! The file of cases that lies beside a plugin: which steps are tried, in which world, and how that world is looked at. It
//! must not know what is tried.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cases {
    cutwater_conformance: u32,
    /// A host's policy, in the format of /etc/cutwater/policy.yaml; what holds without one if absent.
    #[serde(default)]
    pub policy: Option<String>,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// One step in one world. In `with`, `grants` and `policy`, `${NAME}` stands for what the setup printed as `NAME=VALUE`, and
/// `${SCRATCH}` for the case's folder (in `policy` only that). A text that is nothing but `${NAME:json}` stands for the value
/// that was printed there as JSON.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Case {
    /// Its own name.
    pub name: String,
    /// The step, without the plugin's name.
    pub step: String,
    /// The step's input.
    #[serde(default)]
    pub with: Map<String, Value>,
    /// What the plugin is granted, with the keys of a workflow file.
    #[serde(default)]
    pub grants: Map<String, Value>,
    /// A script (`sh -eu`, in the case's empty folder) that makes the world in which the step has something to do; in the
    /// file also a list of scripts, one after the other in one shell.
    #[serde(deserialize_with = "script")]
    pub setup: String,
    /// A script that prints the state of the world, in all that the step may change and should not change.
    pub look: String,
    /// A script that prints what must be as before once the step is taken back; `look` if absent.
    #[serde(default)]
    pub undone: Option<String>,
    /// A script that takes the world apart, whatever state it is in.
    #[serde(default)]
    pub teardown: Option<String>,
    /// What a second apply answers, after the first has ended.
    #[serde(default)]
    pub again: Said,
    /// What a probe finds after a whole apply: something else than applied where what was done cannot be seen, and doing it
    /// again is harmless.
    #[serde(default)]
    pub probed: Finds,
    /// A script that does, after a whole apply, what later steps of a run would do to what was made: an undo meets it like that.
    #[serde(default)]
    pub later: Option<String>,
    /// An object of the same name that is somebody else's.
    #[serde(default)]
    pub foreign: Option<Foreign>,
}

/// One script, or several to be run as one.
fn script<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Script {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Script::deserialize(from)? {
        Script::One(script) => script,
        Script::Several(scripts) => scripts.join("\n"),
    })
}

/// Somebody else's object in the step's way.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Foreign {
    /// A script, run after the case's own setup.
    pub setup: String,
    /// What apply answers.
    #[serde(default = "refused")]
    pub answers: Said,
}

fn refused() -> Said {
    Said::Refused
}

/// What a case says that a step answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// It is done again, to the same end.
    Changed,
    /// It was already so.
    #[default]
    Unchanged,
    /// Not done, nothing left behind.
    Refused,
}

/// Why the file of cases is not taken.
#[derive(Debug, thiserror::Error)]
pub enum CasesFault {
    /// It is not what it should be, and where.
    #[error("{file}: {why}")]
    Format {
        /// The file.
        file: String,
        /// What, with line and column.
        why: String,
    },
}

/// What a case says that a probe finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finds {
    /// It happened.
    #[default]
    Applied,
    /// It is to be done once more, to be sure.
    PartWay,
    /// There is nothing to see of it.
    NotApplied,
}

impl Cases {
    /// Reads the file's text.
    ///
    /// # Errors
    /// An unknown key, a key that stands twice, a wrong type; another version; two cases of one name; none.
    pub fn parse(file: &str, text: &str) -> Result<Self, CasesFault> {
        let fault = |why: String| CasesFault::Format { file: file.to_owned(), why };
        let options = serde_saphyr::options! { with_snippet: false };
        let cases: Self =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| fault(error.to_string()))?;
        if cases.cutwater_conformance != 1 {
            let found = cases.cutwater_conformance;
            return Err(fault(format!("`cutwater-conformance: {found}` is not known; this version reads 1")));
        }
        if cases.cases.is_empty() {
            return Err(fault("`cases` is empty: nothing would be tried".to_owned()));
        }
        let mut names = BTreeSet::new();
        match cases.cases.iter().find(|case| !names.insert(&case.name)) {
            Some(twice) => Err(fault(format!("two cases are called `{}`", twice.name))),
            None => Ok(cases),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "cutwater-conformance: 1\ncases:\n  - name: a\n    step: keep\n    with: { path: \"${SCRATCH}/a\", n: 1 }\n    \
                        setup: 'true'\n    look: cat a\n";

    #[test]
    fn a_case_says_what_it_leaves_out() {
        let cases = Cases::parse("c.yaml", GOOD).unwrap();
        let case = &cases.cases[0];
        assert_eq!((case.again, case.foreign.is_none()), (Said::Unchanged, true));
        assert_eq!(case.with["n"], 1);
        let several =
            Cases::parse("c.yaml", &GOOD.replace("setup: 'true'", "setup: [a=1, echo $a]")).unwrap();
        assert_eq!(several.cases[0].setup, "a=1\necho $a");
    }

    /// Sabotage: a misspelt `foreign` that is passed over leaves a step's worst fault untried.
    #[test]
    fn what_is_misspelt_or_missing_is_no_case() {
        let said = |text: String| Cases::parse("c.yaml", &text).unwrap_err().to_string();
        assert!(said(GOOD.replace("look:", "loook:")).contains("loook"));
        assert!(said(GOOD.replace("    look: cat a\n", "")).contains("look"));
        assert!(said(GOOD.replace("step: keep", "step: keep\n    step: drop")).contains("step"));
        assert!(said(GOOD.replace(": 1\ncases", ": 2\ncases")).contains("reads 1"));
        let twice = format!("{GOOD}  - {{ name: a, step: keep, setup: 'true', look: 'true' }}\n");
        assert!(said(twice).contains("two cases are called `a`"));
    }
}
