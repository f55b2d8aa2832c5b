//! `block.resync`: brings a copy of a snapshot up to what the origin holds now, or held when a later snapshot was taken, by
//! copying just the chunks that the snapshot's exception store lists as changed. It must not know how the store is read.

use crate::base::{Base, as_left, stop};
use crate::sync::{discard, is_erased, path};
use cutwater_sdk::host::ResyncRequest;
use cutwater_sdk::{
    Action, Answer, Bytes, Context, Deserialize, Device, Done, Effect, Failure, Host, JsonSchema, Maybe,
    Needs, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value, json, serde_json,
};

/// Brings a copy up to date.
pub struct Resync;

/// From where to where.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The origin, or a later snapshot of it; nobody may have it mounted.
    pub from: Maybe<Device>,
    /// The copy of the snapshot.
    pub to: Maybe<Device>,
    /// The snapshot (GROUP/VOLUME) that was copied.
    pub changed_since: Maybe<String>,
    /// How the copy was left, as `block.sync` or an earlier `block.resync` gives it: refused where it was written since.
    pub base: Maybe<Base>,
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The target's identity.
    pub identity: Maybe<String>,
    /// Size of a chunk.
    pub chunk: Maybe<Bytes>,
    /// How many chunks had changed, and were copied.
    pub chunks: Maybe<u64>,
    /// How much was copied.
    pub bytes: Maybe<Bytes>,
    /// How long it took.
    pub milliseconds: Maybe<u64>,
    /// How the target was left.
    pub base: Maybe<Base>,
}

/// What is known of earlier attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
struct Begun {
    /// Sectors that they may have written.
    slack: u64,
    /// The target's identity.
    to: String,
    #[serde(default)]
    done: Option<Output>,
}

const LEFT: &str = "the target, between the snapshot and the origin";

/// The device of a snapshot's exception store: device mapper joins group and volume by a hyphen and doubles those inside.
pub(crate) fn store_of(snapshot: &str) -> Result<String, Refusal> {
    let legal = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "+_.-".contains(c))
            && !part.contains("..")
    };
    match snapshot.strip_prefix("/dev/").unwrap_or(snapshot).split_once('/') {
        Some((group, volume)) if legal(group) && legal(volume) => {
            Ok(format!("/dev/mapper/{}-{}-cow", group.replace('-', "--"), volume.replace('-', "--")))
        }
        _ => Err(Refusal::new("invalid-name", format!("`{snapshot}` names no snapshot; write GROUP/VOLUME"))),
    }
}

impl Input {
    fn store(&self) -> Result<Maybe<String>, Refusal> {
        match self.changed_since.get() {
            Some(id) => Ok(Maybe::Known(store_of(id)?)),
            None => Ok(self.changed_since.map(Clone::clone)),
        }
    }

    fn request(&self, slack: Option<u64>, first: Option<u64>) -> Result<ResyncRequest, Refusal> {
        let base = match &self.base {
            Maybe::Known(base) => Maybe::Known(base.clone().into()),
            Maybe::After(after) => Maybe::After(after.clone()),
        };
        let (from, to) = (path(&self.from), path(&self.to));
        Ok(ResyncRequest { store: self.store()?, from, to, base, slack, first })
    }
}

impl Action for Resync {
    const NAME: &'static str = "resync";
    const SUMMARY: &'static str = "Copies just what changed since a snapshot.";
    const UNDO: Undo = Undo::Discards;
    const SCRATCH: Option<&'static str> = Some("/to");
    const IDENTITIES: &'static [&'static str] = &["/to"];
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().read(&["with:/from"]).write(&["with:/to"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let identity = match input.to.get().map(|to| ctx.host().facts(&to.0)) {
            Some(facts) => Maybe::Known(facts?.identity),
            None => Maybe::later(),
        };
        let shown = Shown::new([Effect::resync(&input.request(None, None)?)]).output(Output {
            identity,
            chunk: Maybe::later(),
            chunks: Maybe::later(),
            bytes: Maybe::later(),
            milliseconds: Maybe::later(),
            base: Maybe::later(),
        });
        let listed = match input.store()?.get().map(|store| ctx.host().changed(store, Some(0))) {
            Some(Ok(listed)) => listed,
            // The snapshot is not there yet, or nothing may be read while planning.
            Some(Err(fault)) if fault.is_missing() || fault.is_denied() => return Ok(shown),
            Some(Err(fault)) => return Err(fault.into()),
            None => return Ok(shown),
        };
        Ok(shown.bytes(listed.bytes).note(format!("{} chunks have changed so far", listed.chunks)))
    }

    fn preview_undo(_ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([Effect::erase(path(&input.to))]).output(()))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let before = checkpoint.and_then(|state| serde_json::from_value::<Begun>(state).ok());
        if let Some(done) = before.as_ref().and_then(|begun| begun.done.clone()) {
            return Ok(Done::Changed(done));
        }
        let slack = before.map_or(0, |begun| begun.slack);
        let store = input.store()?;
        let listed = ctx.host().changed(store.known()?, Some(0)).map_err(|fault| stop(fault, None))?;
        let request = input.request((slack > 0).then_some(slack), Some(listed.chunks))?;
        let (base, target) = (input.base.known()?, &input.to.known()?.0);
        // Said before anything is saved: what somebody else wrote is not this step's to discard.
        if slack == 0 && !as_left(ctx, target, base)? {
            let message = format!("{target} was written, or is another one, since its copy ended");
            return Err(Refusal::new("base-moved", message).into());
        }
        let to = base.to.clone();
        // The origin is at rest, or a snapshot's first chunks count: this attempt writes no more than what is listed now.
        let mut begun = Begun { slack: slack + listed.bytes.div_ceil(512), to, done: None };
        ctx.host().save(&json!(begun))?;
        let done = ctx.host().resync(&request).map_err(|fault| stop(fault, (slack > 0).then_some(LEFT)))?;
        if done.stopped {
            return Err(Failure::new("stopping", "the resync was told to stop", LEFT).again().into());
        }
        let output = Output {
            identity: Maybe::Known(begun.to.clone()),
            chunk: Maybe::Known(Bytes(done.chunk)),
            chunks: Maybe::Known(done.chunks),
            bytes: Maybe::Known(Bytes(done.bytes)),
            milliseconds: Maybe::Known(done.milliseconds),
            base: Maybe::Known(done.base.into()),
        };
        begun.done = Some(output.clone());
        ctx.host().save(&json!(begun))?;
        Ok(Done::Changed(output))
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        let Some(begun) = story.checkpoint::<Begun>() else { return Ok(Probed::NotApplied) };
        let Some(done) = begun.done else { return Ok(Probed::PartWay(story.checkpoint.clone())) };
        let to = &input.to.known()?.0;
        Ok(match as_left(ctx, to, done.base.known()?)? {
            true => Probed::Applied(done),
            // It was taken back.
            false if is_erased(ctx, to)? => Probed::NotApplied,
            // Steps after this one have written to it (mounted it, started a service there); it is still to be discarded.
            false if story.output.is_some() => Probed::PartWay(story.checkpoint.clone()),
            false => Probed::CannotTell("the target was written since the resync ended".to_owned()),
        })
    }

    /// A copy that is neither the snapshot nor the origin is of no use to anybody.
    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        let to = story.checkpoint::<Begun>().map(|begun| begun.to);
        let to = to.or_else(|| story.output::<Output>()?.identity.get().cloned());
        discard(ctx, &input.to.known()?.0, to)
    }
}
