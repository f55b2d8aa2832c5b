//! The course of one merge: which snapshot was chosen, LVM's programs that begin it, and how it is followed to its end. It
//! must not know what a step answers.

use crate::merge::Input;
use crate::report::{self, Volume};
use crate::snapshot::must;
use cutwater_sdk::{Command, Context, Deserialize, Failure, Host, Refusal, Serialize, Stop, json};

/// From one look at a merge to the next.
const PAUSE_MS: u64 = 500;
/// How long LVM may take to notice that the kernel is done, before it is told to look.
const NOTICES_MS: u64 = 3_000;
/// How long a merge that the kernel is not at may stand still before it is given up.
const STILL_MS: u64 = 60_000;
const GOES_ON: &str = "the merge, which goes on by itself; `cutwater resume` follows it";

/// Which snapshot this step chose, and how far it has come.
#[derive(Clone, Serialize, Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
pub struct Chosen {
    /// The snapshot's uuid.
    pub uuid: String,
    /// How much of its store was in use.
    pub bytes: u64,
    /// How far.
    pub stage: Stage,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
pub enum Stage {
    /// Its uuid is saved.
    Chosen,
    /// LVM has begun it.
    Started,
    /// The snapshot is gone.
    Finished,
}

/// The names, and the command lines that are made of them.
pub struct Names<'a> {
    /// The volume group.
    pub group: &'a str,
    /// The volume.
    pub origin: &'a str,
    /// The snapshot.
    pub snapshot: &'a str,
}

/// The origin, and all volumes of its group.
pub struct Look {
    /// The volume.
    pub origin: Volume,
    /// All of its group, hidden ones too.
    pub all: Vec<Volume>,
}

/// What there is of the merge of one snapshot.
pub enum State {
    /// The snapshot is there, and nobody merges it.
    Untouched,
    /// It waits for an activation.
    Scheduled,
    /// So many per cent of the store are left.
    Merging(f64),
    /// The kernel gave up.
    Broken,
    /// There is no such snapshot.
    Gone,
}

impl Look {
    /// By the snapshot's uuid.
    pub fn state(&self, uuid: &str) -> State {
        match self.all.iter().find(|volume| volume.uuid == uuid) {
            None => State::Gone,
            Some(snapshot) if !snapshot.merging() => State::Untouched,
            Some(snapshot) if snapshot.unmerged || self.origin.unmerged || snapshot.invalid => State::Broken,
            Some(_) => self.origin.percent.map_or(State::Scheduled, State::Merging),
        }
    }

    /// What a share of a snapshot's store is.
    fn bytes(&self, uuid: &str, percent: f64) -> u64 {
        self.all.iter().find(|volume| volume.uuid == uuid).map_or(0, |volume| volume.share(percent))
    }
}

