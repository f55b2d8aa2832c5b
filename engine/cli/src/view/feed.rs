//! Takes events from whoever has them to a thread that shows them, so that a slow terminal or a full pipe never holds up
//! a run. It must not know what is shown of an event.

use super::live::{Live, Screen};
use super::model::Model;
use super::plain::Plain;
use crate::screen;
use cutwater_core::event::Record;
use cutwater_driver::ports::Watcher;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the live picture is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A picture that moves.
    Live,
    /// A line for each event worth one.
    Plain,
    /// Every event as a JSON line.
    Json,
}

impl Style {
    /// What suits standard output.
    pub fn fitting(json: bool) -> Self {
        match (json, screen::draws()) {
            (true, _) => Self::Json,
            (false, true) => Self::Live,
            (false, false) => Self::Plain,
        }
    }
}

enum Show {
    Event(Box<Record>),
    Note(String),
    End,
}

/// The thread that shows.
pub struct Viewer {
    events: Sender<Show>,
    thread: JoinHandle<()>,
}

/// Where events go in.
#[derive(Clone)]
pub struct Feed(Sender<Show>);

impl Viewer {
    /// Starts it.
    pub fn start(style: Style) -> std::io::Result<Self> {
        let (events, shown) = channel();
        let thread = std::thread::Builder::new().name("view".to_owned()).spawn(move || match style {
            Style::Live => live(&shown),
            Style::Plain => plain(&shown),
            Style::Json => json(&shown),
        })?;
        Ok(Self { events, thread })
    }

    /// A way in.
    pub fn feed(&self) -> Feed {
        Feed(self.events.clone())
    }

    /// Waits until everything that was fed before is shown.
    pub fn finish(self) {
        let _ended_already = self.events.send(Show::End);
        let _panicked = self.thread.join();
    }
}

impl Feed {
    /// Words beside the events, such as what a second Ctrl-C would do.
    pub fn note(&self, text: impl Into<String>) {
        let _nobody_looks = self.0.send(Show::Note(text.into()));
    }
}

impl Watcher for Feed {
    fn see(&mut self, record: &Record) {
        let _nobody_looks = self.0.send(Show::Event(Box::new(record.clone())));
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn json(shown: &Receiver<Show>) {
    for show in shown {
        match show {
            Show::Event(record) => screen::print_json(&record),
            Show::Note(_) => {}
            Show::End => return,
        }
    }
}

fn plain(shown: &Receiver<Show>) {
    let mut plain = Plain::default();
    for show in shown {
        match show {
            Show::Event(record) => {
                if let Some(line) = plain.line(&record) {
                    screen::print(&format!("{line}\n"));
                }
            }
            Show::Note(text) => screen::complain(&format!("{text}\n")),
            Show::End => return,
        }
    }
}

fn live(shown: &Receiver<Show>) {
    let (mut live, mut model, mut note) = (Live::default(), Model::default(), String::new());
    let (unicode, colour) = (screen::has_unicode(), screen::colours());
    let mut open = true;
    while open {
        open = gather(shown, &mut model, &mut note);
        let over = model.state.as_ref().is_some_and(|state| state.outcome.is_some());
        let at = if over { model.at } else { now().max(model.at) };
        screen::print(&live.frame(&model, at, &note, Screen { size: screen::size(), unicode, colour }));
    }
}

/// Takes what comes until it is time for the next picture; false once nothing more can come.
fn gather(shown: &Receiver<Show>, model: &mut Model, note: &mut String) -> bool {
    let next = Instant::now() + REDRAW;
    loop {
        match shown.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Show::Event(record)) => model.apply(&record),
            Ok(Show::Note(text)) => *note = text,
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Show::End) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
