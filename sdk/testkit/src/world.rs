//! The world of a case: its folder, the scripts that make it, look at it and take it apart, and the names that they give
//! to what they made. It must not know plugins.

use crate::cases::Case;
use crate::report::Broken;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder's own name, in scripts and texts.
const SCRATCH: &str = "SCRATCH";
/// A folder that lasts from the first case to the last, for what is dear to make.
const KEPT: &str = "KEPT";

/// One world, made anew for each trial.
pub struct World {
    place: PathBuf,
    given: BTreeMap<String, String>,
}

/// What was seen: the whole, and what undo must put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// All of it.
    pub all: String,
    /// What undo answers for.
    pub kept: String,
}

/// The folder of the worlds below `place`.
pub fn scratch(place: &Path) -> PathBuf {
    place.join("world")
}

impl World {
    /// None yet; its folder will be `place/world`, and what scripts print lies in `place` for a moment.
    pub fn below(place: &Path) -> Self {
        Self { place: place.to_owned(), given: BTreeMap::new() }
    }

    /// Takes the last one apart and makes one.
    pub fn make(&mut self, case: &Case) -> Result<(), Broken> {
        self.end(case)?;
        let folder = scratch(&self.place);
        let made = fs::create_dir_all(&folder).and_then(|()| fs::create_dir_all(self.kept()));
        made.map_err(|error| Broken::of_case(format!("{} cannot be made: {error}", folder.display())))?;
        let given = self.script("setup", &case.setup)?;
        self.given = given
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
            .collect();
        Ok(())
    }

    /// Puts somebody else's object into it.
    pub fn put_foreign(&self, case: &Case) -> Result<(), Broken> {
        match &case.foreign {
            Some(foreign) => self.script("foreign setup", &foreign.setup).map(drop),
            None => Ok(()),
        }
    }

    /// Does what later steps of a run would do.
    pub fn go_on(&self, case: &Case) -> Result<(), Broken> {
        match &case.later {
            Some(later) => self.script("later", later).map(drop),
            None => Ok(()),
        }
    }

    /// Takes it apart.
    pub fn end(&mut self, case: &Case) -> Result<(), Broken> {
        let folder = scratch(&self.place);
        if !folder.exists() {
            return Ok(());
        }
        if let Some(teardown) = &case.teardown {
            self.script("teardown", teardown)?;
        }
        self.given.clear();
        fs::remove_dir_all(&folder)
            .map_err(|error| Broken::of_case(format!("{} cannot be removed: {error}", folder.display())))
    }

    /// Looks at it.
    pub fn look(&self, case: &Case) -> Result<Look, Broken> {
        let all = self.script("look", &case.look)?;
        let kept = match &case.undone {
            Some(undone) => self.script("look at what is undone", undone)?,
            None => all.clone(),
        };
        Ok(Look { all, kept })
    }

    /// The value with `${NAME}` filled in, in every text.
    pub fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.json(text).unwrap_or_else(|| Value::String(self.fill_text(text))),
            Value::Array(list) => list.iter().map(|value| self.fill(value)).collect(),
            Value::Object(map) => {
                Value::Object(map.iter().map(|(key, value)| (key.clone(), self.fill(value))).collect())
            }
            other => other.clone(),
        }
    }

    fn kept(&self) -> PathBuf {
        self.place.join("kept")
    }

    /// What stands for a text that is nothing but `${NAME:json}`.
    fn json(&self, text: &str) -> Option<Value> {
        let name = text.strip_prefix("${")?.strip_suffix(":json}")?;
        serde_json::from_str(self.given.get(name)?).ok()
    }

    fn fill_text(&self, text: &str) -> String {
        let folder = scratch(&self.place).to_string_lossy().into_owned();
        let names = self.given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let names = names.chain([(SCRATCH, folder.as_str())]);
        names.fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
    }

    /// What the script prints. Its output goes through files: a server that a script leaves running keeps no pipe open.
    fn script(&self, what: &str, script: &str) -> Result<String, Broken> {
        let (said, erred) = (self.place.join("said"), self.place.join("erred"));
        let run = || -> io::Result<(bool, String, String)> {
            let status = Command::new("sh")
                .args(["-eu", "-c", script])
                .current_dir(scratch(&self.place))
                .env(SCRATCH, scratch(&self.place))
                .env(KEPT, self.kept())
                .envs(&self.given)
                .stdin(Stdio::null())
                .stdout(File::create(&said)?)
                .stderr(File::create(&erred)?)
                .status()?;
            Ok((status.success(), text(&said)?, text(&erred)?))
        };
        match run() {
            Ok((true, said, _)) => Ok(said),
            Ok((false, said, erred)) => {
                let words: Vec<String> = [said, erred].iter().flat_map(|text| last(text)).collect();
                Err(Broken { diff: words, ..Broken::of_case(format!("the case's own {what} failed")) })
            }
            Err(error) => Err(Broken::of_case(format!("the case's {what} cannot be run: {error}"))),
        }
    }
}

fn text(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

fn last(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(5)).map(|line| format!("  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_stands_for_text_or_alone_for_json() {
        let mut world = World::below(Path::new("/x"));
        world.given.insert("BASE".to_owned(), r#"{"written":7}"#.to_owned());
        world.given.insert("DEV".to_owned(), "/dev/a".to_owned());
        let with = json!({ "to": "${DEV}", "log": "${SCRATCH}/log", "base": "${BASE:json}" });
        let filled = json!({ "to": "/dev/a", "log": "/x/world/log", "base": { "written": 7 } });
        assert_eq!(world.fill(&with), filled);
    }
}
