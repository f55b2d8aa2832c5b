//! `lvm.move`, one volume after the other, there or back, and what is tidied up in the end. It must not know when which is
//! right.

use crate::layout::{Layout, Place};
use crate::move_volumes::Input;
use crate::moving::{At, Before, Look, Was};
use crate::snapshot::must;
use cutwater_sdk::{Command, Context, Failure, Fault, Finished, Host, Refusal, Stop};

/// How often a volume is looked at again that was not where the last program should have left it.
const AGAIN: usize = 3;

/// Asks LVM once something may have been done: a refusal would say that nothing is left.
///
/// # Errors
/// A failure.
pub fn look(ctx: &Context<'_>, input: &Input) -> Result<Look, Stop> {
    Look::at(ctx, input).map_err(|refusal| {
        let left = "perhaps a part of the move: LVM could not be asked";
        Failure::new(refusal.code, refusal.message, left).again().into()
    })
}

/// Where each volume is on its way.
///
/// # Errors
/// A failure: one is gone, or older metadata was put back.
pub fn all(look: &Look, before: &Before) -> Result<Vec<At>, Stop> {
    look.all(before).map_err(|why| Failure::new("not-as-left", why, left(look, before)).into())
}

/// Where the volumes are, in words.
pub fn left(look: &Look, before: &Before) -> String {
    let one = |was: &Was| {
        let (from, to) = (&look.from.name, &look.to.name);
        let place = match look.now(was).map(|lv| look.of(lv)) {
            Some(At::Source) => format!("on {from}"),
            Some(At::Target) => format!("on {to}"),
            Some(At::Forth(percent)) => format!("on its way to {to} ({percent} %)"),
            Some(At::Back(percent)) => format!("on its way back to {from} ({percent} %)"),
            Some(At::Elsewhere(what)) => what,
            None => "gone".to_owned(),
        };
        format!("{} {place}", was.name)
    };
    before.volumes.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Moves a volume to the target, or goes on with it.
///
/// # Errors
/// Refused with LVM's words where not one volume has been moved, and then without the mark.
pub fn forth(ctx: &Context<'_>, input: &Input, before: &Before, was: &Was) -> Result<(), Stop> {
    let seen = look(ctx, input)?;
    let fail = |seen: &Look, code: &str, why: String| Failure::new(code, why, left(seen, before));
    match place(&seen, before, was)? {
        At::Target => return Ok(()),
        At::Source | At::Forth(_) => {}
        At::Back(_) => {
            let why = format!("{} is on its way back; undo finishes that", was.name);
            return Err(fail(&seen, "moving-back", why).into());
        }
        At::Elsewhere(what) => return Err(fail(&seen, "not-on-source", what).into()),
    }
    nobody_else(&seen, before, &seen.from.name)?;
    let told = watch(ctx, input, before, was, &input.forth(&was.name))?;
    let seen = look(ctx, input)?;
    match place(&seen, before, was)? {
        At::Target => Ok(()),
        At::Source if all(&seen, before)?.iter().all(|at| *at == At::Source) => {
            settle(ctx, input, before)?;
            Err(Refusal::new("pvmove", words(&told)).into())
        }
        At::Source => Err(fail(&seen, "pvmove", words(&told)).into()),
        _ => Err(fail(&seen, "interrupted", told.words()).again().into()),
    }
}

/// Brings a volume back to the source, wherever it is on its way.
///
/// # Errors
/// A failure, after which undo can be tried again.
pub fn back(ctx: &Context<'_>, input: &Input, before: &Before, was: &Was) -> Result<(), Stop> {
    let mut said = String::new();
    for _ in 0..AGAIN {
        let seen = look(ctx, input)?;
        let told = match place(&seen, before, was)? {
            At::Source => return Ok(()),
            // It may have been done a moment before: then it is moved back.
            At::Forth(_) => ctx.host().run(&input.abort())?,
            At::Target | At::Back(_) => {
                nobody_else(&seen, before, &seen.to.name)?;
                watch(ctx, input, before, was, &input.back(&was.name))?
            }
            At::Elsewhere(what) => {
                return Err(Failure::new("not-on-target", what, left(&seen, before)).again().into());
            }
        };
        said = words(&told);
    }
    let seen = look(ctx, input)?;
    match place(&seen, before, was)? {
        At::Source => Ok(()),
        _ => Err(Failure::new("pvmove", said, left(&seen, before)).again().into()),
    }
}

/// Takes away what a killed pvmove left, and the mark; gives a last look.
///
/// # Errors
/// A failure, after which it can be tried again.
pub fn settle(ctx: &Context<'_>, input: &Input, before: &Before) -> Result<Look, Stop> {
    let seen = look(ctx, input)?;
    if seen.left_over() {
        must(ctx, &input.sweep(), "the empty volume of an interrupted pvmove")?;
    }
    let carries = |was: &Was| seen.now(was).is_some_and(|lv| lv.carries(&ctx.mark));
    if before.volumes.iter().any(carries) {
        must(ctx, &input.tag("--deltag", &ctx.mark, &before.names()), "the mark on the volumes")?;
    }
    look(ctx, input)
}

/// A failure while a move in the group is cut off: pvmove would take that one for its own.
fn place(seen: &Look, before: &Before, was: &Was) -> Result<At, Stop> {
    all(seen, before)?;
    if let Some(cut) = seen.layout.cut_off() {
        let why = format!("the group has {cut}");
        return Err(Failure::new("cut-off-move", why, left(seen, before)).again().into());
    }
    Ok(seen.now(was).map_or_else(|| At::Elsewhere("it is gone".to_owned()), |lv| seen.of(lv)))
}

/// pvmove would go on with any move from that source, in place of ours.
fn nobody_else(seen: &Look, before: &Before, source: &str) -> Result<(), Stop> {
    let ours = |names: &[String]| matches!(names, [one] if before.volumes.iter().any(|was| was.name == *one));
    match seen.layout.moves().into_iter().find(|moving| moving.from == source && !ours(&moving.volumes)) {
        None => Ok(()),
        Some(other) => {
            Err(Failure::new("move-under-way", other.to_string(), left(seen, before)).again().into())
        }
    }
}

/// Runs pvmove and tells how far the metadata says it is, whenever it says something.
fn watch(
    ctx: &Context<'_>,
    input: &Input,
    before: &Before,
    was: &Was,
    command: &Command,
) -> Result<Finished, Stop> {
    let interrupted = |fault: Fault| match fault.is_stopping() {
        true => Stop::Failed(
            Failure::new(
                "stopping",
                format!("`{command}` was told to stop"),
                format!("{} may be under way: it is usable, and undo puts it back", was.name),
            )
            .again(),
        ),
        false => Stop::Unknown(format!("the end of `{command}` was not seen: {fault}")),
    };
    let mut child = ctx.host().start(command)?;
    let mut told = Finished { line: command.to_string(), ..Finished::default() };
    while let Some(chunk) = child.next().map_err(interrupted)? {
        if chunk.error_stream {
            told.stderr.extend(chunk.bytes);
        } else {
            told.stdout.extend(chunk.bytes);
            tell(ctx, input, before, was);
        }
    }
    let ended = child.wait().map_err(interrupted)?;
    Ok(Finished { status: ended.status, signal: ended.signal, ..told })
}

/// In bytes of all volumes, so that a rate can be made of it.
fn tell(ctx: &Context<'_>, input: &Input, before: &Before, was: &Was) {
    let Ok(layout) = Layout::read(ctx, &input.vg) else { return };
    let place = layout.find(&input.vg, &was.name).map(|lv| layout.place(lv));
    let Ok(Place::Moving(moving)) = place else { return };
    let size = |was: &Was| was.bytes(layout.extent);
    let others = before.volumes.iter().take_while(|other| *other != was).map(size).sum::<u64>();
    let part = (size(was) as f64 * moving.percent.unwrap_or(0.0) / 100.0) as u64;
    ctx.host().progress(others + part, before.volumes.iter().map(size).sum(), "bytes");
}

/// What LVM complains of; where it complains of nothing although the volume stayed, somebody aborted the move.
fn words(told: &Finished) -> String {
    match told.success() {
        true => "pvmove ended well, and the volume is where it was: somebody aborted it".to_owned(),
        false => told.words(),
    }
}
