//! The command lines. Each is built here alone, for the preview and for the doing. It must not know what they answer.

use cutwater_sdk::{Command, Maybe, Path, Rate, Refusal, held};

/// Owners by number, hard links, access lists, attributes and holes are kept; other file systems below are left out. Files
/// are written in place: a copy is held while it is made, and a killed rsync leaves no file behind that the source has not.
const KEPT: &str = "-aHAXSx";
/// `lost+found` belongs to the file system; the mark, and what a crash while it was written may leave, to the hold.
const LEFT_OUT: [&str; 2] = ["--exclude=/lost+found", "--exclude=/.*cutwater-held*"];

/// From where to where, and how.
#[derive(Debug, Clone)]
pub struct Lines {
    /// The folder that is read.
    pub from: Maybe<String>,
    /// The folder that is changed.
    pub to: Maybe<String>,
    /// Highest rate.
    pub at_most: Option<Rate>,
    /// Whether what the source has no more is removed from the copy.
    pub delete: bool,
}

impl Lines {
    /// Copies what differs in size or time.
    pub fn copy(&self) -> Command {
        self.copying(KEPT)
    }

    /// Copies what differs in content or in anything else that is kept.
    pub fn repair(&self) -> Command {
        self.copying(&format!("{KEPT}c"))
    }

    /// Tells what differs, by content, also what the source has not; changes nothing.
    pub fn verify(&self) -> Command {
        let line = Command::reading("rsync").arg(format!("{KEPT}cin")).args(["--numeric-ids", "--delete"]);
        self.places(line.args(LEFT_OUT))
    }

    /// Tells how much there is.
    pub fn count(&self) -> Command {
        self.places(Command::reading("rsync").arg(format!("{KEPT}n")).arg("--stats").args(LEFT_OUT))
    }

    /// Lists what is in the copy's folder, without what is below.
    pub fn list(&self) -> Command {
        Command::reading("rsync").args(["-n", "--list-only"]).args(LEFT_OUT).arg(slash(&self.to))
    }

    /// Brings all that was written there to the disk.
    pub fn flush(&self) -> Command {
        Command::new("sync").arg("-f").arg(&self.to)
    }

    /// Lists what was put there or changed since the mark was written: no user can set back the time at which a file's
    /// status changed.
    pub fn later(&self) -> Command {
        self.found(&["!", "-type", "d", "-newercm", &held::path(&self.to)])
    }

    /// Removes all of the copy. Unlinking one name of a file makes its other names look changed, so this goes on with whatever
    /// an earlier attempt has left.
    pub fn clear(&self) -> Command {
        self.found(&["-delete"])
    }

    /// Removes what was not changed since the mark was written, and folders that are empty then.
    pub fn clear_ours(&self) -> Command {
        let mark = held::path(&self.to);
        self.found(&[
            "(", "-type", "d", "-empty", "-o", "!", "-type", "d", "!", "-newercm", &mark, ")", "-delete",
        ])
    }

    fn found(&self, which: &[&str]) -> Command {
        let to = &self.to;
        Command::new("find")
            .arg(to)
            .args(["-xdev", "-depth", "-mindepth", "1"])
            .args(["!", "-path", &held::path(to), "!", "-path", &format!("{to}/lost+found")])
            .args(which)
    }

    fn copying(&self, kept: &str) -> Command {
        let mut line = Command::new("rsync").arg(kept).args([
            "--numeric-ids",
            "--inplace",
            "--whole-file",
            "--info=progress2",
        ]);
        if self.delete {
            line = line.arg("--delete");
        }
        if let Some(rate) = self.at_most {
            line = line.arg(format!("--bwlimit={}K", rate.0.div_ceil(1024)));
        }
        self.places(line.args(LEFT_OUT))
    }

    fn places(&self, line: Command) -> Command {
        line.arg(slash(&self.from)).arg(slash(&self.to))
    }
}

/// With a `/` at its end a folder stands for what is in it.
fn slash(folder: &Maybe<String>) -> String {
    format!("{folder}/")
}

/// A folder by its whole path, as `find` and rsync take it literally.
pub fn folder(path: &Maybe<Path>) -> Result<Maybe<String>, Refusal> {
    let Maybe::Known(path) = path else {
        return Ok(match path {
            Maybe::After(after) => Maybe::After(after.clone()),
            Maybe::Known(path) => Maybe::Known(path.0.clone()),
        });
    };
    let text = path.0.strip_suffix('/').unwrap_or(&path.0);
    let turns = text.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."));
    let odd = text.chars().any(|c| c.is_control() || "*?[\\".contains(c));
    match text.starts_with('/') && !turns && !odd {
        true => Ok(Maybe::Known(text.to_owned())),
        false => {
            let message = format!(
                "`{}` is no folder by its whole path, without `..` and `*?[\\`",
                path.0.escape_debug()
            );
            Err(Refusal::new("invalid-path", message))
        }
    }
}
