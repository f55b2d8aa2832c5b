//! `block.sync`: copies a whole device onto another. It must not know what the devices hold.
//!
//! The first MiB is written last: until then nothing recognises the target, so that no half copy is ever mounted, and a copy
//! that goes on after a crash still finds a target without a signature. The copy is made in parts, with a checkpoint
//! after each that is on the disk.

use crate::base::{Base, as_left, stop};
use cutwater_sdk::host::CopyRequest;
use cutwater_sdk::{
    Action, Answer, Bytes, Context, Deserialize, Device, Done, Effect, Failure, Host, JsonSchema, Maybe,
    Needs, Probed, Rate, Refusal, Serialize, Shown, Stop, Story, Undo, Value, json, serde_json,
};

/// Copies a device.
pub struct Sync;

/// From where to where.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The device that is read.
    pub from: Maybe<Device>,
    /// The device that takes the copy; at least as large, and empty unless `replaces` names it.
    pub to: Maybe<Device>,
    /// Highest rate.
    pub at_most: Option<Rate>,
    /// The identity of a target whose data may be overwritten, as the refusal without it gives it.
    pub replaces: Option<Maybe<String>>,
    /// Punch holes for zeroes where the target can (a thin volume).
    #[serde(default)]
    pub skip_zeroes: bool,
}

/// The copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// The target's identity.
    pub identity: Maybe<String>,
    /// How much was copied.
    pub bytes: Maybe<Bytes>,
    /// How long it took, pauses between attempts left out.
    pub milliseconds: Maybe<u64>,
    /// How the target was left; `block.resync` takes it.
    pub base: Maybe<Base>,
}

/// How far the copy is: everything from 1 MiB to `next` is on the target's disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
struct Far {
    next: u64,
    milliseconds: u64,
    /// The target's identity.
    to: String,
    /// All of it is done, the head too.
    #[serde(default)]
    done: Option<Output>,
}

const HEAD: u64 = 1 << 20;
const PART: u64 = 256 << 20;
const LEFT: &str = "the target holds a part of the copy, without its beginning";

impl Input {
    fn request(&self) -> CopyRequest {
        CopyRequest {
            from: self.from.as_ref().map_place(),
            to: self.to.as_ref().map_place(),
            at_most: self.at_most,
            skip_zeroes: self.skip_zeroes,
            replaces: self.replaces.clone(),
            ..CopyRequest::default()
        }
    }
}

/// A device's path with its place in the input kept.
trait MapPlace {
    fn map_place(self) -> Maybe<String>;
}

impl MapPlace for Maybe<&Device> {
    fn map_place(self) -> Maybe<String> {
        match self {
            Maybe::Known(device) => Maybe::Known(device.0.clone()),
            Maybe::After(after) => Maybe::After(after),
        }
    }
}

/// The same for other steps.
pub(crate) fn path(device: &Maybe<Device>) -> Maybe<String> {
    device.as_ref().map_place()
}

