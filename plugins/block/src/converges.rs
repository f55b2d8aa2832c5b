//! `block.converges`: whether the last pass fits, as long as the writers go on as they do. It must not know what is stopped for
//! the last pass.
//!
//! A pass that copies D bytes at a rate of b takes D/b, and meanwhile r·D/b change, at a rate of r: pass k leaves D·(r/b)^k, which
//! shrinks only where r < b. Both rates are measured: r by the list of a snapshot, read twice, b by an earlier pass. A chunk that
//! is written again and again is listed once, so r falls the longer a snapshot lasts: the forecast is rather too long than too short.

use crate::base::stop;
use crate::resync::store_of;
use cutwater_sdk::{
    Bytes, Check, Context, Deserialize, Duration, Host, JsonSchema, Maybe, Needs, Rate, Refusal, Serialize,
    Shown, Stop, json,
};

/// Tells how long the last pass will be.
pub struct Converges;

/// What is measured, and what is allowed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The snapshot (GROUP/VOLUME) that the copy is equal to by now.
    pub changed_since: Maybe<String>,
    /// How much an earlier pass copied, such as `steps.PASS.bytes`.
    pub bytes: Maybe<Bytes>,
    /// How long it took, such as `steps.PASS.milliseconds`.
    pub milliseconds: Maybe<u64>,
    /// How long the last pass may take.
    pub limit: Duration,
    /// How long it is until the last pass begins: until the writers are stopped. None if absent.
    pub lead: Option<Duration>,
    /// How long it is counted what changes; 5s if absent.
    pub measure: Option<Duration>,
}

/// The forecast. A last pass that does not fit is a refusal.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// How much changes each second.
    #[schemars(extend("x-estimate" = true))]
    pub changes: Rate,
    /// How much a pass copies each second.
    #[schemars(extend("x-estimate" = true))]
    pub copies: Rate,
    /// What the last pass will copy.
    #[schemars(extend("x-estimate" = true))]
    pub last: Bytes,
    /// How long it will take.
    #[schemars(extend("x-estimate" = true))]
    pub milliseconds: u64,
}

const MEASURE: Duration = Duration(5_000);
/// More passes than that would not come to an end in a night.
const MOST_PASSES: u32 = 20;

/// What was measured, in bytes and bytes a second.
#[derive(Debug, Clone, Copy)]
struct Measured {
    changed: f64,
    changes: f64,
    copies: f64,
    lead: f64,
}

impl Measured {
    /// Bytes and seconds of the last pass, behind so many more.
    fn last(&self, more: u32) -> (f64, f64) {
        let left = self.changed * (self.changes / self.copies).powi(more.cast_signed());
        let bytes = left + self.changes * self.lead;
        (bytes, bytes / self.copies)
    }

    /// How many more passes let the last one fit.
    fn more(&self, limit: f64) -> Option<u32> {
        (1..=MOST_PASSES).find(|&more| self.last(more).1 <= limit)
    }
}

impl Check for Converges {
    const NAME: &'static str = "converges";
    const SUMMARY: &'static str = "Whether the last pass of a copy fits into the time that it has.";
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default()
    }

    fn preview(_ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        if let Some(id) = input.changed_since.get() {
            store_of(id)?;
        }
        Ok(Shown::new([]).note(format!("counts for {} what changes", input.measure.unwrap_or(MEASURE))))
    }

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        let (bytes, milliseconds) = (input.bytes.known()?.0, *input.milliseconds.known()?);
        if bytes == 0 {
            let message =
                "the earlier pass copied nothing, which tells no rate; give the figures of one that did";
            return Err(Refusal::new("no-rate", message));
        }
        let measured = Measured {
            copies: bytes as f64 * 1000.0 / milliseconds.max(1) as f64,
            lead: input.lead.map_or(0.0, |lead| lead.0 as f64 / 1000.0),
            ..measure(ctx, input)?
        };
        let (last, seconds) = measured.last(0);
        let output = Output {
            changes: Rate(measured.changes as u64),
            copies: Rate(measured.copies as u64),
            last: Bytes(last as u64),
            milliseconds: (seconds * 1000.0) as u64,
        };
        ctx.say(words(&output));
        match output.milliseconds <= input.limit.0 {
            true => Ok(output),
            false => Err(too_long(&output, measured, input.limit)),
        }
    }
}

/// What has changed, and how much changes each second.
fn measure(ctx: &Context<'_>, input: &Input) -> Result<Measured, Refusal> {
    let store = store_of(input.changed_since.known()?)?;
    let listed = || -> Result<(u64, u64), Refusal> {
        let listed = ctx.host().changed(&store, Some(0)).map_err(|fault| match stop(fault, None) {
            Stop::Refused(refusal) => refusal,
            Stop::Fault(fault) => fault.into(),
            Stop::Failed(failure) => Refusal::new(failure.code, failure.message),
            Stop::Unknown(why) => Refusal::new("lost", why),
        })?;
        Ok((listed.bytes, ctx.host().monotonic()))
    };
    let (before, since) = listed()?;
    ctx.host().sleep(input.measure.unwrap_or(MEASURE).0)?;
    let (after, until) = listed()?;
    let seconds = until.saturating_sub(since).max(1) as f64 / 1000.0;
    let changes = after.saturating_sub(before) as f64 / seconds;
    Ok(Measured { changed: after as f64, changes, copies: 0.0, lead: 0.0 })
}

fn words(output: &Output) -> String {
    let Output { changes, copies, last, milliseconds } = output;
    let takes = Duration(*milliseconds);
    format!("{changes} change and {copies} are copied; the last pass would copy {last} in {takes}")
}

fn too_long(output: &Output, measured: Measured, limit: Duration) -> Refusal {
    let limit_s = limit.0 as f64 / 1000.0;
    let way = match measured.more(limit_s) {
        Some(more) => {
            let takes = Duration((measured.last(more).1 * 1000.0) as u64);
            format!("after {more} more passes it would take {takes}")
        }
        None if measured.changes >= measured.copies => {
            "it changes as fast as it is copied, so more passes do not help: slow the writers down, or allow more time"
                .to_owned()
        }
        None => "what changes until the writers are stopped is too much by itself: stop them faster, or allow more time"
            .to_owned(),
    };
    let message = format!("{}, and {limit} are allowed; {way}", words(output));
    let details = json!({
        "changes": output.changes, "copies": output.copies, "last": output.last, "milliseconds": output.milliseconds,
        "more-passes": measured.more(limit_s),
    });
    Refusal::new("too-long", message).again().details(details)
}
