//! A run as lines, one a step: what `show` prints and the live view redraws. It must not know the terminal.

use super::figures::{amount, date_time, duration, gauge, short};
use super::glyph::{Glyph, reason};
use super::model::{Model, Progress};
use cutwater_core::fault::escaped;
use cutwater_core::figures::span;
use cutwater_core::names::StepName;
use cutwater_core::plan::{Body, PlanStep};
use cutwater_core::state::{Phase, RunState, Status, StepState};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without a line break, safe to show.
    pub text: String,
    /// ANSI colour; empty: none.
    pub colour: &'static str,
    /// How much it matters where not all lines fit: 0 is shown first.
    pub rank: u8,
}

/// Run, plan and where it stands.
pub fn head(model: &Model, now: i64) -> Option<Line> {
    let state = model.state.as_ref()?;
    let how = match (&state.outcome, &state.phase, &state.crossed) {
        (Some(_), ..) => "over".to_owned(),
        (None, Phase::Back { .. }, _) => "taking back".to_owned(),
        (None, Phase::Forward, Some(mark)) => format!("past the point of no return (`{mark}`)"),
        (None, Phase::Forward, None) if state.paused => "paused".to_owned(),
        (None, Phase::Forward, None) => "under way".to_owned(),
    };
    let began = state.steps.iter().filter_map(|step| step.began).min();
    let since = began.map(|began| format!(", {}", duration(now - began))).unwrap_or_default();
    let window = window(state, now).map(|words| format!(", {words}")).unwrap_or_default();
    let text = format!("{}  plan {}  {how}{since}{window}", state.run, short(&state.plan.hash));
    Some(Line { text: escaped(&text), colour: "1", rank: 0 })
}

/// The latest moment at which the next outage, or the mark inside an open one, may still begin.
fn window(state: &RunState, now: i64) -> Option<String> {
    let schedule = state.schedule.as_ref()?;
    let ahead = state.outcome.is_none() && state.crossed.is_none() && state.phase == Phase::Forward;
    let waits = |step: &&StepName| state.step(step).is_some_and(|s| s.status == Status::Waiting);
    let next = schedule.needs.keys().filter(waits).min_by_key(|step| schedule.latest(step))?;
    let latest = schedule.latest(next);
    let wait = if now < schedule.opens {
        format!("the window opens in {}; ", duration(schedule.opens - now))
    } else {
        String::new()
    };
    ahead.then(|| format!("{wait}`{next}` by {} (in {})", date_time(latest), duration((latest - now).max(0))))
}

/// One line for each step, in the plan's order.
pub fn steps(model: &Model, now: i64, unicode: bool) -> Vec<Line> {
    let Some(state) = &model.state else { return Vec::new() };
    let plan = &state.plan.steps;
    let depth = |index: usize| state.around(index).len();
    let width = plan.iter().enumerate().map(|(i, s)| s.name.as_str().chars().count() + 2 * depth(i)).max();
    let width = width.unwrap_or(0).min(40);
    let kinds = plan.iter().map(|step| kind(&step.body).chars().count()).max().unwrap_or(0).min(30);
    plan.iter()
        .zip(&state.steps)
        .enumerate()
        .map(|(index, (planned, step))| {
            let glyph = Glyph::of(&step.status, &planned.body);
            let indent = "  ".repeat(depth(index));
            let name = format!("{indent}{}", planned.name);
            let mark = if planned.mark { if unicode { " ◆" } else { " *" } } else { "" };
            let mut said = said(state, planned, step, model.progress.get(&planned.name), now, unicode);
            for (name, value) in model.gauges.get(&planned.name).into_iter().flatten() {
                said = format!("{said}  {}", gauge(name, *value));
            }
            let text = format!(
                "{} {name:<width$} {:<kinds$}{mark}  {said}",
                glyph.sign(unicode),
                kind(&planned.body)
            );
            Line { text: escaped(text.trim_end()), colour: glyph.colour, rank: rank(&step.status) }
        })
        .collect()
}