impl Action for Sync {
    const NAME: &'static str = "sync";
    const SUMMARY: &'static str = "Copies a device onto another, byte by byte.";
    const UNDO: Undo = Undo::Discards;
    const SCRATCH: Option<&'static str> = Some("/to");
    const IDENTITIES: &'static [&'static str] = &["/to"];
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().read(&["with:/from"]).write(&["with:/to"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        if input.at_most.is_some_and(|rate| rate.0 == 0) {
            return Err(Refusal::new("invalid-input", "`at-most` is 0: the copy would never end"));
        }
        let mut shown = Shown::new([Effect::copy(&input.request())]);
        let source = match input.from.get().map(|from| ctx.host().facts(&from.0)) {
            Some(Ok(facts)) => Some(facts.bytes),
            // A snapshot that another step takes is not there yet.
            Some(Err(fault)) if fault.is_missing() => None,
            Some(Err(fault)) => return Err(fault.into()),
            None => None,
        };
        let identity = match input.to.get() {
            Some(to) => Maybe::Known(may_take(ctx, input, &to.0, source)?),
            None => Maybe::later(),
        };
        shown = shown.output(Output {
            identity,
            bytes: source.map_or_else(Maybe::later, |bytes| Maybe::Known(Bytes(bytes))),
            milliseconds: Maybe::later(),
            base: Maybe::later(),
        });
        if let Some(bytes) = source {
            shown = shown.bytes(bytes);
            if let Some(rate) = input.at_most {
                shown = shown.seconds(bytes as f64 / rate.0.max(1) as f64);
            }
        }
        Ok(shown)
    }

    fn preview_undo(_ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([Effect::erase(path(&input.to))]).output(()))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let (from, to) = (&input.from.known()?.0, &input.to.known()?.0);
        let size = ctx.host().facts(from)?.bytes;
        let identity = ctx.host().facts(to)?.identity;
        let resumed = checkpoint.and_then(|state| serde_json::from_value::<Far>(state).ok());
        if let Some(far) = resumed.as_ref().filter(|far| far.to != identity) {
            let message = format!("{to} is {identity} now, and the copy was begun on {}", far.to);
            return Err(Failure::new("other-device", message, LEFT).into());
        }
        let mut copy = Copy {
            ctx,
            request: CopyRequest { resume: resumed.is_some(), ..input.request() },
            size,
            far: match resumed {
                Some(far) => far,
                None => Far { next: HEAD.min(size), milliseconds: 0, to: identity, done: None },
            },
        };
        copy.go_on().map(Done::Changed)
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        let Some(far) = story.checkpoint::<Far>() else { return Ok(Probed::NotApplied) };
        let Some(done) = far.done else { return Ok(Probed::PartWay(story.checkpoint.clone())) };
        let to = &input.to.known()?.0;
        Ok(match as_left(ctx, to, done.base.known()?)? {
            true => Probed::Applied(done),
            // The copy was taken back.
            false if is_erased(ctx, to)? => Probed::NotApplied,
            // Steps after this one have written to it (mounted it, started a service there); it is still to be discarded.
            false if story.output.is_some() => Probed::PartWay(story.checkpoint.clone()),
            false => Probed::CannotTell("the target was written since the copy ended".to_owned()),
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        let to = &input.to.known()?.0;
        let far = story.checkpoint::<Far>();
        // Nothing recognises a copy before its head is there: what is recognised and is not that head is not ours.
        if far.as_ref().is_some_and(|far| far.done.is_none())
            && input.replaces.is_none()
            && ctx.host().facts(to)?.signature.is_some()
            && !begun_by_us(ctx, input, to)
        {
            ctx.say("the target carries what this copy has not put there; it is left alone");
            return Ok(Done::Unchanged(()));
        }
        let identity = far.map(|far| far.to);
        let identity = identity.or_else(|| story.output::<Output>()?.identity.get().cloned());
        discard(ctx, to, identity)
    }
}

/// Whether the target is as [`discard`] leaves it: nothing is recognised on it, and its head is empty.
pub(crate) fn is_erased(ctx: &Context<'_>, to: &str) -> Result<bool, Stop> {
    let nothing = ctx.host().facts(to)?.signature.is_none();
    Ok(nothing && ctx.host().read_block(to, 0, HEAD as u32)?.iter().all(|&byte| byte == 0))
}

/// Erases a copy's target, if the run wrote to it and it is still the same device.
pub(crate) fn discard(ctx: &Context<'_>, to: &str, identity: Option<String>) -> Answer<()> {
    let Some(identity) = identity else { return Ok(Done::Unchanged(())) };
    let now = ctx.host().facts(to)?.identity;
    if now != identity {
        let message = format!("{to} is {now} now, and the copy was made on {identity}; it is left alone");
        return Err(Failure::new("other-device", message, format!("the copy on {identity}")).into());
    }
    ctx.host().erase(to).map_err(|fault| stop(fault, Some("the copy on the target")))?;
    Ok(Done::Changed(()))
}

/// Early words for what the data path refuses anyway, before the run begins. Gives the target's identity.
fn may_take(ctx: &Context<'_>, input: &Input, to: &str, source: Option<u64>) -> Result<String, Refusal> {
    let facts = ctx.host().facts(to)?;
    if let Some(needs) = source.filter(|&needs| facts.bytes < needs) {
        let message = format!("{to} is too small: {} bytes, needs {needs}", facts.bytes);
        return Err(Refusal::new("too-small", message).details(json!({ "has": facts.bytes, "needs": needs })));
    }
    if !facts.mounts.is_empty() || !facts.holders.is_empty() {
        let users: Vec<&str> = facts.mounts.iter().chain(&facts.holders).map(String::as_str).collect();
        return Err(Refusal::new("busy", format!("{to} is in use: {}", users.join(", "))).again());
    }
    match (&facts.signature, input.replaces.as_ref().map(|named| named.get())) {
        (_, Some(Some(named))) if *named != facts.identity => {
            Err(Refusal::new("other-device", format!("{to} is {}, not {named}", facts.identity)))
        }
        (Some(kind), None) if !begun_by_us(ctx, input, to) => {
            let message =
                format!("{to} carries data ({kind}); to overwrite it, say `replaces: {}`", facts.identity);
            Err(Refusal::new("carries-data", message).details(json!({ "identity": facts.identity })))
        }
        _ => Ok(facts.identity),
    }
}

/// A later attempt's preview meets the head that an earlier one wrote last. Whether it is really its own is decided by
/// apply, which has the checkpoint.
fn begun_by_us(ctx: &Context<'_>, input: &Input, to: &str) -> bool {
    let head = |device: &str| ctx.host().read_block(device, 0, HEAD as u32).ok();
    input.from.get().and_then(|from| head(&from.0)).is_some_and(|source| Some(source) == head(to))
}

struct Copy<'a, 'c> {
    ctx: &'a Context<'c>,
    request: CopyRequest,
    size: u64,
    far: Far,
}

impl Copy<'_, '_> {
    fn go_on(&mut self) -> Result<Output, Stop> {
        if let Some(done) = &self.far.done {
            return match as_left(self.ctx, self.request.to.known()?, done.base.known()?)? {
                true => Ok(done.clone()),
                false => {
                    Err(Failure::new("base-moved", "the target was written since the copy ended", LEFT)
                        .into())
                }
            };
        }
        if !self.request.resume {
            // Whatever stands against it is said before anything is saved: an undo discards only what this step began.
            let nothing = CopyRequest { offset: Some(0), length: Some(0), ..self.request.clone() };
            self.ctx.host().copy(&nothing).map_err(|fault| stop(fault, None))?;
        }
        // Before the first byte: without a checkpoint nothing was done.
        self.save()?;
        while self.far.next < self.size {
            let length = PART.max(self.size / 64).next_multiple_of(4096).min(self.size - self.far.next);
            let offset = self.far.next;
            self.part(offset, length)?;
        }
        let base = self.part(0, HEAD.min(self.size))?;
        let done = Output {
            identity: Maybe::Known(self.far.to.clone()),
            bytes: Maybe::Known(Bytes(self.size)),
            milliseconds: Maybe::Known(self.far.milliseconds),
            base: Maybe::Known(base),
        };
        self.far.done = Some(done.clone());
        self.save()?;
        Ok(done)
    }

    /// Copies one part and saves how far it is. Only the part after the head's last byte counts on `next`.
    fn part(&mut self, offset: u64, length: u64) -> Result<Base, Stop> {
        self.request.offset = Some(offset);
        self.request.length = Some(length);
        let before = if offset == 0 { self.size - length } else { offset - HEAD.min(self.size) };
        self.request.progress = Some((before, self.size));
        let left = (self.far.next > HEAD.min(self.size)).then_some(LEFT);
        let copied = self.ctx.host().copy(&self.request).map_err(|fault| stop(fault, left))?;
        self.far.milliseconds += copied.milliseconds;
        self.request.base = Some(copied.base.clone());
        if offset > 0 {
            self.far.next = copied.next.unwrap_or(offset + length);
            self.save()?;
        }
        match copied.next {
            None => Ok(copied.base.into()),
            Some(_) => {
                let mut failure = Failure::new("stopping", "the copy was told to stop", LEFT).again();
                failure.checkpoint = serde_json::to_value(&self.far).ok();
                Err(failure.into())
            }
        }
    }

    fn save(&self) -> Result<(), Stop> {
        Ok(self.ctx.host().save(&json!(self.far))?)
    }
}
