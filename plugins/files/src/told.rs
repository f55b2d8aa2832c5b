//! What rsync says: how it ended, which files it could not copy and why, and which differ in what. It must not know what is
//! done about it.

use cutwater_sdk::{Deserialize, Finished, JsonSchema, Serialize};
use std::collections::BTreeMap;

/// How many files are named in a report; of the others only the number is told.
pub const NAMED: usize = 100;

/// A file, and what is the matter with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct File {
    /// Its name, below the folder or as rsync gave it.
    pub name: String,
    /// What is the matter.
    pub reason: String,
}

/// How an rsync ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of it is done.
    Whole,
    /// Some of it could not be copied (23).
    Partial,
    /// Files of the source vanished before they were copied (24).
    Vanished,
    /// Anything else: a word for it, and what it means.
    Broken(&'static str, &'static str),
}

/// What an exit status means (rsync(1), EXIT VALUES).
pub fn end(finished: &Finished) -> End {
    let Some(status) = finished.status else { return End::Broken("killed", "rsync was ended by a signal") };
    match status {
        0 => End::Whole,
        23 => End::Partial,
        24 => End::Vanished,
        1 => End::Broken("usage", "rsync does not know the options"),
        2 => End::Broken("protocol", "the two sides of rsync do not understand each other"),
        3 => End::Broken("no-folder", "a folder cannot be entered or made"),
        4 => End::Broken("not-supported", "this rsync cannot do what is asked"),
        5 => End::Broken("protocol", "the two sides of rsync did not come together"),
        6 => End::Broken("log", "rsync could not write its log"),
        10 => End::Broken("socket", "an error on a socket"),
        11 => End::Broken("file-io", "an error in reading or writing a file; a full file system is one"),
        12 => End::Broken("protocol", "the stream between the two sides of rsync broke off"),
        13 => End::Broken("diagnostics", "rsync could not tell what went wrong"),
        14 => End::Broken("ipc", "the processes of rsync lost each other"),
        15 => End::Broken("crashed", "a process of rsync crashed"),
        16 => End::Broken("killed", "a process of rsync was ended by a signal"),
        19 | 20 => End::Broken("stopped", "rsync was told to stop"),
        21 => End::Broken("wait", "rsync could not wait for its own processes"),
        22 => End::Broken("memory", "rsync got no memory"),
        25 => End::Broken("max-delete", "rsync was to delete more than it may"),
        30 => End::Broken("timed-out", "nothing was sent or received for too long"),
        35 => End::Broken("timed-out", "no connection in time"),
        _ => End::Broken("rsync", "an exit status that rsync does not explain"),
    }
}

/// The files that an rsync complained of.
pub fn complaints(finished: &Finished) -> Vec<File> {
    let words = String::from_utf8_lossy(&finished.stderr).into_owned();
    words.lines().filter_map(|line| complaint(line.trim())).collect()
}

fn complaint(line: &str) -> Option<File> {
    let file = |name: &str, reason: String| Some(File { name: name.to_owned(), reason });
    if let Some(name) = line.strip_prefix("file has vanished: ") {
        return file(name.trim_matches('"'), "it vanished before it was copied".to_owned());
    }
    if let Some((name, _)) = line.split_once(" failed verification") {
        let name = name.trim_start_matches("ERROR: ").trim_start_matches("WARNING: ");
        return file(name, "it changed while it was copied".to_owned());
    }
    let rest = line.strip_prefix("rsync: ")?;
    match rest.split_once('"').and_then(|(did, rest)| Some((did, rest.rsplit_once('"')?))) {
        Some((did, (name, why))) => {
            let did = did.split_once("] ").map_or(did, |(_, did)| did).trim();
            file(name, format!("{did}: {}", why.trim_start_matches([':', ' '])))
        }
        None => file("", rest.to_owned()),
    }
}

/// The files that a dry run with itemized changes lists.
pub fn differing(finished: &Finished) -> Vec<File> {
    let text = finished.text();
    text.lines().filter_map(item).collect()
}

/// One line: what would be done to a file, in eleven letters, and its name (rsync(1), --itemize-changes). The folder itself
/// has another time since the mark was written into it.
fn item(line: &str) -> Option<File> {
    let file = |name: &str, reason: String| Some(File { name: name.to_owned(), reason });
    if let Some(name) = line.strip_prefix("*deleting ") {
        return file(name.trim_start(), "the source has it not".to_owned());
    }
    let (letters, name) = line.split_at_checked(11)?;
    let name = name.strip_prefix(' ')?;
    if letters == ".d..t......" && name == "./" {
        return None;
    }
    if letters.contains("+++") {
        return file(name, "the copy has it not".to_owned());
    }
    let words = [
        "content",
        "size",
        "time",
        "permissions",
        "owner",
        "group",
        "time of access",
        "access list",
        "attributes",
    ];
    let changed = letters.chars().skip(2).zip(words).filter(|(letter, _)| !matches!(letter, '.' | ' '));
    let changed: Vec<&str> = changed.map(|(_, word)| word).collect();
    file(name, format!("another {}", changed.join(", another ")))
}

/// Bytes and files that a count tells.
pub fn counted(finished: &Finished) -> Option<(u64, u64)> {
    let text = finished.text();
    let after = |start: &str| text.lines().find_map(|line| Some(line.strip_prefix(start)?.to_owned()));
    let number = |text: &str| {
        let digits: String = text.chars().filter(|c| *c != ',').take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let bytes = number(&after("Total file size: ")?)?;
    let files = after("Number of files: ")?;
    let regular = files.split_once("reg: ").map_or(Some(0), |(_, rest)| number(rest))?;
    Some((bytes, regular))
}

/// The names that a list has, without the folder itself.
pub fn listed(finished: &Finished) -> Vec<String> {
    let text = finished.text();
    // Kind and rights, size, date, time, name.
    let name = |line: &str| {
        let mut rest = line;
        for _ in 0..4 {
            rest = rest.trim_start().split_once(' ')?.1;
        }
        Some(rest.trim_start().to_owned())
    };
    text.lines().filter_map(name).filter(|name| name != ".").collect()
}

/// How many bytes a piece of `--info=progress2` tells.
pub fn progress(piece: &str) -> Option<u64> {
    let last = piece.rsplit('\r').find(|part| part.contains('%'))?;
    last.split_whitespace().next()?.replace(',', "").parse().ok()
}

/// What was found of files in several passes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Book {
    files: BTreeMap<String, (String, u64)>,
}

impl Book {
    /// Takes in what one pass found.
    pub fn add(&mut self, found: &[File]) {
        for file in found {
            let entry = self.files.entry(file.name.clone()).or_default();
            *entry = (file.reason.clone(), entry.1 + 1);
        }
    }

    /// The files, with their last reason and in how many passes.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.files.iter().map(|(name, (reason, passes))| (name.as_str(), reason.as_str(), *passes))
    }
}

/// The first of them in words.
pub fn words(files: &[File]) -> String {
    const TOLD: usize = 10;
    let mut told: Vec<String> =
        files.iter().take(TOLD).map(|file| format!("`{}` ({})", file.name, file.reason)).collect();
    if files.len() > TOLD {
        told.push(format!("and {} more", files.len() - TOLD));
    }
    told.join(", ")
}
