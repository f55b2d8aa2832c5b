//! What a device or a folder stands on, down to the disks: through device mapper, partitions, and files behind loop devices.
//! It must not know why anybody asks.

use cutwater_sdk::serde::Deserialize;
use cutwater_sdk::{Command, Context, Host, Refusal, serde_json};

/// How many files behind loop devices are followed.
const DEEPEST: usize = 8;
/// File systems that lie on the one device that the mount table names, and on nothing else.
const FOLLOWED: [&str; 4] = ["ext2", "ext3", "ext4", "xfs"];

/// A block device on the way down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    /// Its path.
    pub name: String,
    /// Its number, as the kernel has it: `254:3`.
    pub number: String,
}

/// A loop device that has a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
pub struct Loop {
    /// Its path.
    pub name: String,
    /// The file; ` (deleted)` behind it where that is gone.
    #[serde(default)]
    pub back_file: Option<String>,
}

#[derive(Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
struct Told {
    loopdevices: Vec<Loop>,
}

/// The loop devices that are in use.
///
/// # Errors
/// `losetup`, with its own words.
pub fn loops(ctx: &Context<'_>) -> Result<Vec<Loop>, Refusal> {
    let list = Command::reading("losetup").args(["--list", "--json", "--output", "NAME,BACK-FILE"]);
    let text = told(ctx, &list)?;
    // Without any, it says nothing.
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let told: Told = serde_json::from_str(&text).map_err(|error| {
        Refusal::new("losetup", format!("`{list}` answered what is not understood: {error}"))
    })?;
    Ok(told.loopdevices)
}

/// The file behind a loop device, where it has one.
///
/// # Errors
/// As [`loops`].
pub fn behind(ctx: &Context<'_>, device: &str) -> Result<Option<String>, Refusal> {
    Ok(loops(ctx)?.into_iter().find(|other| other.name == device).and_then(|other| other.back_file))
}

/// All that a device stands on, itself first.
///
/// # Errors
/// What could not be followed.
pub fn of_device(ctx: &Context<'_>, device: &str) -> Result<Vec<Below>, Refusal> {
    let mut found = Vec::new();
    down(ctx, device, &mut found, DEEPEST)?;
    Ok(found)
}

/// All that the file system stands on in which the path lies.
///
/// # Errors
/// What could not be followed, such as a file system of several devices or in memory.
pub fn of_path(ctx: &Context<'_>, path: &str) -> Result<Vec<Below>, Refusal> {
    of_device(ctx, &source(ctx, path)?)
}

fn source(ctx: &Context<'_>, path: &str) -> Result<String, Refusal> {
    let find = Command::reading("findmnt").args(["-n", "-v", "-r", "-o", "FSTYPE,SOURCE", "-T", path]);
    let text = told(ctx, &find)?;
    match text.lines().last().and_then(|line| line.trim().split_once(' ')) {
        Some((kind, device)) if FOLLOWED.contains(&kind) && device.starts_with("/dev/") => {
            Ok(device.to_owned())
        }
        found => {
            let kind = found.map_or("of no kind that is told", |(kind, _)| kind);
            let message = format!(
                "`{path}` lies in a file system ({kind}) of which cannot be told on which disks it is; choose a folder on \
                 ext4 or xfs, or name a device"
            );
            Err(Refusal::new("not-followed", message))
        }
    }
}

fn down(ctx: &Context<'_>, device: &str, found: &mut Vec<Below>, deepest: usize) -> Result<(), Refusal> {
    let list = Command::reading("lsblk").args(["-n", "-r", "-p", "-s", "-o", "TYPE,MAJ:MIN,NAME", device]);
    for line in told(ctx, &list)?.lines() {
        let mut words = line.trim().splitn(3, ' ');
        let (Some(kind), Some(number), Some(name)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let below = Below { name: name.to_owned(), number: number.to_owned() };
        if found.contains(&below) {
            continue;
        }
        found.push(below);
        if kind == "loop" {
            let Some(file) = behind(ctx, name)? else { continue };
            if deepest == 0 || file.ends_with("(deleted)") {
                let message =
                    format!("`{device}` stands on `{name}`, and its file {file} cannot be followed");
                return Err(Refusal::new("not-followed", message));
            }
            let under = source(ctx, &file)?;
            down(ctx, &under, found, deepest - 1)?;
        }
    }
    Ok(())
}

fn told(ctx: &Context<'_>, command: &Command) -> Result<String, Refusal> {
    let told = ctx.host().run(command)?;
    match told.success() {
        true => Ok(told.text()),
        false => Err(Refusal::new(&*command.program, told.words())),
    }
}
