//! The figures of a run as text for people. It must not know the terminal.

use super::{Pause, State, Summary};
use crate::event::Outcome;
use crate::figures::{bytes, plain, rate, span, time};
use std::fmt::Write;

/// The figures, some twenty lines, ending with a line break.
pub fn text(summary: &Summary) -> String {
    let mut out = String::new();
    let total = time(u64::try_from(summary.ended.saturating_sub(summary.started)).unwrap_or(0));
    let ending = match summary.outcome {
        None => "not over".to_owned(),
        Some(Outcome::Done) => "done, nothing left behind".to_owned(),
        Some(Outcome::Rehearsed) => "rehearsed, everything is undone".to_owned(),
        Some(Outcome::Undone) if summary.rehearsal => "the rehearsal failed, everything is undone".to_owned(),
        Some(Outcome::Undone) => "failed, everything is undone".to_owned(),
        Some(Outcome::Stopped) => "stopped part-way, a person is needed".to_owned(),
        Some(Outcome::CutOver) => "cut over, clean-up incomplete".to_owned(),
    };
    put(&mut out, &plain(&format!("{}  {ending}  ({total})", summary.run)));
    if !summary.because.is_empty() {
        put(&mut out, &format!("  {}", plain(&summary.because)));
    }
    out.push('\n');
    for hold in &summary.holds {
        put(&mut out, &pause("freeze  ", hold));
    }
    for outage in &summary.outages {
        put(&mut out, &pause("downtime", outage));
    }
    if let Some(crossing) = &summary.crossed {
        put(&mut out, &format!("  crossed   at `{}`", plain(&crossing.step)));
    }
    for moved in &summary.bytes {
        let speed = rate(moved.bytes, moved.ms).map(|rate| format!(", {rate}")).unwrap_or_default();
        let read =
            moved.read.filter(|read| *read != moved.bytes).map(|read| format!(" of {} read", bytes(read)));
        put(
            &mut out,
            &format!(
                "  {:8}  {:>9}{} in {}{speed}  {}",
                plain(&moved.action),
                bytes(moved.bytes),
                read.unwrap_or_default(),
                time(moved.ms),
                plain(&moved.step),
            ),
        );
    }
    out.push('\n');
    let width = summary.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0);
    for step in summary.steps.iter().filter(|step| step.state != State::NotStarted) {
        let again = if step.attempts > 1 { format!("  {} attempts", step.attempts) } else { String::new() };
        put(
            &mut out,
            &format!("  {:width$}  {:9}  {:>12}{again}", plain(&step.name), word(step.state), time(step.ms)),
        );
    }
    let waiting = summary.steps.iter().filter(|step| step.state == State::NotStarted).count();
    if waiting > 0 {
        put(
            &mut out,
            &format!("  {waiting} more {} not started", if waiting == 1 { "step was" } else { "steps were" }),
        );
    }
    if !summary.undone.is_empty() {
        put(&mut out, &plain(&format!("\nundone: {}", summary.undone.join(", "))).replacen("\\n", "\n", 1));
    }
    if !summary.left.is_empty() {
        put(&mut out, "\nleft behind:");
        for left in &summary.left {
            put(&mut out, &format!("  {}: {}", plain(&left.step), plain(&left.what)));
        }
    }
    out
}

fn pause(what: &str, pause: &Pause) -> String {
    let mut words = format!(
        "  {what}  {:>9} of {} allowed  {}",
        time(pause.ms),
        span(pause.limit_ms),
        plain(&pause.step)
    );
    if !pause.over {
        words.push_str("  NOT OVER");
    }
    if pause.limit_passed {
        words.push_str("  its limit passed");
    }
    words
}

const fn word(state: State) -> &'static str {
    match state {
        State::NotStarted => "waiting",
        State::Skipped => "skipped",
        State::Open => "open",
        State::Done => "done",
        State::Unchanged => "unchanged",
        State::Refused => "refused",
        State::Failed => "failed",
        State::Unknown => "unknown",
        State::Undone => "undone",
    }
}

fn put(out: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", line.trim_end());
}
