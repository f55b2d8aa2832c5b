//! `lvm.move`: moves volumes from one physical volume to another, while they are used; in the end all of them are on one.
//! It must not know what lies on them.
//!
//! `pvmove --atomic` moves all of a volume or nothing, and takes one `-n`. Several volumes are moved one after the other; what
//! fails or is stopped after some of them is taken back by undo, volume by volume. Seen with LVM 2.03.16 on Linux 6.1:
//!
//! - pvmove says and answers the same after success and after `pvmove --abort` (`No pvmove in progress - already finished or
//!   aborted`, 0). What came of it is read from the metadata: `layout` tells how it looks.
//! - SIGTERM ends pvmove with 5 (`Polling interrupted`), and SIGKILL at once. The move stays in the metadata and the kernel goes
//!   on copying, but only pvmove ends it. `pvmove --abort SOURCE` puts the volume back, whoever looks after the move.
//! - With a move from the same source under way, pvmove ignores all its other arguments, `-n` too, and goes on with that one:
//!   the same line begins a move and goes on with it. Hence every other move in the group is refused beforehand.
//! - A killed pvmove may leave an empty `pvmove0`, which only lvremove takes away, or the volume on a linear one, which a person
//!   has to finish: that takes other metadata, which no plan can show beforehand.
//! - A volume that was not active is active after its move.
//!
//! LVM cannot tag a move. The volumes carry the mark from before the first move until after the last one; a move is this step's
//! if it is of a volume that the checkpoint names, alone, all-or-nothing, and between just these two physical volumes.

use crate::carrying::{all, back, forth, left, look, settle};
use crate::moving::{At, Before, Look, Ready, Was, extents};
use crate::snapshot::must;
use cutwater_sdk::{
    Action, Answer, Bytes, Command, Context, Deserialize, Device, Done, Effect, Failure, Host, JsonSchema,
    Maybe, Needs, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value, json, serde_json,
};

/// Moves volumes.
pub struct MoveVolumes;

/// Which, from where, whither.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The volume group.
    pub vg: String,
    /// The volumes, in this order; all that lie on `from` if none is named.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// The physical volume that they leave.
    pub from: Device,
    /// The physical volume that takes them.
    pub to: Device,
}

/// The volumes as they were and are.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The volume group.
    pub vg: String,
    /// The physical volume that they are on in the end.
    pub on: Maybe<Device>,
    /// The volumes, in the order in which they were moved.
    pub volumes: Vec<Moved>,
    /// What was moved.
    pub bytes: Maybe<Bytes>,
    /// How long it took, from the first attempt on.
    pub milliseconds: Maybe<u64>,
}

/// A moved volume.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Moved {
    /// GROUP/VOLUME.
    pub id: String,
    /// Its uuid.
    pub identity: String,
    /// Where its extents were.
    pub before: Vec<Extents>,
    /// Where its extents are.
    pub after: Maybe<Vec<Extents>>,
}

/// Consecutive extents of a volume, and what they lie on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Extents {
    /// The first of them, within the volume.
    pub start: u64,
    /// How many.
    pub extents: u64,
    /// The physical volume.
    pub on: String,
    /// The first of them, within the physical volume.
    pub first: u64,
}

impl Input {
    fn id(&self, volume: &str) -> String {
        format!("{}/{volume}", self.vg)
    }

    fn pvmove(&self, volume: &str, from: &Device, to: &Device) -> Command {
        Command::new("pvmove").args(["--atomic", "-i", "1", "-n", &self.id(volume), &from.0, &to.0])
    }

    pub(crate) fn forth(&self, volume: &str) -> Command {
        self.pvmove(volume, &self.from, &self.to)
    }

    pub(crate) fn back(&self, volume: &str) -> Command {
        self.pvmove(volume, &self.to, &self.from)
    }

    pub(crate) fn abort(&self) -> Command {
        Command::new("pvmove").args(["--abort", &self.from.0])
    }

    pub(crate) fn tag(&self, how: &str, mark: &str, names: &[String]) -> Command {
        Command::new("lvchange").args([how, mark]).args(names.iter().map(|name| self.id(name)))
    }

    pub(crate) fn sweep(&self) -> Command {
        Command::new("lvremove").args(["-y", &self.id("pvmove0")])
    }

    pub(crate) fn refresh(&self, volume: &str) -> Command {
        Command::new("lvchange").args(["--refresh", &self.id(volume)])
    }

    fn names(&self, ctx: &Context<'_>, look: &Look) -> Result<Vec<String>, Refusal> {
        Ok(look.volumes(self, &ctx.mark)?.iter().map(|lv| lv.name.clone()).collect())
    }

    fn output(&self, look: &Look, before: &Before, now: Option<u64>) -> Output {
        let moved = |was: &Was| Moved {
            id: self.id(&was.name),
            identity: was.uuid.clone(),
            before: was.extents.clone(),
            after: match (now, look.now(was)) {
                (Some(_), Some(lv)) => Maybe::Known(extents(lv)),
                _ => Maybe::later(),
            },
        };
        let bytes = before.volumes.iter().map(|was| was.bytes(look.layout.extent)).sum();
        Output {
            vg: self.vg.clone(),
            on: now.map_or_else(Maybe::later, |_| Maybe::Known(self.to.clone())),
            volumes: before.volumes.iter().map(moved).collect(),
            bytes: Maybe::Known(Bytes(bytes)),
            milliseconds: now.map_or_else(Maybe::later, |now| Maybe::Known(now.saturating_sub(before.began))),
        }
    }
}

