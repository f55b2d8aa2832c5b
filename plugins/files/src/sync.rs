//! `files.sync`: copies what is in a folder into an empty one, with rsync, and verifies it file by file. It must not know
//! what the files are for.
//!
//! The copy is born with a mark in its root (`cutwater_sdk::held`), and is held by it: nobody uses it until it is released. What
//! was changed there after the mark was written last is not the copy's, and is left alone when the copy is taken back.

use crate::course::Course;
use crate::expected::{self, Load};
use crate::lines::{self, Lines};
use crate::told::{self, End};
use cutwater_sdk::held::{self, State};
use cutwater_sdk::host::FileKind;
use cutwater_sdk::{
    Action, Answer, Bytes, Command, Consistency, Context, Deserialize, Done, Duration, Effect, Failure,
    Finished, Host, JsonSchema, Maybe, Needs, Path, Probed, Rate, Refusal, Serialize, Shown, Stop, Story,
    Undo, Value, json,
};

/// Copies a folder.
pub struct Sync;

/// From where to where, and how still it is there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The folder whose content is copied; what is mounted below it is left out.
    pub from: Maybe<Path>,
    /// The folder that takes it: it is there, and empty unless `onto` names the copy in it.
    pub to: Maybe<Path>,
    /// How still the source is.
    pub consistency: Level,
    /// Whether this pass is the last: only then the copy can be released.
    #[serde(default)]
    pub last: bool,
    /// The copy that this pass goes on with, as the pass before it gave it in `held`.
    pub onto: Option<Maybe<String>>,
    /// Remove from the copy what the source has no more.
    #[serde(default)]
    pub delete: bool,
    /// Live: most passes; 3 if absent.
    pub passes: Option<u64>,
    /// Live: what still differs then is left to a further pass, which goes on with this copy.
    #[serde(default)]
    pub leave_rest: bool,
    /// Highest rate.
    pub at_most: Option<Rate>,
    /// How fast it is read and written.
    pub rate: Option<Rate>,
    /// Live: the mean time from one change in the source to the next.
    pub changes_every: Option<Duration>,
    /// How long all passes may take.
    pub within: Option<Duration>,
    /// Who answers for a last pass that is not read from a snapshot, and why.
    pub waiver: Option<Waiver>,
}

/// How still the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub enum Level {
    /// It is a frozen image.
    Snapshot,
    /// It is in its place, and nobody writes.
    Quiesced,
    /// It is in its place, and in use.
    Live,
}

/// A rule that is waived.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Waiver {
    /// Who answers for it.
    pub by: String,
    /// Why.
    pub because: String,
}

/// The copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// Names the hold on the copy: `onto` of a further pass, `held` of its release.
    pub held: Maybe<String>,
    /// How many passes it took.
    pub passes: Maybe<u64>,
    /// How many files differed at the end: none, or what was left to a further pass.
    pub differing: Maybe<u64>,
    /// Files that had to be copied again, could not be, or differ still; the first hundred.
    pub again: Maybe<Vec<Again>>,
    /// How long it took.
    pub milliseconds: Maybe<u64>,
}

/// A file that was not right after its first copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Again {
    /// Its name below the folder.
    pub name: String,
    /// What was the matter when it was looked at last.
    pub reason: String,
    /// After how many passes something was.
    pub passes: u64,
}

/// What is durable of an attempt: saved before anything is done, and when all of it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
struct Far {
    by: String,
    done: Option<Output>,
}

impl Input {
    pub(crate) fn lines(&self) -> Result<Lines, Refusal> {
        let lines = Lines {
            from: lines::folder(&self.from)?,
            to: lines::folder(&self.to)?,
            at_most: self.at_most,
            delete: self.delete,
        };
        if let (Some(from), Some(to)) = (lines.from.get(), lines.to.get()) {
            let inside = |inner: &str, outer: &str| format!("{inner}/").starts_with(&format!("{outer}/"));
            if inside(from, to) || inside(to, from) {
                return Err(Refusal::new("nested", format!("{from} and {to} lie in one another")));
            }
        }
        Ok(lines)
    }

    /// Who holds the copy: this step, or the one that began it.
    fn by(&self, ctx: &Context<'_>) -> Maybe<String> {
        self.onto.clone().unwrap_or_else(|| Maybe::Known(ctx.mark.clone()))
    }

    /// Whether the pass may end while files differ.
    pub(crate) fn leaves_rest(&self) -> bool {
        self.consistency == Level::Live && self.leave_rest
    }

