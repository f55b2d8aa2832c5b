//! The journal as the driver and the command line see it. It must not know SQL.

use crate::append::{Append, Line};
use crate::error::StoreError;
use crate::head::{self, Broken};
use crate::history::{self, Lock, Summary};
use crate::reserve::{self, Reserves};
use crate::schema::{FORMAT, Found};
use crate::writer::{self, Request, Wish};
use crate::{locks, open, read};
use cutwater_core::event::{Event, Record};
use cutwater_core::names::{RunId, Seq};
use cutwater_driver::ports::{Journal, JournalError};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

/// The journal's file, open. Many processes may have the same one open; within a process all threads share one of these.
pub struct Store {
    path: PathBuf,
    reader: Mutex<Connection>,
    writer: Writer,
}

enum Writer {
    Thread { requests: Option<Sender<Request>>, thread: Option<JoinHandle<()>> },
    Newer { format: u32, by: String },
    None,
}

impl Store {
    /// Opens for reading and writing; makes the file (0600) and its folders (0700) where missing. A file of a newer
    /// format opens, and refuses every write with [`JournalError::Newer`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let (connection, found) = open::for_writing(path)?;
        let (reader, writer) = match found {
            Found::Newer { format, by } => (connection, Writer::Newer { format, by }),
            Found::Current | Found::Empty => {
                let (requests, received) = channel();
                let reserves = Reserves::beside(path);
                let writing = writer::Writer { connection, reserves };
                let thread = std::thread::Builder::new()
                    .name("journal".to_owned())
                    .spawn(move || writing.run(&received))
                    .map_err(|_| StoreError::WriterGone)?;
                (
                    open::beside_writer(path)?,
                    Writer::Thread { requests: Some(requests), thread: Some(thread) },
                )
            }
        };
        Ok(Self { path: path.to_owned(), reader: Mutex::new(reader), writer })
    }

    /// Opens for reading what is there. `None`: there is no journal yet.
    pub fn open_to_read(path: &Path) -> Result<Option<Self>, JournalError> {
        let closed = |source| StoreError::Closed { path: path.to_owned(), source: Arc::new(source) };
        if !path.try_exists().map_err(closed)? {
            return Ok(None);
        }
        let (reader, found) = open::for_reading(path)?;
        if found == Found::Empty {
            return Ok(None);
        }
        Ok(Some(Self { path: path.to_owned(), reader: Mutex::new(reader), writer: Writer::None }))
    }

    /// Every run with its outcome, oldest first; no event is read.
    pub fn history(&self) -> Result<Vec<Summary>, JournalError> {
        self.listed(history::all)
    }

    /// The runs without an end, or stopped part-way, oldest first.
    pub fn unfinished(&self) -> Result<Vec<Summary>, JournalError> {
        self.listed(history::unfinished)
    }

    /// Every lock that is held, by name.
    pub fn locks(&self) -> Result<Vec<Lock>, JournalError> {
        let acknowledged = reserve::acknowledged(&self.path);
        Ok(locks::all(&self.reading(), &acknowledged).map_err(|error| error.of_file(&self.path))?)
    }

    /// A list, with what the reserves know of lost ends; they are asked before the rows, for others may go on writing.
    fn listed(
        &self,
        list: fn(&Connection) -> Result<Vec<Summary>, rusqlite::Error>,
    ) -> Result<Vec<Summary>, JournalError> {
        let acknowledged = reserve::acknowledged(&self.path);
        let reading = self.reading();
        let mut summaries = list(&reading).map_err(|error| self.told(error))?;
        for (run, last) in acknowledged {
            let row = summaries.iter_mut().find(|summary| summary.run == run);
            let what = || format!("{} events were on the disk: the end of the journal was lost", last.0);
            match row {
                Some(row) if row.last < last && row.damage.is_none() => row.damage = Some(what()),
                Some(_) => {}
                None if head::find(&reading, &run).is_ok_and(|head| head.is_none()) => {
                    summaries.push(Summary::of_broken(Broken { id: run.to_string(), what: what() }));
                }
                None => {}
            }
        }
        Ok(summaries)
    }

    fn told(&self, error: rusqlite::Error) -> JournalError {
        StoreError::from(error).of_file(&self.path).into()
    }

    fn reading(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, wish: Wish, durable: bool) -> Result<Seq, JournalError> {
        let requests = match &self.writer {
            Writer::Thread { requests: Some(requests), .. } => requests,
            Writer::Thread { requests: None, .. } => return Err(StoreError::WriterGone.into()),
            Writer::Newer { format, by } => {
                return Err(JournalError::Newer { found: *format, known: FORMAT, by: by.clone() });
            }
            Writer::None => return Err(StoreError::ReadOnly.into()),
        };
        let (reply, answer) = channel();
        requests.send(Request { wish, durable, reply }).map_err(|_| StoreError::WriterGone)?;
        answer.recv().map_err(|_| StoreError::WriterGone)?
    }
}

impl Journal for Store {
    fn append(
        &self,
        run: &RunId,
        expected: Seq,
        at: i64,
        events: &[Event],
        durable: bool,
    ) -> Result<Seq, JournalError> {
        let lines = events.iter().map(Line::new).collect::<Result<Vec<_>, _>>()?;
        self.ask(Wish::Append(Append { run: run.clone(), expected, at, lines }), durable)
    }

    fn read(&self, run: &RunId, after: Seq) -> Result<Vec<Record>, JournalError> {
        // Before the reading, for others may go on writing.
        let acknowledged = reserve::acknowledged_of(&self.path, run);
        read::events(&mut self.reading(), run, after, acknowledged).map_err(|fault| fault.of_file(&self.path))
    }

    fn runs(&self) -> Result<Vec<RunId>, JournalError> {
        Ok(self.history()?.into_iter().map(|summary| summary.run).collect())
    }

    fn lock(&self, run: &RunId, names: &[String]) -> Result<(), JournalError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        self.ask(Wish::Lock(run.clone(), names.to_vec(), now), true).map(drop)
    }

    fn begin(&self, run: &RunId, locks: &[String], at: i64, events: &[Event]) -> Result<Seq, JournalError> {
        let lines = events.iter().map(Line::new).collect::<Result<Vec<_>, _>>()?;
        let first = Append { run: run.clone(), expected: Seq(0), at, lines };
        self.ask(Wish::Begin(first, locks.to_vec()), true)
    }

    fn is_full(&self, run: &RunId) -> bool {
        reserve::is_given_back(&self.path, run)
    }

    fn unlock(&self, run: &RunId) -> Result<(), JournalError> {
        self.ask(Wish::Unlock(run.clone()), true).map(drop)
    }
}

impl Drop for Store {
    /// Waits until what is queued is written.
    fn drop(&mut self) {
        if let Writer::Thread { requests, thread } = &mut self.writer {
            drop(requests.take());
            if let Some(thread) = thread.take() {
                let _panicked = thread.join();
            }
        }
    }
}
