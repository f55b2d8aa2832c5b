//! `restic.compare`: whether a tree is what a backup holds, thing by thing: nothing missing, nothing more, each of the same
//! kind, mode, owner, size and time. It must not know how the tree came about; that the content of each file is the backup's
//! is what `restic.restore` has verified, and a write since then has changed a time.

use crate::check::told;
use crate::mounted;
use crate::repository::{Repository, by_piece};
use crate::tree::{self, Entry, Listed, Named};
use cutwater_sdk::{
    Check, Command, Context, Deserialize, Device, JsonSchema, Maybe, Needs, Path, Refusal, Serialize, Shown,
    Stop, json,
};
use std::collections::HashMap;

/// Compares a tree with a backup.
pub struct Compare;

/// Which.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The repository's folder.
    pub repository: Path,
    /// Name of the secret that holds its password.
    pub password: String,
    /// The backup, by at least 8 digits of its id.
    pub id: Maybe<String>,
    /// The device that is mounted at `at`; another one there is refused.
    pub device: Maybe<Device>,
    /// The mount point.
    pub at: Path,
}

/// What was compared.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// Files, folders and whatever else, all of them the same.
    pub same: u64,
}

/// What memory has room for.
const MOST: usize = 800_000;
/// How many differences are told.
const TOLD: usize = 10;

/// The backup's things by the hash of their path, and what is found to differ.
#[derive(Default)]
struct Differences {
    expected: HashMap<u64, u64>,
    same: u64,
    count: u64,
    words: Vec<String>,
    unclear: bool,
    too_many: bool,
}

impl Differences {
    fn differs(&mut self, path: &str, how: &str) {
        self.count += 1;
        if self.words.len() < TOLD {
            self.words.push(format!("`{}` {how}", path.escape_debug()));
        }
    }

    fn expects(&mut self, (path, entry): &Named) {
        self.too_many |= self.expected.len() >= MOST;
        if !self.too_many {
            self.expected.insert(tree::hash(path), tree::hash(entry));
        }
    }

    fn finds(&mut self, (path, entry): &Named) {
        match self.expected.remove(&tree::hash(path)) {
            None => self.differs(path, "is not in the backup"),
            Some(expected) if expected != tree::hash(entry) => {
                self.differs(path, "is not as the backup has it")
            }
            Some(_) => self.same += 1,
        }
    }
}

/// restic restores no socket: whoever listened makes it anew.
fn counts(entry: &Entry) -> bool {
    entry.kind != 's'
}

impl Input {
    fn compared(&self, ctx: &Context<'_>) -> Result<Output, Stop> {
        let at = mounted::plain(self.at.as_str())?;
        let (id, device) = (self.id.known()?, self.device.known()?);
        let repository = Repository::new(&self.repository, &self.password)?;
        let snapshot = repository.find(ctx, id)?;
        let root = snapshot.path()?.to_owned();
        mounted::at(ctx, at, device)?;

        let mut seen = Differences::default();
        let of_backup = |of: &mut dyn FnMut(&Named), unclear: &mut bool| -> Result<(), Stop> {
            let ls = repository.reading("ls").args(["--json", &snapshot.id]);
            let finished = repository.run_by_line(ctx, ls, |line| match tree::listed(line, &root) {
                Listed::Entry(named) if counts(&named.1) => of(&named),
                Listed::Unclear => *unclear = true,
                _ => {}
            })?;
            if finished.success() { Ok(()) } else { Err(crate::repository::refused(&finished).into()) }
        };
        let mut unclear = false;
        of_backup(&mut |named| seen.expects(named), &mut unclear)?;
        let find = Command::reading("find").args([at, "-xdev", "-printf", tree::FORMAT]);
        let listed = by_piece(ctx, &find, 0, |piece| match tree::found(piece) {
            Some(named) if counts(&named.1) => seen.finds(&named),
            Some(_) => {}
            None => seen.unclear = true,
        })?;
        if seen.too_many {
            let message = format!("a backup of more than {MOST} files and folders cannot be compared");
            return Err(Refusal::new("too-many-files", message).into());
        }
        if !listed.success() || seen.unclear || unclear {
            let message = format!("the tree at {at} cannot be listed: {}", listed.words());
            return Err(Refusal::new("unclear", message).into());
        }
        if !seen.expected.is_empty() {
            let missing = std::mem::take(&mut seen.expected);
            of_backup(
                &mut |(path, _)| {
                    if missing.contains_key(&tree::hash(path)) {
                        seen.differs(path, "is missing");
                    }
                },
                &mut unclear,
            )?;
        }
        match seen.count {
            0 => Ok(Output { same: seen.same }),
            count => {
                let message = format!("{at} differs from backup {id} in {count}: {}", seen.words.join(", "));
                Err(Refusal::new("differs", message).details(json!({ "differences": count })).into())
            }
        }
    }
}

impl Check for Compare {
    const NAME: &'static str = "compare";
    const SUMMARY: &'static str = "Compares a mounted volume with a backup, file by file.";
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        let needs = Needs::default().run(&["restic", "find"]);
        needs.read(&["with:/repository", "with:/device"]).secrets(&["with:/password"])
    }

    /// While planning nothing is restored yet, though it is known where it will be.
    fn preview(_: &Context<'_>, _: &Input) -> Result<Shown<Output>, Refusal> {
        Ok(Shown::new([]))
    }

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        input.compared(ctx).map_err(told)
    }
}