    pub(crate) fn most_passes(&self) -> u64 {
        match self.consistency {
            Level::Live => self.passes.unwrap_or(3),
            // The second is for what an earlier pass has copied torn, with size and time as they are now.
            Level::Snapshot | Level::Quiesced => 2,
        }
    }

    fn sound(&self) -> Result<(), Refusal> {
        let invalid = |words: &str| Err(Refusal::new("invalid-input", words));
        if self.at_most.is_some_and(|rate| rate.0 == 0) || self.rate.is_some_and(|rate| rate.0 == 0) {
            return invalid("a rate of 0: the copy would never end");
        }
        if self.passes == Some(0) {
            return invalid("`passes` is 0: nothing would be copied");
        }
        if self
            .waiver
            .as_ref()
            .is_some_and(|waiver| waiver.by.trim().is_empty() || waiver.because.trim().is_empty())
        {
            return invalid("a waiver names who answers for it (`by`), and why (`because`)");
        }
        if self.leave_rest && (self.last || self.consistency != Level::Live) {
            return invalid("`leave-rest` is for a live pass that others follow");
        }
        let figures = self.rate.is_some() && self.changes_every.is_some() && self.within.is_some();
        if self.consistency == Level::Live && !self.leave_rest && !figures {
            return invalid(
                "a live copy says `rate`, `changes-every` and `within`, else nobody can tell whether it ends; \
                 or `leave-rest: true`, where a further pass follows",
            );
        }
        Ok(())
    }

    /// How long it will take, or why it cannot be done in the time there is.
    fn fits(&self, bytes: u64) -> Result<Option<f64>, Refusal> {
        let Some(rate) = [self.rate, self.at_most].into_iter().flatten().min() else { return Ok(None) };
        let converges = self.consistency == Level::Live && !self.leave_rest;
        let changes_every = self.changes_every.filter(|_| converges);
        let found = expected::of(Load { bytes, rate, changes_every, goes_on: self.onto.is_some() });
        let details = json!({ "passes": found.passes, "seconds": found.seconds, "bytes": bytes });
        let refuse = |words: String| Err(Refusal::new("does-not-fit", words).details(details));
        let much = Bytes(bytes);
        if converges && found.passes > self.most_passes() as f64 {
            let (passes, most) = (found.passes.ceil(), self.most_passes());
            return refuse(format!(
                "{much} at {rate} take {passes:.3e} passes until nothing has changed meanwhile, and there are {most}; \
                 let less change, read faster, leave the rest to a further pass (`leave-rest: true`), or copy from a snapshot"
            ));
        }
        match self.within {
            Some(within) if found.seconds * 1000.0 > within.0 as f64 => refuse(format!(
                "{much} at {rate} take {:.0} s to copy and verify, and there are {within}",
                found.seconds.ceil()
            )),
            _ => Ok(Some(found.seconds)),
        }
    }
}

/// Whether the folder is there. Something else in its place is refused.
fn is_there(ctx: &Context<'_>, folder: &str) -> Result<bool, Stop> {
    match ctx.host().stat(folder) {
        Ok(stat) if stat.kind == FileKind::Folder => Ok(true),
        Ok(_) => Err(Refusal::new("no-folder", format!("{folder} is no folder")).into()),
        Err(fault) if fault.is_missing() => Ok(false),
        Err(fault) => Err(fault.into()),
    }
}

/// What is in the folder that takes the copy, without the mark.
fn content(ctx: &Context<'_>, lines: &Lines) -> Result<Vec<String>, Stop> {
    let told = ctx.host().run(&lines.list())?;
    match told::end(&told) {
        End::Whole => Ok(told::listed(&told)),
        _ => Err(Refusal::new("no-folder", told.words()).into()),
    }
}

/// Whether the folder can take the copy: it is empty, or holds just the copy that this pass goes on with. `own` lets a mark of
/// this very step pass: an attempt before this one may have left it.
fn may_take(ctx: &Context<'_>, input: &Input, lines: &Lines, own: bool) -> Result<(), Stop> {
    let to = lines.to.known()?;
    let refuse = |code: &str, words: String| Err(Refusal::new(code, words).into());
    if !is_there(ctx, to)? {
        return refuse("no-folder", format!("there is no folder {to}; mount or make it first"));
    }
    match (held::of(ctx, to)?, &input.onto) {
        (Some(held), Some(onto)) if held.by == *onto.known()? && held.state != State::Removed => Ok(()),
        (Some(held), None) if own && held.by == ctx.mark => Ok(()),
        (Some(held), _) => refuse("held", format!("{to} holds another copy, held by {}", held.by)),
        (None, Some(onto)) => refuse("not-held", format!("{to} does not hold the copy {}", onto.known()?)),
        (None, None) => match content(ctx, lines)?.as_slice() {
            [] => Ok(()),
            found => {
                let some: Vec<&str> = found.iter().take(5).map(String::as_str).collect();
                refuse(
                    "not-empty",
                    format!("{to} is not empty ({}); what is there could not be put back", some.join(", ")),
                )
            }
        },
    }
}

