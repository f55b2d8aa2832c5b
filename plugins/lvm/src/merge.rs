//! `lvm.merge`: rolls a volume back to a classic snapshot of it. It must not know who used the volume.
//!
//! `lvconvert --merge` exits with 0 whether the merge has begun or waits for the origin's next activation, which it does
//! where somebody has the origin open. The kernel merges; LVM only watches, and takes the snapshot out of the metadata once
//! the kernel is done. If nobody watches any more (killed, or the machine went down) the metadata stays as it is, with
//! 0.00 left. So what came of a merge is read from the metadata alone. Seen of LVM 2.03.16 with the kernel's snapshot-merge
//! 1.5:
//!
//! ```text
//!                              origin      snapshot        snap_percent of the origin
//! before                       owi-a-s---  s   swi-a-s---  none
//! waits: the origin is open    Owi-aos---  [s] Swi-a-s---  none
//! waits: it is not active      Owi---s---  [s] Swi---s---  none
//! the kernel merges            Owi-a-s---  [s] Swi-a-s---  what is left, falling
//! the kernel is done           Owi-a-s---  [s] Swi-a-s---  0.00
//! finished                     -wi-a-----  gone            none; `owi-a-s---` where it has other snapshots
//! ```
//!
//! A volume that is to be rolled back carries this step's tag from before `lvconvert` until the end: by it a later attempt
//! knows its own merge. Which snapshot it was is known by its uuid, saved before the tag. That it was merged, and not removed,
//! is known because `lvconvert` was run on it: LVM removes none that is being merged.

use crate::course::{Chosen, Look, Names, Stage, State};
use crate::report::Volume;
use crate::snapshot::must;
use crate::{mergeable, name, report};
use cutwater_sdk::{
    Action, Answer, Bytes, Context, Deserialize, Device, Done, Effect, Host, JsonSchema, Maybe, Needs,
    Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value, json, serde_json,
};

/// Merges a snapshot into its origin.
pub struct Merge;

/// Which.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The volume group.
    pub vg: String,
    /// The volume that is rolled back.
    pub origin: String,
    /// The snapshot: its name, or GROUP/NAME as `lvm.snapshot` gives it as `id`.
    pub snapshot: String,
    /// The snapshot's uuid, as `lvm.snapshot` gives it: another one of that name is refused. A snapshot that the same
    /// workflow takes needs it.
    pub uuid: Option<Maybe<String>>,
}

/// The volume, rolled back.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// GROUP/VOLUME.
    pub id: String,
    /// Its device.
    pub device: Device,
    /// Its uuid.
    pub identity: Maybe<String>,
    /// The uuid of the snapshot, which is gone.
    pub merged: Maybe<String>,
    /// How much of the store was in use.
    pub bytes: Maybe<Bytes>,
}

impl Input {
    fn names(&self) -> Result<Names<'_>, Refusal> {
        let (group, origin) = (name::plain(&self.vg)?, name::plain(&self.origin)?);
        let snapshot = match self.snapshot.contains('/') {
            false => name::plain(&self.snapshot)?,
            true => match name::pair(&self.snapshot)? {
                (of, snapshot) if of == group => snapshot,
                _ => {
                    let message = format!("`{}` is not in the volume group `{group}`", self.snapshot);
                    return Err(Refusal::new("invalid-name", message));
                }
            },
        };
        Ok(Names { group, origin, snapshot })
    }

    /// The snapshot as it should be: the one that is meant, whole, and with nobody in the way.
    pub fn fit<'a>(
        &self,
        ctx: &Context<'_>,
        names: &Names<'_>,
        look: &'a Look,
    ) -> Result<&'a Volume, Refusal> {
        let snapshot = report::find(&look.all, names.group, names.snapshot)?;
        let meant = self.uuid.as_ref().and_then(Maybe::get);
        if let Some(meant) = meant.filter(|&meant| *meant != snapshot.uuid) {
            let message = format!("`{}` is another snapshot ({}) than {meant}", self.snapshot, snapshot.uuid);
            return Err(Refusal::new("other-snapshot", message));
        }
        mergeable::check(ctx, names.group, snapshot, &look.all)?;
        if snapshot.origin.as_deref() != Some(names.origin) {
            let message = format!("`{}` is no snapshot of `{}`", self.snapshot, names.id());
            return Err(Refusal::new("other-origin", message));
        }
        Ok(snapshot)
    }
}

