//! From JSON to a step's types and back: what the boundary calls, and what native tests call to have all of it but
//! WebAssembly. It must not know bindings.

use crate::answer::{Answer, Done, Failure, Fault, Probed, Refusal, Stop, Story};
use crate::context::{Context, Watched};
use crate::effect::{Effect, Shown};
use crate::hold::{Ending, GiveBack, Hold};
use crate::maybe::{Maybe, first_marker};
use crate::partial::Partial;
use crate::step::{Action, Check};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A preview as it crosses the boundary.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// What would be done, in order.
    pub effects: Vec<Effect>,
    /// The output as far as it is known.
    pub output: Partial,
    /// {seconds?, bytes?, text?}.
    pub estimate: Value,
    /// Words for the reader of the plan.
    pub notes: Vec<String>,
}

/// One of the five answers as it crosses the boundary.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Done; this is the output.
    Changed(Value),
    /// It was already so.
    Unchanged(Value),
    /// Not done, and nothing left behind.
    Refused(Refusal),
    /// Stopped part-way.
    Failed(Failure),
    /// Not known.
    Unknown(String),
}

/// A taken hold, whatever its type.
pub trait Held {
    /// Whether it has lasted without a break.
    fn intact(&mut self) -> Result<(), String>;
    /// Gives it back.
    fn release(&mut self, how: Ending) -> Reply;
}

/// What taking a hold gave, as it crosses the boundary.
pub struct TakenHold<'a> {
    /// The hold.
    pub held: Box<dyn Held + 'a>,
    /// What inner steps see.
    pub output: Value,
    /// What the guard may do alone.
    pub give_backs: Vec<GiveBack>,
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, Refusal> {
    let hole = first_marker(&input);
    serde_json::from_value(input).map_err(|error| match hole {
        Some(after) => {
            let mut refusal = Refusal::from(crate::maybe::NotYet(after));
            refusal.message = format!("{}, but must be known when planning ({error})", refusal.message);
            refusal
        }
        None => Refusal::new("invalid-input", error.to_string()),
    })
}

fn shown<T: Serialize>(ctx: &Context<'_>, shown: Shown<T>) -> Result<Preview, Refusal> {
    let defect =
        |error: serde_json::Error| Refusal::new("defect", format!("the output is not JSON: {error}"));
    let output = serde_json::to_value(&shown.output).map_err(defect)?;
    Ok(Preview {
        effects: shown.effects,
        output: Partial::unmarked(output, &ctx.step),
        estimate: serde_json::to_value(&shown.estimate).map_err(defect)?,
        notes: shown.notes,
    })
}

fn reply<T: Serialize>(ctx: &Context<'_>, answer: Answer<T>) -> Reply {
    match answer {
        Ok(Done::Changed(output)) => written(ctx, &output, Reply::Changed),
        Ok(Done::Unchanged(output)) => written(ctx, &output, Reply::Unchanged),
        Err(stop) => stopped(ctx.host(), stop),
    }
}

fn written<T: Serialize>(ctx: &Context<'_>, output: &T, as_reply: fn(Value) -> Reply) -> Reply {
    let defect = |what: String| {
        Reply::Failed(Failure::new("defect", format!("step {}: {what}", ctx.step), "the step itself is done"))
    };
    match serde_json::to_value(output) {
        Ok(value) if first_marker(&value).is_some() => {
            defect("the output holds a value that is not known".into())
        }
        Ok(value) => as_reply(value),
        Err(error) => defect(format!("the output is not JSON: {error}")),
    }
}

/// Makes the answer of a stop; `touched` decides between refused and failed.
fn stopped(host: &Watched<'_>, stop: Stop) -> Reply {
    match stop {
        // A fault that a step passed on as its refusal, after it had changed something.
        Stop::Refused(refusal) if host.touched() && Fault::cuts_short(&refusal.code) => {
            faulted(host, Fault::new(refusal.code, refusal.message))
        }
        Stop::Refused(refusal) => Reply::Refused(refusal),
        Stop::Failed(failure) => {
            let checkpoint = failure.checkpoint.clone().or_else(|| host.saved());
            Reply::Failed(Failure { checkpoint, ..failure })
        }
        Stop::Unknown(why) => Reply::Unknown(why),
        Stop::Fault(fault) => faulted(host, fault),
    }
}

fn faulted(host: &Watched<'_>, fault: Fault) -> Reply {
    let again = fault.is_stopping() || fault.is_timed_out();
    match fault.code.as_str() {
        "lost" => Reply::Unknown(fault.message),
        "timed-out" if host.touched() => Reply::Unknown(fault.message),
        _ if host.touched() => Reply::Failed(Failure {
            code: fault.code,
            message: fault.message,
            left: "what was done before it".into(),
            checkpoint: host.saved(),
            again,
        }),
        _ => Reply::Refused(Refusal { again, ..fault.into() }),
    }
}