/// Bytes to read; none where they cannot be counted yet.
fn counted(ctx: &Context<'_>, lines: &Lines) -> Result<Option<u64>, Stop> {
    let (Some(from), Some(to)) = (lines.from.get(), lines.to.get()) else { return Ok(None) };
    if !is_there(ctx, from)? || !is_there(ctx, to)? {
        return Ok(None);
    }
    let told = ctx.host().run(&lines.count())?;
    match told::end(&told) {
        End::Broken(code, means) => Err(Refusal::new(code, format!("{means}: {}", told.words())).into()),
        _ => Ok(told::counted(&told).map(|(bytes, _)| bytes)),
    }
}

fn as_refusal(stop: Stop) -> Refusal {
    match stop {
        Stop::Refused(refusal) => refusal,
        Stop::Failed(failure) => Refusal::new(failure.code, failure.message),
        Stop::Unknown(why) => Refusal::new("unknown", why),
        Stop::Fault(fault) => fault.into(),
    }
}

impl Action for Sync {
    const NAME: &'static str = "sync";
    const SUMMARY: &'static str =
        "Copies what is in a folder into an empty one, verified file by file; the copy is held.";
    const UNDO: Undo = Undo::Discards;
    const SCRATCH: Option<&'static str> = Some("/to");
    const CONSISTENCY: Option<Consistency> =
        Some(Consistency { level: "/consistency", last: "/last", waiver: "/waiver" });
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["rsync", "find", "sync"]).read(&["with:/from"]).write(&["with:/to"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        input.sound()?;
        let lines = input.lines()?;
        let (by, mark) = (input.by(ctx), held::path(&lines.to));
        let mut effects = vec![
            Effect::write(&mark, held::text(&by, State::Unfinished)),
            Effect::run(&lines.copy()),
            Effect::run(&lines.repair()),
            Effect::run(&lines.flush()),
        ];
        if input.last {
            effects.push(Effect::write(&mark, held::text(&by, State::Verified)));
        }
        let mut shown = Shown::new(effects).output(Output {
            held: input.onto.clone().unwrap_or_else(Maybe::later),
            passes: Maybe::later(),
            differing: Maybe::later(),
            again: Maybe::later(),
            milliseconds: Maybe::later(),
        });
        if let Some(waiver) = input.waiver.as_ref().filter(|_| input.consistency != Level::Snapshot) {
            shown =
                shown.note(format!("not read from a snapshot, waived by {}: {}", waiver.by, waiver.because));
        }
        if input.delete {
            shown = shown.note("what the source has no more is removed from the copy");
        }
        if let Some(from) = lines.from.get() {
            let below = format!("{from}/");
            let mounts = ctx.host().mounts()?.into_iter().filter(|mount| mount.at.starts_with(&below));
            for mount in mounts {
                shown = shown.note(format!("{} is mounted below, and is left out", mount.at));
            }
        }
        // While planning, steps that mount one of the two may still be to come.
        match lines.to.get().map(|_| may_take(ctx, input, &lines, true).map_err(as_refusal)) {
            Some(Err(refusal)) if ctx.planning() => {
                shown = shown.note(format!("as it is now it would be refused: {}", refusal.message));
            }
            Some(Err(refusal)) => return Err(refusal),
            Some(Ok(())) | None => {}
        }
        match counted(ctx, &lines).map_err(as_refusal) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                shown = shown.bytes(bytes);
                if let Some(seconds) = input.fits(bytes)? {
                    shown = shown.seconds(seconds);
                }
            }
            Err(refusal) if input.consistency == Level::Live => return Err(refusal),
            Err(refusal) => shown = shown.note(format!("it could not be counted: {}", refusal.message)),
        }
        Ok(shown)
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let lines = input.lines()?;
        let (by, mark) = (input.by(ctx), held::path(&lines.to));
        if input.onto.is_some() {
            let shown = Shown::new([Effect::write(mark, held::text(by, State::Unfinished))]);
            return Ok(shown.note("what this pass changed stays with the copy, which stays held"));
        }
        Ok(Shown::new([
            Effect::run(&lines.later()),
            Effect::write(&mark, held::text(by, State::Removed)),
            Effect::run(&lines.clear()),
            Effect::run(&lines.clear_ours()),
            Effect::remove(&mark),
        ]))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        input.sound()?;
        let lines = input.lines()?;
        let (by, to) = (input.by(ctx).known()?.clone(), lines.to.known()?.clone());
        // A later attempt finds its own mark there.
        let begun = checkpoint.is_some() && held::of(ctx, &to)?.is_some_and(|held| held.by == by);
        if !begun {
            may_take(ctx, input, &lines, false)?;
            ctx.host().save(&json!(Far { by: by.clone(), done: None }))?;
        }
        let (mark, part) = (held::path(&to), held::text(&by, State::Unfinished));
        ctx.host().replace(&mark, part.as_bytes())?;
        let total = counted(ctx, &lines)?.unwrap_or_default();
        let done = Course::new(ctx, input, &lines)?.go(total)?.output(&by);
        let text = if input.last { held::text(&by, State::Verified) } else { part };
        ctx.host().replace(&mark, text.as_bytes())?;
        ctx.host().save(&json!(Far { by, done: Some(done.clone()) }))?;
        Ok(Done::Changed(done))
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        let lines = input.lines()?;
        let Some(far) = story.checkpoint::<Far>() else { return Ok(Probed::NotApplied) };
        let ours = is_there(ctx, lines.to.known()?)?
            && held::of(ctx, lines.to.known()?)?.is_some_and(|held| held.by == far.by);
        let part_way = Ok(Probed::PartWay(story.checkpoint.clone()));
        match (ours, far.done) {
            (false, _) => Ok(Probed::NotApplied),
            (true, None) => part_way,
            // What is in use differs again as soon as somebody has written.
            (true, Some(done)) if input.consistency == Level::Live => Ok(Probed::Applied(done)),
            (true, Some(done)) => match Course::new(ctx, input, &lines)?.differing() {
                Ok(differing) if differing.is_empty() => Ok(Probed::Applied(done)),
                // It is being taken back, later steps have written to it, or the source is gone.
                _ => part_way,
            },
        }
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        let lines = input.lines()?;
        let to = lines.to.known()?;
        let Some(far) = story.checkpoint::<Far>() else { return Ok(Done::Unchanged(())) };
        let held = if is_there(ctx, to)? { held::of(ctx, to)? } else { None };
        let Some(held) = held.filter(|held| held.by == far.by) else {
            ctx.say(format!("{to} does not hold this copy; it is left alone"));
            return Ok(Done::Unchanged(()));
        };
        let mark = held::path(to);
        if input.onto.is_some() {
            // What this pass has changed is younger than the mark, and would seem to be somebody else's.
            ctx.host().replace(&mark, held::text(&far.by, State::Unfinished).as_bytes())?;
            return Ok(Done::Changed(()));
        }
        let later = match (far.done, held.state) {
            (Some(_), State::Unfinished | State::Verified) => later(ctx, &lines)?,
            // Until its end the folder was the copy's alone.
            _ => Vec::new(),
        };
        let line = if later.is_empty() {
            ctx.host().replace(&mark, held::text(&far.by, State::Removed).as_bytes())?;
            lines.clear()
        } else {
            ctx.say(format!(
                "{to}: what was put there or changed since the copy ended stays: {}",
                later.join(", ")
            ));
            lines.clear_ours()
        };
        found(ctx, &line, to)?;
        ctx.host().remove(&mark)?;
        Ok(Done::Changed(()))
    }
}

/// The first of what was put into the folder, or changed there, since the mark was written.
fn later(ctx: &Context<'_>, lines: &Lines) -> Result<Vec<String>, Stop> {
    let told = found(ctx, &lines.later(), lines.to.known()?)?;
    Ok(told.text().lines().take(10).map(str::to_owned).collect())
}

fn found(ctx: &Context<'_>, line: &Command, to: &str) -> Result<Finished, Stop> {
    let told = ctx.host().run(line)?;
    match told.success() {
        true => Ok(told),
        false => {
            let left = format!("a part of the copy in {to}, which is held");
            Err(Failure::new("find", told.words(), left).again().into())
        }
    }
}