impl Action for MoveVolumes {
    const NAME: &'static str = "move";
    const SUMMARY: &'static str = "Moves volumes to another physical volume of their group, all or none.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["pvmove", "lvchange", "lvremove"]).on(&["with:/from", "with:/to"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let look = Look::at(ctx, input)?;
        let volumes = look.volumes(input, &ctx.mark)?;
        look.ready(input, &volumes, &ctx.mark)?;
        let names = input.names(ctx, &look)?;
        let mut commands = vec![input.tag("--addtag", &ctx.mark, &names)];
        commands.extend(names.iter().map(|name| input.forth(name)));
        commands.extend([input.sweep(), input.tag("--deltag", &ctx.mark, &names)]);
        let bytes = volumes.iter().map(|lv| lv.extents()).sum::<u64>() * look.layout.extent;
        Ok(Shown::new(commands.iter().map(Effect::run))
            .output(input.output(&look, &look.before(&volumes, 0), None))
            .bytes(bytes)
            .note("the lvremove runs only if a pvmove was killed at its very end"))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let names = input.names(ctx, &Look::at(ctx, input)?)?;
        let mut commands = vec![input.abort()];
        // In the order in which they left: LVM takes the first free extents, which then are their own again.
        commands.extend(names.iter().map(|name| input.back(name)));
        commands.extend(names.iter().map(|name| input.refresh(name)));
        commands.extend([input.sweep(), input.tag("--deltag", &ctx.mark, &names)]);
        Ok(Shown::new(commands.iter().map(Effect::run)).output(()).note(
            "what is under way is aborted, what is moved is moved back, which needs as many free extents there; the refresh \
             runs only for a volume that was left suspended, the lvremove only if a pvmove was killed at its very end",
        ))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let seen = Look::at(ctx, input)?;
        let volumes = seen.volumes(input, &ctx.mark)?;
        let marked = volumes.iter().any(|lv| lv.carries(&ctx.mark));
        let earlier = checkpoint.and_then(|state| serde_json::from_value::<Before>(state).ok());
        let before = match (seen.ready(input, &volumes, &ctx.mark)?, earlier) {
            (Ready::Already, None) => {
                let now = ctx.host().now();
                return Ok(Done::Unchanged(input.output(&seen, &seen.before(&volumes, now), Some(now))));
            }
            (Ready::Already, Some(earlier)) => earlier,
            (Ready::Go, Some(earlier)) if marked => earlier,
            (Ready::Go, None) if volumes.iter().any(|lv| seen.of(lv) != At::Source) => {
                let why = "some of the volumes carry this step's mark, and how they lay before is not known";
                return Err(Refusal::new("no-checkpoint", why).into());
            }
            // Nothing carries the mark: whatever an earlier attempt did was taken back.
            (Ready::Go, _) => {
                let before = seen.before(&volumes, ctx.host().now());
                ctx.host().save(&json!(before))?;
                before
            }
        };
        if volumes.iter().any(|lv| !lv.carries(&ctx.mark) && seen.of(lv) != At::Target) {
            must(ctx, &input.tag("--addtag", &ctx.mark, &before.names()), "the mark on some of the volumes")?;
        }
        for was in &before.volumes {
            forth(ctx, input, &before, was)?;
        }
        let seen = settle(ctx, input, &before)?;
        match all(&seen, &before)?.iter().all(|at| *at == At::Target) {
            true => Ok(Done::Changed(input.output(&seen, &before, Some(ctx.host().now())))),
            false => {
                Err(Failure::new("moved-away", "a volume has left the target", left(&seen, &before)).into())
            }
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        let Some(before) = story.checkpoint::<Before>() else { return Ok(Probed::NotApplied) };
        let look = Look::at(ctx, input)?;
        let at = match look.all(&before) {
            Ok(at) => at,
            Err(why) => return Ok(Probed::CannotTell(why)),
        };
        for (was, at) in before.volumes.iter().zip(&at) {
            if let At::Elsewhere(what) = at {
                return Ok(Probed::CannotTell(format!("`{}`: {what}", was.name)));
            }
        }
        let clean = look.clean(&before, &ctx.mark);
        Ok(match (clean, at.iter().all(|at| *at == At::Source), at.iter().all(|at| *at == At::Target)) {
            (true, true, _) => Probed::NotApplied,
            (true, _, true) => Probed::Applied(input.output(&look, &before, Some(ctx.host().now()))),
            _ => Probed::PartWay(story.checkpoint.clone()),
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        let Some(before) = story.checkpoint::<Before>() else { return Ok(Done::Unchanged(())) };
        let is_back = |seen: &Look| -> Result<bool, Stop> {
            Ok(all(seen, &before)?.iter().all(|at| *at == At::Source) && seen.clean(&before, &ctx.mark))
        };
        if is_back(&look(ctx, input)?)? {
            return Ok(Done::Unchanged(()));
        }
        for was in &before.volumes {
            back(ctx, input, &before, was)?;
        }
        for was in &before.volumes {
            // The first refresh of a suspended volume may load a table that still looks for the move.
            for _ in 0..2 {
                if look(ctx, input)?.now(was).is_some_and(|lv| lv.suspended()) {
                    must(ctx, &input.refresh(&was.name), "a volume is suspended: every access to it hangs")?;
                }
            }
        }
        let seen = settle(ctx, input, &before)?;
        match is_back(&seen)? {
            true => Ok(Done::Changed(())),
            false => {
                Err(Failure::new("not-back", "not all is as it was", left(&seen, &before)).again().into())
            }
        }
    }
}