/// Previews a check.
pub fn preview_check<C: Check>(ctx: &Context<'_>, input: &Partial) -> Result<Preview, Refusal> {
    shown(ctx, C::preview(ctx, &read(input.marked())?)?)
}

/// Runs a check.
pub fn check<C: Check>(ctx: &Context<'_>, input: Value) -> Reply {
    let found = read(input).and_then(|input| C::run(ctx, &input));
    reply(ctx, found.map(Done::Unchanged).map_err(Stop::from))
}

/// Previews an action, or its undo.
pub fn preview<A: Action>(ctx: &Context<'_>, input: &Partial, undo: bool) -> Result<Preview, Refusal> {
    let input = read(input.marked())?;
    match undo {
        false => shown(ctx, A::preview(ctx, &input)?),
        true => shown(ctx, A::preview_undo(ctx, &input)?),
    }
}

/// Applies an action.
pub fn apply<A: Action>(ctx: &Context<'_>, input: Value, checkpoint: Option<Value>) -> Reply {
    match read(input) {
        Ok(input) => reply(ctx, A::apply(ctx, &input, checkpoint)),
        Err(refusal) => Reply::Refused(refusal),
    }
}

/// Probes an action.
pub fn probe<A: Action>(ctx: &Context<'_>, input: Value, story: &Story) -> Probed<Value> {
    let probed = read(input).map_err(Stop::from).and_then(|input| A::probe(ctx, &input, story));
    match probed {
        Ok(Probed::Applied(output)) => match serde_json::to_value(&output) {
            Ok(value) if first_marker(&value).is_none() => Probed::Applied(value),
            _ => Probed::CannotTell("the step gave an output that is not known".into()),
        },
        Ok(Probed::NotApplied) => Probed::NotApplied,
        Ok(Probed::PartWay(checkpoint)) => Probed::PartWay(checkpoint),
        Ok(Probed::StillRunning) => Probed::StillRunning,
        Ok(Probed::CannotTell(why)) | Err(Stop::Unknown(why)) => Probed::CannotTell(why),
        Err(Stop::Refused(refusal)) => Probed::CannotTell(refusal.message),
        Err(Stop::Failed(failure)) => Probed::CannotTell(failure.message),
        Err(Stop::Fault(fault)) => Probed::CannotTell(fault.to_string()),
    }
}

/// Takes an action back.
pub fn undo<A: Action>(ctx: &Context<'_>, input: Value, story: &Story) -> Reply {
    match read(input) {
        Ok(input) => reply(ctx, A::undo(ctx, &input, story)),
        Err(refusal) => Reply::Refused(refusal),
    }
}

/// Previews a hold, or its release.
pub fn preview_hold<H: Hold>(ctx: &Context<'_>, input: &Partial, release: bool) -> Result<Preview, Refusal> {
    let input = read(input.marked())?;
    match release {
        false => shown(ctx, H::preview(ctx, &input)?),
        true => shown(ctx, H::preview_release(ctx, &input)?),
    }
}

/// The code of a refusal that is none: whether something is held is not known.
pub const DOUBT: &str = "lost";

/// Takes a hold. A refusal says that nothing is held; [`DOUBT`] that nobody knows.
pub fn take<'a, H: Hold + 'a>(ctx: Context<'a>, input: Value) -> Result<TakenHold<'a>, Refusal> {
    let take = H::take(&ctx, &read(input)?).map_err(|refusal| match ctx.host().touched() {
        true if Fault::cuts_short(&refusal.code) => Refusal { code: DOUBT.to_owned(), ..refusal },
        _ => refusal,
    })?;
    let output = serde_json::to_value(Maybe::Known(&take.output))
        .map_err(|error| Refusal::new("defect", format!("the output is not JSON: {error}")))?;
    let held = Box::new(Holding::<H> { ctx, held: take.held });
    Ok(TakenHold { held, output, give_backs: take.give_backs })
}

/// Gives a hold back whose holder is gone.
pub fn release_orphan<H: Hold>(ctx: &Context<'_>, input: Value) -> Reply {
    match read(input) {
        Ok(input) => reply(ctx, H::release_orphan(ctx, &input)),
        Err(refusal) => Reply::Refused(refusal),
    }
}

struct Holding<'a, H: Hold> {
    ctx: Context<'a>,
    held: H::Held,
}

impl<H: Hold> Held for Holding<'_, H> {
    fn intact(&mut self) -> Result<(), String> {
        H::intact(&self.ctx, &mut self.held)
    }

    fn release(&mut self, how: Ending) -> Reply {
        self.ctx.host().touch();
        reply(&self.ctx, H::release(&self.ctx, &mut self.held, how))
    }
}
