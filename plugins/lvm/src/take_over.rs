//! `lvm.take-over`: makes the volume group of a host that was fenced this host's own, and activates some of its volumes. It
//! must not know what fenced the host, nor what the volumes are for.
//!
//! A group is its owner's by the system ID in its metadata. LVM keeps every other host from it, and lets one in whose command
//! line names the owner among `local/extra_system_ids`; the change of the system ID is one write of the metadata. LVM takes
//! no tag in the same call, but it keeps each command line as the `description` of the metadata that it wrote: so this step's
//! mark stands in that list, too, where it is no host's. Seen with LVM 2.03.16:
//!
//! ```text
//!                            system ID   tags   description
//! the failed host has it     node-a
//! taken                      node-b             Write from vgchange … extra_system_ids=["node-a","MARK"] …
//! marked; activation         node-b      MARK   Write from vgchange --addtag MARK …
//! being given back           node-b             Write from vgchange --deltag MARK …
//! given back                 node-a
//! ```
//!
//! Nothing is written into the group while it is the other host's, save the one change that takes it; nothing at all once it is
//! given back: from then on the other host may be at it.

use crate::name;
use crate::owner::{self, Place};
use crate::proof::{self, Wanted};
use crate::report::{self, Volume};
use crate::snapshot::{asked_after, must};
use cutwater_lvm2::Group;
use cutwater_sdk::{
    Action, Answer, Command, Context, Deserialize, Device, Done, Duration, Effect, Failure, Host, JsonSchema,
    Needs, Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value, json,
};

/// Takes a group over.
pub struct TakeOver;

/// Which, from whom, and what tells that its owner is off.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The volume group.
    pub vg: String,
    /// The system ID of the host that failed, which the group carries.
    pub from: String,
    /// The volumes that are activated, by name.
    pub volumes: Vec<String>,
    /// All devices that the group lies on; LVM is shown no others.
    pub devices: Vec<Device>,
    /// The record that the fencing agent has left of that host.
    pub proof: Path,
    /// How old the record may be, at most 1h; 10m if absent.
    pub proof_age: Option<Duration>,
}

/// The group, this host's own.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The volume group.
    pub vg: String,
    /// Its uuid, without hyphens.
    pub identity: String,
    /// The system ID that it carries now.
    pub system_id: String,
    /// The activated volumes, in the order in which they were named.
    pub volumes: Vec<Taken>,
}

/// An active volume.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Taken {
    /// GROUP/VOLUME.
    pub id: String,
    /// Its device.
    pub device: Device,
}

/// Whose the group is, as this step sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The failed host's.
    Theirs,
    /// This host's, by this step.
    Mine,
    /// This host's, and not by this step.
    Ours,
    /// Another host's, or nobody's.
    Others,
}

struct Names<'a> {
    place: Place<'a>,
    input: &'a Input,
    here: String,
}

impl Input {
    fn names(&self, ctx: &Context<'_>) -> Result<Names<'_>, Refusal> {
        let place = Place::new(&self.vg, &self.devices)?;
        owner::system_id(&self.from)?;
        self.volumes.iter().try_for_each(|volume| name::plain(volume).map(drop))?;
        if self.age() > proof::AGE_AT_MOST {
            return Err(Refusal::new(
                "invalid-input",
                "`proof-age` is at most 1h: a host does not stay off for ever",
            ));
        }
        Ok(Names { place, input: self, here: owner::own_id(ctx)? })
    }

    fn age(&self) -> Duration {
        self.proof_age.unwrap_or(proof::AGE)
    }
}

impl Names<'_> {
    fn take(&self, ctx: &Context<'_>) -> Command {
        let lets_in = format!("local/extra_system_ids=[\"{}\",\"{}\"]", self.input.from, ctx.mark);
        let command = Command::new("vgchange").args(["-y", "--systemid", &self.here, "--config", &lets_in]);
        self.place.line(command, self.place.vg)
    }

    fn mark(&self, ctx: &Context<'_>) -> Command {
        self.place.line(Command::new("vgchange").arg("--addtag").arg(&ctx.mark), self.place.vg)
    }

    fn unmark(&self, ctx: &Context<'_>) -> Command {
        self.place.line(Command::new("vgchange").arg("--deltag").arg(&ctx.mark), self.place.vg)
    }

    fn give_back(&self) -> Command {
        let command = Command::new("vgchange").args(["-y", "--systemid", &self.input.from]);
        self.place.line(command, self.place.vg)
    }

    fn activate(&self, volume: &str) -> Command {
        self.place.line(Command::new("lvchange").arg("-ay"), &self.id(volume))
    }

    fn deactivate(&self, volume: &str) -> Command {
        self.place.line(Command::new("lvchange").arg("-an"), &self.id(volume))
    }