impl Names<'_> {
    /// GROUP/VOLUME.
    pub fn id(&self) -> String {
        format!("{}/{}", self.group, self.origin)
    }

    fn lvchange(&self, how: &[&str]) -> Command {
        Command::new("lvchange").args(how).arg(self.id())
    }

    /// In the background: whoever watches for LVM lives on when this call, or Cutwater, ends.
    pub fn merge(&self) -> Command {
        let snapshot = format!("{}/{}", self.group, self.snapshot);
        Command::new("lvconvert").args(["--merge", "-b", "-i", "1"]).arg(snapshot)
    }

    pub fn mark(&self, ctx: &Context<'_>) -> Command {
        self.lvchange(&["--addtag", &ctx.mark])
    }

    pub fn unmark(&self, ctx: &Context<'_>) -> Command {
        self.lvchange(&["--deltag", &ctx.mark])
    }

    pub fn poll(&self) -> Command {
        self.lvchange(&["--poll", "y"])
    }

    pub fn refresh(&self) -> Command {
        self.lvchange(&["--refresh"])
    }

    pub fn activate(&self) -> Command {
        self.lvchange(&["-ay", "-K"])
    }

    pub fn look(&self, ctx: &Context<'_>) -> Result<Look, Refusal> {
        let all = report::hidden_too(ctx, self.group)?;
        Ok(Look { origin: report::find(&all, self.group, self.origin)?.clone(), all })
    }

    /// A look after which nothing can be refused any more.
    pub fn look_again(&self, ctx: &Context<'_>) -> Result<Look, Stop> {
        Ok(self.look(ctx).map_err(|found| Failure::new(found.code, found.message, GOES_ON).again())?)
    }

    /// The snapshot that is meant, fit to be merged, with its origin active. A boot has passed the origin over where this run
    /// has barred it; only an active store tells whether it is whole.
    fn ready(&self, ctx: &Context<'_>, input: &Input) -> Result<Volume, Stop> {
        let look = self.look(ctx)?;
        let snapshot = input.fit(ctx, self, &look)?;
        if look.origin.active() {
            return Ok(snapshot.clone());
        }
        must(ctx, &self.activate(), "the volume is not active, and not rolled back")?;
        let look = self.look(ctx)?;
        let left = "the volume, now active; it is not rolled back";
        Ok(input.fit(ctx, self, &look).map_err(|r| Failure::new(r.code, r.message, left))?.clone())
    }

    /// Chooses the snapshot, and writes down which.
    pub fn choose(&self, ctx: &Context<'_>, input: &Input) -> Result<Chosen, Stop> {
        let snapshot = self.ready(ctx, input)?;
        let bytes = snapshot.used();
        let chosen = Chosen { uuid: snapshot.uuid, bytes, stage: Stage::Chosen };
        ctx.host().save(&json!(chosen))?;
        Ok(chosen)
    }

    /// Lets the merge begin, unless it has begun already.
    pub fn start(&self, ctx: &Context<'_>, input: &Input, chosen: &Chosen) -> Result<(), Stop> {
        let before = self.look(ctx)?;
        let mine = before.origin.carries(&ctx.mark);
        if mine && !matches!(before.state(&chosen.uuid), State::Untouched | State::Gone) {
            return Ok(());
        }
        match self.ready(ctx, input) {
            Err(Stop::Refused(refusal)) => return self.refuse(ctx, mine, refusal),
            other => other?,
        };
        if !mine {
            must(ctx, &self.mark(ctx), "perhaps the volume's tag; it is not rolled back")?;
        }
        let told = ctx.host().run(&self.merge())?;
        match (self.look_again(ctx)?.state(&chosen.uuid), told.success()) {
            (State::Untouched, true) => {
                let message = "lvconvert ended well, and the snapshot is as it was before";
                self.refuse(ctx, true, Refusal::new("not-begun", message))
            }
            (State::Untouched | State::Gone, false) => {
                self.refuse(ctx, true, Refusal::new("lvconvert", told.words()))
            }
            _ => Ok(()),
        }
    }

    /// Nothing was begun: the tag goes, too.
    fn refuse(&self, ctx: &Context<'_>, marked: bool, refusal: Refusal) -> Result<(), Stop> {
        if marked {
            must(ctx, &self.unmark(ctx), "the volume's tag; it is not rolled back")?;
        }
        Err(refusal.into())
    }

    /// Sees it through to its end.
    pub fn follow(&self, ctx: &Context<'_>, chosen: &Chosen) -> Result<(), Stop> {
        let mut moved = ctx.host().monotonic();
        let mut nudged = None;
        loop {
            let look = self.look_again(ctx)?;
            let now = ctx.host().monotonic();
            let nudge = match look.state(&chosen.uuid) {
                State::Gone => return Ok(()),
                State::Merging(left) if left > 0.0 => {
                    moved = now;
                    let left = look.bytes(&chosen.uuid, left);
                    ctx.host().progress(chosen.bytes.saturating_sub(left), chosen.bytes, "bytes");
                    None
                }
                State::Merging(_) => Some(self.poll()).filter(|_| now - moved >= NOTICES_MS),
                State::Scheduled if !look.origin.active() => Some(self.activate()),
                State::Scheduled if look.origin.open && !look.origin.suspended() => None,
                State::Scheduled => Some(self.refresh()),
                State::Broken | State::Untouched => return Err(self.given_up("the kernel does not merge")),
            };
            if now - moved >= STILL_MS {
                return Err(self.given_up("the merge stands still"));
            }
            if let Some(nudge) = nudge.filter(|_| nudged.is_none_or(|at| now - at >= NOTICES_MS)) {
                must(ctx, &nudge, GOES_ON)?;
                nudged = Some(now);
            }
            ctx.host().sleep(PAUSE_MS)?;
        }
    }

    fn given_up(&self, what: &str) -> Stop {
        let id = self.id();
        let message = format!(
            "{what}: `lvs -a {}` and `dmsetup status` show how far it is; while `{id}` is open (`lsof`, `fuser -vm`) it does \
             not begin",
            self.group
        );
        Failure::new("not-merged", message, format!("{id} is not rolled back in full")).again().into()
    }
}
