//! Following a run from outside, through its journal. It must not touch the run.

use super::find::{find, journal};
use crate::args::{Global, OneRun};
use crate::exit::{Failure, Kind, of_outcome};
use crate::paths::Paths;
use crate::view::feed::{Style, Viewer};
use cutwater_core::event::{Event, Outcome};
use cutwater_core::names::Seq;
use cutwater_driver::ports::{Journal, Watcher};
use std::time::Duration;

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Follows it to its end; the exit status is then that of the run.
pub fn run(paths: &Paths, global: &Global, args: &OneRun) -> Result<(), Failure> {
    let store = journal(paths)?;
    let run = find(&store, &args.run)?.run;
    let viewer =
        Viewer::start(Style::fitting(global.json)).map_err(|error| Failure::new(Kind::Defect, error))?;
    let mut feed = viewer.feed();
    let mut seen = Seq(0);
    let outcome = loop {
        let mut ended: Option<Outcome> = None;
        for record in store.read(&run, seen)? {
            seen = record.seq;
            // An end may be followed by a resume that takes the run up again.
            ended = match &record.event {
                Event::Ended { outcome, .. } => Some(*outcome),
                _ => None,
            };
            feed.see(&record);
        }
        if let Some(outcome) = ended {
            break outcome;
        }
        std::thread::sleep(LOOK);
    };
    viewer.finish();
    match of_outcome(outcome) {
        None => Ok(()),
        Some(kind) => Err(Failure::said(kind)),
    }
}
