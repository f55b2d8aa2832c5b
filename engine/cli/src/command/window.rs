//! The window of a plan as this machine's clock and journal see it: its next opening, and what must be left of it. It must
//! not hold a run up: that is the engine's.

use crate::exit::{Failure, Kind};
use crate::paths::Paths;
use crate::view::figures::date_time;
use cutwater_core::event::{Need, Record};
use cutwater_core::figures::span;
use cutwater_core::names::{Seq, StepName};
use cutwater_core::plan::{Plan, Window};
use cutwater_core::state::{RunState, Schedule, needs};
use cutwater_core::summary::Summary;
use cutwater_driver::ports::Journal;
use cutwater_driver::window::{WindowError, opening};
use cutwater_store::Store;
use std::collections::BTreeMap;

/// How many of the workflow's last runs are asked how long things took.
const RUNS: usize = 5;

/// What the plan's outages and its mark are expected to take, by the last runs of this workflow here.
pub fn expected(paths: &Paths, plan: &Plan) -> BTreeMap<StepName, Need> {
    needs(plan, &earlier(paths, plan).unwrap_or_default())
}

/// A journal that cannot be read tells nothing: then the plan's own estimates count.
fn earlier(paths: &Paths, plan: &Plan) -> Option<Vec<Vec<Record>>> {
    let store = Store::open_to_read(&paths.journal()).ok()??;
    let runs = store.history().ok()?.into_iter().rev();
    let alike = runs.filter(|run| run.name == plan.name && run.ended.is_some()).take(RUNS);
    Some(alike.filter_map(|run| store.read(&run.run, Seq(0)).ok()).collect())
}

/// The opening that a run which begins now would keep to.
pub fn schedule(paths: &Paths, plan: &Plan, now: i64) -> Result<Option<Schedule>, Failure> {
    let Some(window) = &plan.window else { return Ok(None) };
    let (opens, closes) = opening(window, now).map_err(unknown)?;
    Ok(Some(Schedule { opens, closes, needs: expected(paths, plan) }))
}

/// Whether this machine can tell when the window opens.
pub fn is_known(window: &Window) -> Result<(), Failure> {
    opening(window, 0).map(drop).map_err(unknown)
}

fn unknown(error: WindowError) -> Failure {
    Failure::new(Kind::Invalid, error)
}

/// Refuses a run that would come too late for its window.
pub fn may_start(schedule: &Schedule, window: &Window, now: i64) -> Result<(), Failure> {
    let too_short = schedule.needs.keys().find(|step| schedule.latest(step) < schedule.opens);
    if let Some(step) = too_short {
        let need = schedule.needs.get(step).map_or(0, Need::within_ms);
        let text = format!(
            "not started: the window is open for {}, and `{step}` needs {} of it with its way back; take a longer window",
            span(u64::try_from(schedule.closes - schedule.opens).unwrap_or(0)),
            span(need),
        );
        return Err(Failure::words(Kind::NotStarted, text));
    }
    if now <= schedule.start_by() {
        return Ok(());
    }
    let again = opening(window, schedule.closes).map_err(unknown)?.0;
    let text = format!(
        "not started: the window closes at {}, and the latest safe start was {}; it opens again at {}",
        date_time(schedule.closes),
        date_time(schedule.start_by()),
        date_time(again),
    );
    Err(Failure::words(Kind::NotStarted, text))
}

/// How much of the window was left when the point of no return was crossed.
pub fn left_at_the_mark(state: &RunState, figures: &Summary) -> Option<u64> {
    let closes = state.schedule.as_ref()?.closes;
    u64::try_from(closes.saturating_sub(figures.crossed.as_ref()?.at)).ok()
}

/// The opening and the latest safe starts in words, a line each.
pub fn lines(schedule: &Schedule) -> Vec<String> {
    let mut lines = vec![
        format!("opens {}, closes {}", date_time(schedule.opens), date_time(schedule.closes)),
        format!("latest safe start of the run: {}", date_time(schedule.start_by())),
    ];
    lines.extend(schedule.needs.iter().map(|(step, need)| latest(schedule, step, need)));
    lines
}

/// `` `down` by 03:41:00 (12 min, and 7 min for the way back) ``.
pub fn latest(schedule: &Schedule, step: &StepName, need: &Need) -> String {
    format!(
        "`{step}` by {} (it takes {}, the way back {})",
        date_time(schedule.latest(step)),
        span(need.forward_ms),
        span(need.back_ms)
    )
}
