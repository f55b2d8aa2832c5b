//! What there is of a loan: the file, the loop device, the physical volume, its place in the group; and how all of it is taken
//! back, from wherever lending or taking back has stopped. It must not know why extents are lent.
//!
//! Everything is found by its mark. A file has the step's mark in its name, and a loop device is known by its file. A physical
//! volume is born with a uuid that follows from the group and the device (`pvcreate --uuid`), since it can carry a tag only
//! once it is in a group; there it gets the step's mark as one, and another run's mark makes it another's.

use crate::layout::Layout;
use crate::members::{self, Member};
use crate::snapshot::{asked_after, must};
use crate::stack;
use cutwater_sdk::{Command, Context, Failure, Host, Maybe, Refusal, Stop};

/// How long a detached loop device may stay in use by whoever looks at it, in milliseconds.
const LOOKED_AT_MS: u64 = 10_000;
const PAUSE_MS: u64 = 100;

/// A loan, as it is to be.
pub struct Loan<'a> {
    /// The group's name.
    pub group: &'a str,
    /// The group's uuid.
    pub group_uuid: String,
    /// The device that becomes a physical volume.
    pub device: &'a str,
    /// The file behind it, where it has one.
    pub file: Option<String>,
    /// The step's mark.
    pub mark: &'a str,
}

/// How far it is.
#[derive(Debug, Default)]
pub struct Standing {
    /// The file is there.
    pub file: bool,
    /// The loop device has that file.
    pub attached: bool,
    /// The physical volume that is this loan's.
    pub pv: Option<Member>,
}