fn kind(body: &Body) -> String {
    match body {
        Body::Check { plugin, action }
        | Body::Action { plugin, action, .. }
        | Body::Hold { plugin, action, .. } => {
            format!("{plugin}.{action}")
        }
        Body::Outage { .. } => "outage".to_owned(),
        Body::Approve { .. } => "approve".to_owned(),
        Body::Gather { .. } => "for-each".to_owned(),
    }
}

fn rank(status: &Status) -> u8 {
    match status {
        Status::Waiting | Status::Skipped => 3,
        status if status.ended_well() => 2,
        Status::Undone => 2,
        _ => 1,
    }
}

fn said(
    state: &RunState,
    planned: &PlanStep,
    step: &StepState,
    progress: Option<&Progress>,
    now: i64,
    unicode: bool,
) -> String {
    let glyph = Glyph::of(&step.status, &planned.body);
    let spent = step.began.map(|began| duration(now - began)).unwrap_or_default();
    match (&step.status, &planned.body) {
        (Status::Waiting | Status::Skipped, _) => glyph.word.to_owned(),
        (Status::Asked { .. }, Body::Approve { message, by, .. }) => {
            let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
            format!(
                "{message}{by}  cutwater approve {} {} --plan {}",
                state.run,
                planned.name,
                short(&state.plan.hash)
            )
        }
        (Status::Open, Body::Outage { limit_ms }) => clock("down", &spent, *limit_ms),
        (Status::Taken | Status::Confirmed | Status::Releasing { .. }, Body::Hold { limit_ms, .. }) => {
            clock("held", &spent, *limit_ms)
        }
        (Status::Applying, _) => match progress {
            Some(progress) => format!("{spent}  {}", measured(progress, unicode)),
            None if step.attempts > 1 => format!("{spent}  attempt {}", step.attempts),
            None => spent,
        },
        (Status::Undoing, _) => match progress {
            Some(progress) => format!("{}  {}", glyph.word, measured(progress, unicode)),
            None => glyph.word.to_owned(),
        },
        (status, _) => {
            let took = step.began.map(|began| duration(step.since - began)).unwrap_or_default();
            match reason(status) {
                Some(reason) => format!("{}: {}", glyph.word, reason.lines().collect::<Vec<_>>().join(" ")),
                None if took.is_empty() => glyph.word.to_owned(),
                None => format!("{} {took}", glyph.word),
            }
        }
    }
}

fn clock(word: &str, spent: &str, limit_ms: u64) -> String {
    format!("{word} {spent} of at most {}", span(limit_ms))
}

/// `[#####-----]  45 %  460.0 MiB of 1.0 GiB, 80.0 MiB/s, 7.1s left`
fn measured(progress: &Progress, unicode: bool) -> String {
    const CELLS: u64 = 16;
    let mut parts = Vec::new();
    let mut bar = String::new();
    if progress.total > 0 {
        let done = progress.done.min(progress.total);
        let full = (u128::from(done) * u128::from(CELLS) / u128::from(progress.total)) as usize;
        let (on, off) = if unicode { ("█", "░") } else { ("#", "-") };
        let percent = u128::from(done) * 100 / u128::from(progress.total);
        bar = format!("{}{} {percent:>3} %  ", on.repeat(full), off.repeat(CELLS as usize - full));
        parts.push(format!("{} of {}", amount(done, &progress.unit), amount(progress.total, &progress.unit)));
    } else {
        parts.push(amount(progress.done, &progress.unit));
    }
    if let Some(rate) = progress.rate() {
        parts.push(format!("{}/s", amount(rate as u64, &progress.unit)));
    }
    if let Some(left) = progress.left_ms() {
        parts.push(format!("{} left", duration(left)));
    }
    format!("{bar}{}", parts.join(", "))
}