    fn id(&self, volume: &str) -> String {
        format!("{}/{volume}", self.place.vg)
    }

    fn output(&self, group: &Group) -> Output {
        let taken = |volume: &String| Taken {
            id: self.id(volume),
            device: name::device(self.place.vg, volume).into(),
        };
        Output {
            vg: self.place.vg.to_owned(),
            identity: group.uuid.clone(),
            system_id: self.here.clone(),
            volumes: self.input.volumes.iter().map(taken).collect(),
        }
    }

    fn whose(&self, ctx: &Context<'_>, group: &Group) -> Whose {
        let mut words = group.changed.1.split([' ', ',', '"']);
        let own = group.tags.contains(&ctx.mark) || words.any(|word| word == ctx.mark);
        match group.system_id.as_deref() {
            Some(id) if id == self.here => {
                if own {
                    Whose::Mine
                } else {
                    Whose::Ours
                }
            }
            Some(id) if id == self.input.from => Whose::Theirs,
            _ => Whose::Others,
        }
    }

    /// Refuses a group whose volumes cannot all be activated here.
    fn fit(&self, ctx: &Context<'_>) -> Result<(), Refusal> {
        let all = self.place.volumes(ctx)?;
        for wanted in &self.input.volumes {
            let volume = report::find(&all, self.place.vg, wanted)?;
            if volume.skipped {
                let message = format!(
                    "`{}` is barred from activation, perhaps by its owner's `lvm.fence`; where it may be used, lift that with \
                     `lvchange --setautoactivation y --setactivationskip n`",
                    self.id(wanted)
                );
                return Err(Refusal::new("barred", message));
            }
        }
        Ok(())
    }

    /// Refuses to take it while its owner may use it, or somebody here already does.
    fn free(&self, ctx: &Context<'_>, group: &Group) -> Result<(), Refusal> {
        if let Some(volume) = self.place.volumes(ctx)?.iter().find(|volume| volume.active()) {
            let message = format!(
                "`{}` is active on this host already, though the group is another host's",
                self.id(&volume.name)
            );
            return Err(Refusal::new("already-active", message));
        }
        let wanted = Wanted { host: &self.input.from, alive: group.changed.0, age: self.input.age() };
        let proof = proof::read(ctx, &self.input.proof, &wanted)?;
        ctx.say(format!(
            "`{}` was switched off at {} (seconds since 1970) by {}",
            proof.host, proof.at, proof.by
        ));
        Ok(())
    }

    fn idle(&self, ctx: &Context<'_>) -> Result<Vec<String>, Refusal> {
        let all = self.place.volumes(ctx)?;
        let mut idle = Vec::new();
        for wanted in &self.input.volumes {
            if !report::find(&all, self.place.vg, wanted)?.active() {
                idle.push(wanted.clone());
            }
        }
        Ok(idle)
    }

    fn activate_all(&self, ctx: &Context<'_>) -> Result<(), Stop> {
        let left = format!("the group is `{}`'s, and not all of its volumes are active", self.here);
        for volume in asked_after(self.idle(ctx), &left)? {
            must(ctx, &self.activate(&volume), &left)?;
        }
        match asked_after(self.idle(ctx), &left)?.as_slice() {
            [] => Ok(()),
            idle => {
                let message = format!("lvchange ended well, and these are not active: {}", idle.join(", "));
                Err(Failure::new("lvchange", message, left).again().into())
            }
        }
    }

    fn take_it(&self, ctx: &Context<'_>) -> Result<(), Stop> {
        let told = ctx.host().run(&self.take(ctx))?;
        let after = asked_after(self.place.group(ctx), "perhaps the group is this host's now")?;
        match (self.whose(ctx, &after), told.success()) {
            (Whose::Mine, _) => Ok(()),
            (Whose::Theirs, false) => Err(Refusal::new("vgchange", told.words()).into()),
            (Whose::Theirs, true) => {
                Err(Stop::Unknown("vgchange ended well, and the group is the other host's".to_owned()))
            }
            _ => Err(Failure::new("vgchange", told.words(), "the group is of somebody else now").into()),
        }
    }

    fn others(&self, group: &Group) -> Refusal {
        let message = match &group.system_id {
            Some(id) => {
                format!("`{}` is of `{id}` by its system ID, and not of `{}`", self.place.vg, self.input.from)
            }
            None => format!(
                "`{}` carries no system ID, so LVM keeps no host from it; give it one with `vgchange --systemid`",
                self.place.vg
            ),
        };
        Refusal::new("other-owner", message)
    }

