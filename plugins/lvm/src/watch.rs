//! `lvm.watch-snapshots`: watches how full the stores of snapshots are, as long as the run goes on; extends them before they
//! overflow, or turns the run back while that still helps. It must not know what the snapshots are for.
//!
//! A store that overflows never harms its origin, but the snapshot is lost: reads of it fail, it cannot be merged, and
//! extending it answers well and changes nothing. So a snapshot that LVM calls invalid is never extended, and whether an
//! extension helped is read from the next look. Only a snapshot of this run is extended: whoever takes it back gives the room
//! back, too, and this step's own undo has nothing to do.
//!
//! The looks are at most two seconds apart, and the closer together the nearer the overflow is. What fills a store faster than
//! that is found afterwards, and said.

use crate::fill::Fill;
use crate::report::{self, Volume};
use crate::{name, report::Group};
use cutwater_sdk::{
    Action, Answer, Bytes, Command, Context, Deserialize, Done, Duration, Effect, Failure, Host, JsonSchema,
    Maybe, Needs, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value, json,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the figure is called that everybody looks at.
const GAUGE: &str = "minutes until overflow";
/// From one look to the next.
const SOONEST_MS: u64 = 500;
const LATEST_MS: u64 = 2_000;
/// When a store is extended that fills on and on, unless the input says otherwise.
const AHEAD_MS: u64 = 60_000;
/// So short before a store overflows that cannot be extended, the run is turned back.
const LAST_MS: u64 = 2_000;

/// Watches stores.
pub struct Watch;

/// Which, and what is done about them.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The snapshots: GROUP/VOLUME each, as `lvm.snapshot` gives it as `id`.
    pub snapshots: Vec<Maybe<String>>,
    /// By how much a store is extended, again and again. Without it none is.
    pub extend_by: Option<Maybe<Bytes>>,
    /// A store that would overflow sooner than this is extended; 60s if absent.
    pub ahead: Option<Duration>,
}

/// How full they were when the watch ended.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The snapshots that were there.
    pub snapshots: Maybe<Vec<Watched>>,
}

/// A snapshot when it was last looked at.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Watched {
    /// GROUP/VOLUME.
    pub id: String,
    /// Size of its store.
    pub size: Bytes,
    /// How much of it was in use.
    pub used: Bytes,
    /// By how much it was extended.
    pub extended: Bytes,
}

/// Which snapshots they were when the watch began, by GROUP/VOLUME, so that nothing of the same name is taken for one of them.
#[derive(Default, Serialize, Deserialize)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
struct Begun {
    snapshots: BTreeMap<String, First>,
    /// The one that is about to be extended.
    extending: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
struct First {
    uuid: String,
    size: u64,
}

impl Input {
    fn extend(&self, snapshot: &Maybe<String>) -> Option<Command> {
        let by = self.extend_by.as_ref()?.map(|bytes| bytes.0);
        Some(Command::new("lvextend").args(["-y", "-L", &format!("+{by}b")]).arg(snapshot))
    }

    fn ids(&self) -> Result<Vec<(String, String)>, Refusal> {
        let pair = |id: &Maybe<String>| {
            let (group, volume) = name::pair(id.known()?)?;
            Ok((group.to_owned(), volume.to_owned()))
        };
        self.snapshots.iter().map(pair).collect()
    }
}

impl Action for Watch {
    const NAME: &'static str = "watch-snapshots";
    const SUMMARY: &'static str =
        "Watches how full the stores of snapshots are, and extends them or turns the run back.";
    const UNDO: Undo = Undo::Restores;
    const WATCH: bool = true;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["lvs", "vgs", "lvextend"])
    }

    fn preview(_ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        for id in input.snapshots.iter().filter_map(Maybe::get) {
            name::pair(id)?;
        }
        let extends = input.snapshots.iter().filter_map(|id| input.extend(id));
        let shown = Shown::new(extends.map(|command| Effect::run(&command)))
            .output(Output { snapshots: Maybe::later() });
        Ok(match input.extend_by {
            Some(_) => shown
                .note("a store is extended only where it would overflow soon, and as often as that is so"),
            None => shown,
        })
    }

    fn preview_undo(_ctx: &Context<'_>, _input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([]).output(()).note("what a store was extended by goes with its snapshot"))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let begun = checkpoint.and_then(|state| cutwater_sdk::serde_json::from_value(state).ok());
        let mut eyes = Eyes { input, begun, fills: BTreeMap::new(), said: BTreeSet::new() };
        let stopped = loop {
            match eyes.look(ctx) {
                Ok(Some(pause)) => match ctx.host().sleep(pause) {
                    Ok(()) => {}
                    Err(fault) => break Stop::from(fault),
                },
                Ok(None) => return Ok(eyes.answer()),
                Err(stop) => break stop,
            }
        };
        match stopped {
            Stop::Fault(fault) if fault.is_stopping() => Ok(eyes.answer()),
            Stop::Refused(refusal) if refusal.code == "stopping" => Ok(eyes.answer()),
            Stop::Refused(refusal) if eyes.extended() > 0 => {
                let left = format!("stores that were extended by {} together", Bytes(eyes.extended()));
                Err(Failure::new(refusal.code, refusal.message, left).into())
            }
            stop => Err(stop),
        }
    }

    /// There is no end to be found: another attempt watches on.
    fn probe(_ctx: &Context<'_>, _input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        Ok(match &story.checkpoint {
            Some(state) => Probed::PartWay(Some(state.clone())),
            None => Probed::NotApplied,
        })
    }

    fn undo(_ctx: &Context<'_>, _input: &Input, _story: &Story) -> Answer<()> {
        Ok(Done::Unchanged(()))
    }
}

