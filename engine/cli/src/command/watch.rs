//! Following a run from outside, through its journal. It must not touch the run.

use super::find::{find, journal};
use super::go::standing;
use crate::args::{Global, OneRun};
use crate::exit::{Failure, Kind, of_outcome};
use crate::machine::ownership;
use crate::paths::Paths;
use crate::view::feed::{Style, Viewer};
use cutwater_core::event::{Event, Outcome};
use cutwater_core::names::Seq;
use cutwater_core::state::{RunState, Status};
use cutwater_driver::ports::{Journal, Watcher};
use std::time::{Duration, Instant};

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long a run without an owner is waited with: a take-over by the guard comes within it.
const NOBODY: Duration = Duration::from_secs(15);

/// Follows it to its end, or until nobody goes on with it; the exit status is then that of the run.
pub fn run(paths: &Paths, global: &Global, args: &OneRun) -> Result<(), Failure> {
    let store = journal(paths)?;
    let run = find(&store, &args.run)?.run;
    let viewer =
        Viewer::start(Style::fitting(global.json)).map_err(|error| Failure::new(Kind::Defect, error))?;
    let mut feed = viewer.feed();
    let mut seen = Seq(0);
    let mut owner: Option<(u32, String)> = None;
    let mut alone: Option<Instant> = None;
    let outcome = loop {
        let mut ended: Option<Outcome> = None;
        for record in store.read(&run, seen)? {
            seen = record.seq;
            alone = None;
            // An end may be followed by a resume that takes the run up again.
            ended = match &record.event {
                Event::Ended { outcome, .. } => Some(*outcome),
                _ => None,
            };
            if let Event::Owned { pid, boot, .. } = &record.event {
                owner = Some((*pid, boot.clone()));
            }
            feed.see(&record);
        }
        if ended.is_some() {
            break ended;
        }
        let owner = owner.as_ref().map(|(pid, boot)| (*pid, boot.as_str()));
        if ownership::is_owned(paths, &run, owner) {
            alone = None;
        } else if alone.get_or_insert_with(Instant::now).elapsed() >= NOBODY {
            break None;
        }
        std::thread::sleep(LOOK);
    };
    viewer.finish();
    let Some(outcome) = outcome else {
        let state =
            RunState::fold(&store.read(&run, Seq(0))?).map_err(|error| Failure::new(Kind::Stopped, error))?;
        return Err(left(&state));
    };
    match of_outcome(outcome) {
        None => Ok(()),
        Some(kind) => Err(Failure::said(kind)),
    }
}

/// A run that is not over and that nobody goes on with, as it left whoever owned it last.
fn left(state: &RunState) -> Failure {
    let mark = state.crossed.as_ref().and_then(|mark| state.step(mark));
    let asked = state.steps.iter().any(|step| matches!(step.status, Status::Asked { .. }));
    let kind = match mark {
        Some(mark) if mark.status.ended_well() => Kind::CutOver,
        None if asked => Kind::Waiting,
        _ => Kind::Stopped,
    };
    let run = &state.run;
    Failure::words(kind, format!("nobody goes on with run {run}: cutwater resume {run}\n{}", standing(state)))
}