    fn deactivate_all(&self, ctx: &Context<'_>, volumes: &[String], all: &[Volume]) -> Result<bool, Stop> {
        let left = format!("the group is `{}`'s, and some of its volumes are active", self.here);
        let active = |name: &&String| all.iter().any(|volume| volume.name == **name && volume.active());
        let mut changed = false;
        for volume in volumes.iter().rev().filter(active) {
            must(ctx, &self.deactivate(volume), &left)?;
            changed = true;
        }
        Ok(changed)
    }
}

/// What was activated in a group that was this host's already; saved before.
fn activated(checkpoint: Option<Value>) -> Option<Vec<String>> {
    cutwater_sdk::serde_json::from_value(checkpoint?.get("activated")?.clone()).ok()
}

impl Action for TakeOver {
    const NAME: &'static str = "take-over";
    const SUMMARY: &'static str =
        "Takes a volume group over from a host that was fenced, and activates some of its volumes.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default()
            .run(&["vgchange", "lvchange"])
            .on(&["with:/vg"])
            .read(&["with:/devices", "with:/proof"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let names = input.names(ctx)?;
        let group = names.place.sound(ctx)?;
        names.fit(ctx)?;
        let active = input.volumes.iter().map(|volume| names.activate(volume));
        let commands = match names.whose(ctx, &group) {
            Whose::Others => return Err(names.others(&group)),
            Whose::Ours => active.collect::<Vec<_>>(),
            Whose::Mine => [names.take(ctx), names.mark(ctx)].into_iter().chain(active).collect(),
            Whose::Theirs => {
                names.free(ctx, &group)?;
                [names.take(ctx), names.mark(ctx)].into_iter().chain(active).collect()
            }
        };
        Ok(Shown::new(commands.iter().map(Effect::run)).output(names.output(&group)))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let names = input.names(ctx)?;
        let idle = input.volumes.iter().rev().map(|volume| names.deactivate(volume));
        let commands: Vec<Command> = idle.chain([names.unmark(ctx), names.give_back()]).collect();
        Ok(Shown::new(commands.iter().map(Effect::run))
            .output(())
            .note("a group that was this host's before is not given away"))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let names = input.names(ctx)?;
        let group = names.place.sound(ctx)?;
        names.fit(ctx)?;
        let output = names.output(&group);
        let whose = names.whose(ctx, &group);
        match whose {
            Whose::Others => return Err(names.others(&group).into()),
            Whose::Ours => {
                let idle = names.idle(ctx)?;
                match (activated(checkpoint), idle.is_empty()) {
                    (None, true) => return Ok(Done::Unchanged(output)),
                    (None, false) => ctx.host().save(&json!({ "activated": idle }))?,
                    (Some(_), _) => {}
                }
            }
            Whose::Theirs => {
                names.free(ctx, &group)?;
                names.take_it(ctx)?;
            }
            Whose::Mine => {}
        }
        if whose != Whose::Ours && !group.tags.contains(&ctx.mark) {
            must(ctx, &names.mark(ctx), "the group is this host's")?;
        }
        names.activate_all(ctx)?;
        Ok(Done::Changed(output))
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        let names = input.names(ctx)?;
        let group = names.place.group(ctx)?;
        let begun = match names.whose(ctx, &group) {
            Whose::Theirs | Whose::Others => return Ok(Probed::NotApplied),
            Whose::Ours if story.checkpoint.is_none() => return Ok(Probed::NotApplied),
            Whose::Ours => true,
            Whose::Mine => group.tags.contains(&ctx.mark),
        };
        Ok(match begun && names.idle(ctx)?.is_empty() {
            true => Probed::Applied(names.output(&group)),
            false => Probed::PartWay(story.checkpoint.clone()),
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        let names = input.names(ctx)?;
        let group = names.place.group(ctx)?;
        let all = names.place.volumes(ctx)?;
        let changed = match names.whose(ctx, &group) {
            Whose::Theirs | Whose::Others => false,
            Whose::Ours => {
                let own = activated(story.checkpoint.clone()).unwrap_or_default();
                names.deactivate_all(ctx, &own, &all)?
            }
            Whose::Mine => {
                names.deactivate_all(ctx, &input.volumes, &all)?;
                let left = format!("`{}` is still this host's", input.vg);
                let all = asked_after(names.place.volumes(ctx), &left)?;
                if let Some(active) = all.iter().find(|volume| volume.active()) {
                    let message = format!(
                        "`{}` is active, and not by this step; the group is given back when `lvchange -an` has ended that",
                        names.id(&active.name)
                    );
                    return Err(Failure::new("still-active", message, left).again().into());
                }
                if group.tags.contains(&ctx.mark) {
                    must(ctx, &names.unmark(ctx), &left)?;
                }
                must(ctx, &names.give_back(), &left)?;
                true
            }
        };
        Ok(if changed { Done::Changed(()) } else { Done::Unchanged(()) })
    }
}
