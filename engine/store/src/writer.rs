//! The one thread of this process that writes: it takes what is queued into one transaction and answers after the
//! commit. It must not know events.
//!
//! A batch in which somebody waits for the disk commits with `synchronous=full` (one sync of the write-ahead log, which
//! makes all earlier commits durable too); any other batch commits with `normal`: it survives the end of the process,
//! other processes see it, and the next durable commit takes it to the disk.
//!
//! Where the file system is full each caller is served alone: a run that has begun is written into its own reserve, a
//! new one is refused.

use crate::append::{self, Append};
use crate::error::{Fault, StoreError};
use crate::locks;
use crate::reserve::{Reserves, room_for};
use cutwater_core::names::{RunId, Seq};
use cutwater_driver::ports::JournalError;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

/// At most so many callers share a commit, so that the first of them does not wait for ever.
const BATCH: usize = 256;

/// What a caller wants written.
#[derive(Debug)]
pub enum Wish {
    /// Events.
    Append(Append),
    /// The first events of a run, its reserve and all of these locks, or nothing.
    Begin(Append, Vec<String>),
    /// All of these locks, stamped with the time.
    Lock(RunId, Vec<String>, i64),
    /// None of its locks any more.
    Unlock(RunId),
}

/// A caller who waits.
#[derive(Debug)]
pub struct Request {
    pub wish: Wish,
    pub durable: bool,
    pub reply: Sender<Answer>,
}

type Answer = Result<Seq, JournalError>;

/// What the thread writes to.
pub struct Writer {
    pub connection: Connection,
    pub reserves: Reserves,
}

impl Writer {
    /// Runs until every sender is gone.
    pub fn run(mut self, requests: &Receiver<Request>) {
        go_first();
        let mut broken: Option<Arc<rusqlite::Error>> = None;
        while let Ok(first) = requests.recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH {
                match requests.try_recv() {
                    Ok(next) => batch.push(next),
                    Err(_) => break,
                }
            }
            let served = match &broken {
                Some(cause) => Err(StoreError::Broken(cause.clone())),
                None => self.serve(&batch),
            };
            if let Err(StoreError::Database(cause)) = &served
                && cause.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
            {
                broken = Some(cause.clone());
            }
            let answers =
                served.unwrap_or_else(|error| batch.iter().map(|_| Err(error.clone().into())).collect());
            for (request, answer) in batch.into_iter().zip(answers) {
                let _nobody_waits = request.reply.send(answer);
            }
        }
    }

    fn serve(&mut self, batch: &[Request]) -> Result<Vec<Answer>, StoreError> {
        match self.write(batch) {
            Err(error) if error.is_full() => batch.iter().map(|request| self.serve_alone(request)).collect(),
            written => written,
        }
    }

    fn serve_alone(&mut self, request: &Request) -> Result<Answer, StoreError> {
        let alone = std::slice::from_ref(request);
        let one =
            |answers: Vec<Answer>| answers.into_iter().next().unwrap_or(Err(StoreError::WriterGone.into()));
        match self.write(alone) {
            Err(error) if error.is_full() => {}
            written => return written.map(one),
        }
        if let Wish::Begin(first, _) = &request.wish {
            return Ok(Err(self.reserves.no_room(room(first)).into()));
        }
        if !self.reserves.give_back(request.wish.run()) {
            return Ok(Err(self.reserves.full().into()));
        }
        match self.write(alone) {
            Err(error) if error.is_full() => Ok(Err(self.reserves.full().into())),
            written => written.map(one),
        }
    }

    fn write(&mut self, batch: &[Request]) -> Result<Vec<Answer>, StoreError> {
        let written = self.commit(batch);
        for (place, request) in batch.iter().enumerate() {
            let answer = written.as_ref().ok().and_then(|answers| answers.get(place));
            match (&request.wish, answer) {
                (Wish::Append(append), Some(Ok(last))) if append.ends() && request.durable => {
                    self.reserves.release(&append.run, *last);
                }
                (Wish::Append(append) | Wish::Begin(append, _), Some(Ok(last))) if request.durable => {
                    self.reserves.note(&append.run, *last);
                }
                // Whoever was told `Lost` here meets a run that is there, with a reserve of its own.
                (Wish::Begin(first, _), answer)
                    if !matches!(answer, Some(Err(JournalError::Lost { .. }))) =>
                {
                    self.reserves.remove(&first.run);
                }
                _ => {}
            }
        }
        written
    }

    fn commit(&mut self, batch: &[Request]) -> Result<Vec<Answer>, StoreError> {
        let synchronous = if batch.iter().any(|request| request.durable) { "full" } else { "normal" };
        self.connection.pragma_update(None, "synchronous", synchronous)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut answers = Vec::with_capacity(batch.len());
        for request in batch {
            match grant(&transaction, &mut self.reserves, &request.wish) {
                Ok(seq) => answers.push(Ok(seq)),
                Err(Fault::Own(error)) => answers.push(Err(error)),
                Err(Fault::All(error)) => return Err(error),
            }
        }
        transaction.commit()?;
        Ok(answers)
    }
}

impl Wish {
    fn run(&self) -> &RunId {
        match self {
            Self::Append(append) | Self::Begin(append, _) => &append.run,
            Self::Lock(run, ..) | Self::Unlock(run) => run,
        }
    }
}

/// Beside writers of bulk data a commit waits many times longer; where the system allows it, this thread goes first.
fn go_first() {
    let this_thread = Some(rustix::thread::gettid());
    let _unprivileged = rustix::process::setpriority_process(this_thread, -20);
}

fn room(first: &Append) -> u64 {
    let (steps, plan) = first.size().unwrap_or_default();
    room_for(steps, plan)
}

fn grant(connection: &Connection, reserves: &mut Reserves, wish: &Wish) -> Result<Seq, Fault> {
    match wish {
        Wish::Append(append) => {
            let appended = append::append(connection, append)?;
            if append.takes() {
                reserves.refill(&append.run);
            }
            Ok(appended)
        }
        Wish::Begin(first, locks) => {
            connection.execute_batch("savepoint begin_run")?;
            let begun = append::append(connection, first)
                .and_then(|seq| {
                    locks::lock(connection, &first.run, locks, first.at, &reserves.acknowledged())
                        .map(|()| seq)
                })
                .and_then(|seq| {
                    reserves.make(&first.run, room(first)).map_err(|error| Fault::Own(error.into()))?;
                    Ok(seq)
                });
            if begun.is_err() {
                connection.execute_batch("rollback to begin_run")?;
            }
            connection.execute_batch("release begin_run")?;
            begun
        }
        Wish::Lock(run, names, at) => {
            locks::lock(connection, run, names, *at, &reserves.acknowledged()).map(|()| Seq(0))
        }
        Wish::Unlock(run) => locks::unlock(connection, run).map(|()| Seq(0)),
    }
}