impl Loan<'_> {
    /// Makes the file, with room for all of it.
    pub fn allocate(&self, bytes: &Maybe<String>) -> Option<Command> {
        self.file.as_ref().map(|file| Command::new("fallocate").arg("-l").arg(bytes).arg(file))
    }

    /// Lets nobody but root read what the volumes' old content will be.
    pub fn close(&self) -> Option<Command> {
        self.file.as_ref().map(|file| Command::new("chmod").args(["600", file]))
    }

    /// Puts the file behind the loop device.
    pub fn attach(&self) -> Option<Command> {
        self.file.as_ref().map(|file| Command::new("losetup").args([self.device, file]))
    }

    /// Makes the physical volume. It holds no copy of the group's metadata, so that none can grow old on it.
    pub fn create(&self) -> Command {
        Command::new("pvcreate").args([
            "--uuid",
            &self.uuid(),
            "--norestorefile",
            "--pvmetadatacopies",
            "0",
            self.device,
        ])
    }

    /// Gives its extents to the group.
    pub fn extend(&self) -> Command {
        Command::new("vgextend").args([self.group, self.device])
    }

    /// Marks it.
    pub fn tag(&self) -> Command {
        Command::new("pvchange").args(["--addtag", self.mark, self.device])
    }

    /// Takes its extents from the group.
    pub fn reduce(&self) -> Command {
        Command::new("vgreduce").args([self.group, self.device])
    }

    /// Makes it a mere device again.
    pub fn wipe(&self) -> Command {
        Command::new("pvremove").arg(self.device)
    }

    /// Takes the file from behind the loop device.
    pub fn detach(&self) -> Option<Command> {
        self.file.as_ref().map(|_| Command::new("losetup").args(["-d", self.device]))
    }

    /// The uuid with which the physical volume is born: as LVM writes it, in groups of 6, 4, 4, 4, 4, 4 and 6.
    pub fn uuid(&self) -> String {
        let own = self.group_uuid.chars().filter(char::is_ascii_alphanumeric).chain(std::iter::repeat('0'));
        // FNV-1a; what it must do is tell a few devices of one machine from each other.
        let mut hash = self.device.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let digits = std::iter::repeat_with(|| {
            let digit = (hash % 36) as u32;
            hash /= 36;
            char::from_digit(digit, 36).unwrap_or('0')
        });
        let flat: Vec<char> = "Lent".chars().chain(own.take(17)).chain(digits.take(11)).collect();
        let mut rest = flat.as_slice();
        let parts = [6, 4, 4, 4, 4, 4, 6].map(|count| {
            let (part, after) = rest.split_at(count);
            rest = after;
            part.iter().collect::<String>()
        });
        parts.join("-")
    }

    /// How far it is.
    ///
    /// # Errors
    /// Nobody can tell.
    pub fn look(&self, ctx: &Context<'_>) -> Result<Standing, Refusal> {
        let file = match &self.file {
            None => false,
            Some(path) => match ctx.host().stat(path) {
                Ok(_) => true,
                Err(fault) if fault.is_missing() => false,
                Err(fault) => return Err(fault.into()),
            },
        };
        let attached = match &self.file {
            None => false,
            Some(path) => {
                let behind = stack::behind(ctx, self.device)?;
                behind.is_some_and(|behind| behind.strip_suffix(" (deleted)").unwrap_or(&behind) == path)
            }
        };
        let uuid = self.uuid();
        let pv = members::read(ctx)?.into_iter().find(|pv| pv.uuid == uuid && self.is_ours(pv));
        Ok(Standing { file, attached, pv })
    }

    /// Not one that another step has marked.
    fn is_ours(&self, pv: &Member) -> bool {
        let marks: Vec<&String> = pv.tags.iter().filter(|tag| tag.starts_with("cutwater.")).collect();
        marks.is_empty() || marks.iter().any(|tag| *tag == self.mark)
    }

    /// Takes all of it back. False: there was nothing.
    ///
    /// # Errors
    /// What is still there, and what to do about it.
    pub fn take_back(&self, ctx: &Context<'_>) -> Result<bool, Stop> {
        let mut standing = self.look(ctx)?;
        let mut changed = false;
        // After a boot the file is there, and nothing puts it behind its device but this.
        if standing.pv.as_ref().is_some_and(|pv| pv.missing) {
            self.put_together(ctx, &standing)?;
            standing =
                asked_after(self.look(ctx), "the file is behind its device again, the extents are lent")?;
            changed = true;
        }
        if let Some(pv) = &standing.pv {
            self.leave_group(ctx, pv)?;
            must(ctx, &self.wipe(), &format!("`{}` is a physical volume of no group", self.device))?;
            changed = true;
        }
        if let Some(detach) = self.detach().filter(|_| standing.attached) {
            must(ctx, &detach, &format!("`{}` with its file", self.device))?;
            self.wait_until_detached(ctx)?;
            changed = true;
        }
        if let Some(file) = self.file.as_ref().filter(|_| standing.file) {
            ctx.host().remove(file)?;
            changed = true;
        }
        Ok(changed)
    }

    fn put_together(&self, ctx: &Context<'_>, standing: &Standing) -> Result<(), Stop> {
        let gone = |what: String| -> Stop {
            let message = format!(
                "the physical volume that was lent to `{0}` is missing: {what}; without it nothing of the group can be \
                 changed, `vgreduce --removemissing {0}` gives it up",
                self.group
            );
            Failure::new("missing", message, format!("`{}` lacks a physical volume", self.group))
                .again()
                .into()
        };
        match (self.attach(), &self.file) {
            (Some(attach), Some(_)) if standing.file && !standing.attached => {
                let told = ctx.host().run(&attach)?;
                if told.success() { Ok(()) } else { Err(gone(told.words())) }
            }
            (_, Some(file)) => Err(gone(format!("the file {file} is not behind `{}`", self.device))),
            (_, None) => Err(gone(format!("attach `{}` again", self.device))),
        }
    }

    fn leave_group(&self, ctx: &Context<'_>, pv: &Member) -> Result<(), Stop> {
        let lent = format!("`{}` is still lent to `{}`", self.device, self.group);
        if pv.missing {
            let message = "its file is behind it again, and LVM still misses it: see `pvs`".to_owned();
            return Err(Failure::new("missing", message, lent).again().into());
        }
        if pv.group.is_empty() {
            return Ok(());
        }
        if pv.group != self.group {
            let message =
                format!("`{}` belongs to `{}` now, which is somebody else's doing", pv.name, pv.group);
            return Err(Failure::new("other-group", message, lent).into());
        }
        let on_it = asked_after(lying_on(ctx, self.group, &pv.name), &lent)?;
        if !on_it.is_empty() {
            return Err(self.still_used(&on_it));
        }
        must(ctx, &self.reduce(), &lent)
    }

    fn still_used(&self, on_it: &[String]) -> Stop {
        let Self { group, device, .. } = self;
        let names: Vec<String> = on_it.iter().map(|name| format!("`{group}/{name}`")).collect();
        let names = names.join(", ");
        let message = format!(
            "{names} still lies on `{device}`, which is lent: move it with `pvmove {device}` once `{group}` has room \
             elsewhere, or remove it with `lvremove`"
        );
        let left = format!("`{device}` is still lent to `{group}`, and holds {names}; nothing of it is lost");
        Failure::new("in-use", message, left).again().into()
    }

    /// The kernel lets go of a loop device when the last who has it open does.
    fn wait_until_detached(&self, ctx: &Context<'_>) -> Result<(), Stop> {
        let until = ctx.host().monotonic() + LOOKED_AT_MS;
        let left = || format!("`{}` with its file", self.device);
        while asked_after(self.look(ctx), &left())?.attached {
            if ctx.host().monotonic() >= until {
                let message = format!("`{}` was detached, and somebody still has it open", self.device);
                return Err(Failure::new("in-use", message, left()).again().into());
            }
            ctx.host().sleep(PAUSE_MS)?;
        }
        Ok(())
    }
}

/// What lies on a physical volume, in whole or in part.
fn lying_on(ctx: &Context<'_>, group: &str, device: &str) -> Result<Vec<String>, Refusal> {
    let layout = Layout::read(ctx, group)?;
    let on_it =
        |lv: &&crate::layout::Lv| lv.segments.iter().flat_map(|s| &s.areas).any(|area| area.on == device);
    Ok(layout.lvs.iter().filter(on_it).map(|lv| lv.name.clone()).collect())
}