/// One watch, from look to look.
struct Eyes<'a> {
    input: &'a Input,
    begun: Option<Begun>,
    /// The stores that are watched still.
    fills: BTreeMap<String, Fill>,
    /// What was said once.
    said: BTreeSet<String>,
}

/// One snapshot at one look.
struct Seen<'a> {
    id: String,
    group: &'a str,
    snapshot: Volume,
    origin: Option<Volume>,
}

impl Eyes<'_> {
    /// Looks, tells, and does what is to be done; how long to wait until the next look. None: there is nothing more to watch.
    fn look(&mut self, ctx: &Context<'_>) -> Result<Option<u64>, Stop> {
        let ids = self.input.ids()?;
        let mut all = BTreeMap::new();
        for (group, _) in &ids {
            if !all.contains_key(group) {
                all.insert(group.clone(), report::hidden_too(ctx, group)?);
            }
        }
        let now = ctx.host().monotonic();
        self.begin(ctx, &ids, &all)?;
        let mut watched = Vec::new();
        for (group, volume) in &ids {
            let id = format!("{group}/{volume}");
            match self.find(&all[group], &id, volume) {
                Some(snapshot) => {
                    let origin =
                        all[group].iter().find(|v| Some(&v.name) == snapshot.origin.as_ref()).cloned();
                    watched.push(Seen { id, group, snapshot: snapshot.clone(), origin });
                }
                None => {
                    self.fills.remove(&id);
                    self.say(ctx, format!("`{id}` is merged or removed, and no longer watched"));
                }
            }
        }
        for seen in &watched {
            self.take_in(seen, now)?;
        }
        self.tell(ctx);
        for seen in &watched {
            if self.act(ctx, seen)? {
                // Whether it helped is seen at once.
                return Ok(Some(0));
            }
        }
        Ok((!watched.is_empty()).then(|| self.pause()))
    }

    /// At the first look of all, writes down which snapshots they are.
    fn begin(
        &mut self,
        ctx: &Context<'_>,
        ids: &[(String, String)],
        all: &BTreeMap<String, Vec<Volume>>,
    ) -> Result<(), Stop> {
        if self.begun.is_some() {
            return Ok(());
        }
        let mut begun = Begun::default();
        for (group, volume) in ids {
            let (id, found) = (format!("{group}/{volume}"), report::find(&all[group], group, volume)?);
            if !found.is_snapshot() {
                return Err(Refusal::new("not-a-snapshot", format!("`{id}` is no classic snapshot")).into());
            }
            begun.snapshots.insert(id, First { uuid: found.uuid.clone(), size: found.bytes });
        }
        ctx.host().save(&json!(begun))?;
        self.begun = Some(begun);
        Ok(())
    }

    /// The snapshot, unless it is gone, another one, or being merged, which empties its store.
    fn find<'v>(&self, all: &'v [Volume], id: &str, volume: &str) -> Option<&'v Volume> {
        let first = self.begun.as_ref()?.snapshots.get(id)?;
        let found = all.iter().find(|v| v.name == volume && v.uuid == first.uuid)?;
        (!found.merging()).then_some(found)
    }

    fn take_in(&mut self, seen: &Seen<'_>, now: u64) -> Result<(), Refusal> {
        let Seen { id, snapshot, origin, .. } = seen;
        if snapshot.invalid {
            let of = snapshot.origin.as_deref().unwrap_or("its origin");
            let message = format!(
                "the snapshot `{id}` has overflowed and is lost: nothing can be copied from it, and `{of}` cannot be rolled \
                 back to it. `{of}` itself is whole, with all that was written since. Take the snapshot anew with a larger store"
            );
            return Err(Refusal::new("snapshot-overflowed", message));
        }
        // While it is not active its origin is not either, and nobody writes.
        if snapshot.percent.is_some() {
            let bytes = origin.as_ref().map_or(u64::MAX >> 1, |origin| origin.bytes);
            let fill = self.fills.entry(id.clone()).or_default();
            fill.look(now, (snapshot.used(), snapshot.bytes), snapshot.chunk, bytes);
        }
        Ok(())
    }

    /// How full the one is that overflows first, else the fullest, and when.
    fn tell(&self, ctx: &Context<'_>) {
        let share = |fill: &Fill| (fill.used as f64 / fill.size.max(1) as f64 * 10_000.0) as u64;
        let first = |fill: &&Fill| (fill.until_overflow().unwrap_or(u64::MAX), u64::MAX - share(fill));
        let Some(fill) = self.fills.values().min_by_key(first) else { return };
        ctx.host().progress(fill.used, fill.size, "bytes");
        ctx.host().gauge(GAUGE, fill.until_overflow().map(|ms| (ms as f64 / 6_000.0).round() / 10.0));
    }

    /// Extends the store where it would overflow soon; true where that was done.
    fn act(&mut self, ctx: &Context<'_>, seen: &Seen<'_>) -> Result<bool, Stop> {
        let Some(fill) = self.fills.get(&seen.id).cloned() else { return Ok(false) };
        let ahead = self.input.ahead.map_or(AHEAD_MS, |ahead| ahead.0);
        let Some(left) = fill.until_overflow().filter(|left| *left < ahead.max(LAST_MS)) else {
            return Ok(false);
        };
        let why = match self.room(ctx, seen)? {
            Ok(command) => match self.extend(ctx, seen, &command)? {
                Ok(()) => return Ok(true),
                Err(words) => words,
            },
            Err(why) => why,
        };
        let Seen { id, group, .. } = seen;
        let message = format!(
            "the store of `{id}` has {} of {} left and overflows in {} s at {}/s; it cannot be extended: {why}",
            Bytes(fill.size.saturating_sub(fill.used)),
            Bytes(fill.size),
            left / 1_000,
            Bytes(fill.rate().unwrap_or(0.0) as u64),
        );
        if left < LAST_MS {
            let message = format!(
                "{message}. Add room with `vgextend {group} DEVICE`, or take the snapshot with a larger store"
            );
            return Err(Refusal::new("snapshot-overflows", message).into());
        }
        self.say(ctx, message);
        Ok(false)
    }

    /// The command that extends it, or why it cannot be extended.
    fn room(&self, ctx: &Context<'_>, seen: &Seen<'_>) -> Result<Result<Command, String>, Stop> {
        let by = match &self.input.extend_by {
            Some(by) => by.known()?.0,
            None => return Ok(Err("the step has no `extend-by`".to_owned())),
        };
        let run = name::run_prefix(&ctx.mark);
        if !seen.snapshot.tags.iter().any(|tag| tag.starts_with(run)) {
            return Ok(Err("it is not a snapshot of this run".to_owned()));
        }
        let Group { extent, free, .. } = report::group(ctx, seen.group)?;
        let needed = by.div_ceil(extent.max(1));
        if needed > free {
            return Ok(Err(format!("`{}` has {free} free extents, {needed} are needed", seen.group)));
        }
        let command = self.input.extend(&Maybe::Known(seen.id.clone()));
        Ok(command.ok_or_else(|| "the step has no `extend-by`".to_owned()))
    }

    /// Extends it; else LVM's words.
    fn extend(
        &mut self,
        ctx: &Context<'_>,
        seen: &Seen<'_>,
        command: &Command,
    ) -> Result<Result<(), String>, Stop> {
        if let Some(begun) = &mut self.begun {
            begun.extending = Some(seen.id.clone());
            ctx.host().save(&json!(begun))?;
        }
        let told = ctx.host().run(command)?;
        let all = report::hidden_too(ctx, seen.group)?;
        let grown = all.iter().any(|v| v.uuid == seen.snapshot.uuid && v.bytes > seen.snapshot.bytes);
        if let Some(fill) = self.fills.get_mut(&seen.id).filter(|_| grown) {
            fill.size = all.iter().find(|v| v.uuid == seen.snapshot.uuid).map_or(fill.size, |v| v.bytes);
        }
        Ok(if grown { Ok(()) } else { Err(told.words()) })
    }

    /// The nearer an overflow, the sooner the next look; and soon after the first, which tells no rate.
    fn pause(&self) -> u64 {
        let new = self.fills.values().any(|fill| fill.rate().is_none());
        let next =
            self.fills.values().filter_map(Fill::until_overflow).min().map_or(LATEST_MS, |left| left / 8);
        if new { SOONEST_MS } else { next.clamp(SOONEST_MS, LATEST_MS) }
    }

    fn say(&mut self, ctx: &Context<'_>, words: String) {
        // By what it begins with: figures differ from look to look.
        let key = words.split(" has ").next().unwrap_or_default().to_owned();
        if self.said.insert(key) {
            ctx.say(words);
        }
    }

    fn watched(&self) -> Vec<Watched> {
        let first =
            |id: &str| self.begun.as_ref().and_then(|begun| begun.snapshots.get(id)).map(|first| first.size);
        let one = |(id, fill): (&String, &Fill)| Watched {
            id: id.clone(),
            size: Bytes(fill.size),
            used: Bytes(fill.used),
            extended: Bytes(fill.size.saturating_sub(first(id).unwrap_or(fill.size))),
        };
        self.fills.iter().map(one).collect()
    }

    fn extended(&self) -> u64 {
        self.watched().iter().map(|watched| watched.extended.0).sum()
    }

    fn answer(&self) -> Done<Output> {
        let output = Output { snapshots: Maybe::Known(self.watched()) };
        if self.extended() > 0 { Done::Changed(output) } else { Done::Unchanged(output) }
    }
}