impl Names<'_> {
    fn output(&self, origin: &Volume, chosen: Option<&Chosen>) -> Output {
        Output {
            id: self.id(),
            device: name::device(self.group, self.origin).into(),
            identity: Maybe::Known(origin.uuid.clone()),
            merged: chosen.map_or(Maybe::later(), |chosen| Maybe::Known(chosen.uuid.clone())),
            bytes: chosen.map_or(Maybe::later(), |chosen| Maybe::Known(Bytes(chosen.bytes))),
        }
    }
}

impl Action for Merge {
    const NAME: &'static str = "merge";
    const SUMMARY: &'static str = "Rolls a volume back to a classic snapshot; there is no way back.";
    const UNDO: Undo = Undo::None;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["lvconvert", "lvchange"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let names = input.names()?;
        let look = names.look(ctx)?;
        let commands = [
            names.mark(ctx),
            names.merge(),
            names.activate(),
            names.refresh(),
            names.poll(),
            names.unmark(ctx),
        ];
        let shown = Shown::new(commands.iter().map(Effect::run))
            .output(names.output(&look.origin, None))
            .note("`-ay`, `--refresh` and `--poll` run only where the merge does not begin or end by itself");
        // A later attempt of this step meets its own merge; a snapshot that is taken later in the plan is not there yet.
        let later = input.uuid.as_ref().is_some_and(|uuid| uuid.get().is_none());
        if later || look.origin.carries(&ctx.mark) {
            return Ok(shown);
        }
        let snapshot = input.fit(ctx, &names, &look)?;
        Ok(match mergeable::others(&look.origin, snapshot, &look.all) {
            others if others.is_empty() => shown,
            others => shown
                .note(format!("the merge also fills the stores of other snapshots: {}", others.join(", "))),
        }
        .bytes(snapshot.used()))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let names = input.names()?;
        let mine = names.look(ctx)?.origin.carries(&ctx.mark);
        let known: Option<Chosen> = checkpoint.and_then(|state| serde_json::from_value(state).ok());
        let mut chosen = match known.filter(|chosen| mine || chosen.stage == Stage::Finished) {
            Some(chosen) => chosen,
            None => names.choose(ctx, input)?,
        };
        if chosen.stage == Stage::Chosen {
            names.start(ctx, input, &chosen)?;
            chosen.stage = Stage::Started;
            ctx.host().save(&json!(chosen))?;
        }
        if chosen.stage == Stage::Started {
            names.follow(ctx, &chosen)?;
            chosen.stage = Stage::Finished;
            ctx.host().save(&json!(chosen))?;
        }
        let after = names.look_again(ctx)?.origin;
        if after.carries(&ctx.mark) {
            must(ctx, &names.unmark(ctx), "the tag of the volume, which is rolled back")?;
        }
        Ok(Done::Changed(names.output(&after, Some(&chosen))))
    }

    /// A merge that the kernel is at is part-way and not still running: another attempt follows it, shows how far it is, and
    /// ends what nobody watches any more.
    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        let names = input.names()?;
        let look = names.look(ctx)?;
        let mine = look.origin.carries(&ctx.mark);
        let Some(mut chosen) = story.checkpoint::<Chosen>() else {
            return Ok(if mine { Probed::PartWay(None) } else { Probed::NotApplied });
        };
        let gone = matches!(look.state(&chosen.uuid), State::Gone);
        Ok(match (mine, chosen.stage) {
            (false, Stage::Finished) if gone => Probed::Applied(names.output(&look.origin, Some(&chosen))),
            (false, _) => Probed::NotApplied,
            (true, stage) => {
                // Its end was not seen, and the whole merge was over before anybody looked.
                let ran = story.exits.iter().any(|exit| {
                    exit.program == "lvconvert" && exit.signal.is_none() && exit.status.unwrap_or(0) == 0
                });
                if gone && stage == Stage::Chosen && ran {
                    chosen.stage = Stage::Started;
                }
                Probed::PartWay(Some(json!(chosen)))
            }
        })
    }
}
