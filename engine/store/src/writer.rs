//! The one thread of this process that writes: it takes what is queued into one transaction and answers after the
//! commit. It must not know events.
//!
//! A batch in which somebody waits for the disk commits with `synchronous=full` (one sync of the write-ahead log, which
//! makes all earlier commits durable too); any other batch commits with `normal`: it survives the end of the process,
//! other processes see it, and the next durable commit takes it to the disk.

use crate::append::{self, Append};
use crate::error::{Fault, StoreError};
use crate::locks;
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
    /// The first events of a run and all of these locks, or nothing.
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
    pub reply: Sender<Result<Seq, JournalError>>,
}

/// Runs until every sender is gone.
pub fn run(mut connection: Connection, requests: &Receiver<Request>) {
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
        let written = match &broken {
            Some(cause) => Err(StoreError::Broken(cause.clone())),
            None => write(&mut connection, &batch),
        };
        if let Err(StoreError::Database(cause)) = &written
            && cause.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
        {
            broken = Some(cause.clone());
        }
        answer(batch, written);
    }
}

/// Beside writers of bulk data a commit waits many times longer; where the system allows it, this thread goes first.
fn go_first() {
    let this_thread = Some(rustix::thread::gettid());
    let _unprivileged = rustix::process::setpriority_process(this_thread, -20);
}

fn write(
    connection: &mut Connection,
    batch: &[Request],
) -> Result<Vec<Result<Seq, JournalError>>, StoreError> {
    let synchronous = if batch.iter().any(|request| request.durable) { "full" } else { "normal" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut answers = Vec::with_capacity(batch.len());
    for request in batch {
        match grant(&transaction, &request.wish) {
            Ok(seq) => answers.push(Ok(seq)),
            Err(Fault::Own(error)) => answers.push(Err(error)),
            Err(Fault::All(error)) => return Err(error),
        }
    }
    transaction.commit()?;
    Ok(answers)
}

fn grant(connection: &Connection, wish: &Wish) -> Result<Seq, Fault> {
    match wish {
        Wish::Append(append) => append::append(connection, append),
        Wish::Begin(first, locks) => {
            connection.execute_batch("savepoint begin_run")?;
            let begun = append::append(connection, first)
                .and_then(|seq| locks::lock(connection, &first.run, locks, first.at).map(|()| seq));
            if begun.is_err() {
                connection.execute_batch("rollback to begin_run")?;
            }
            connection.execute_batch("release begin_run")?;
            begun
        }
        Wish::Lock(run, names, at) => locks::lock(connection, run, names, *at).map(|()| Seq(0)),
        Wish::Unlock(run) => locks::unlock(connection, run).map(|()| Seq(0)),
    }
}

fn answer(batch: Vec<Request>, written: Result<Vec<Result<Seq, JournalError>>, StoreError>) {
    match written {
        Ok(answers) => {
            for (request, answer) in batch.into_iter().zip(answers) {
                let _nobody_waits = request.reply.send(answer);
            }
        }
        Err(error) => {
            for request in batch {
                let _nobody_waits = request.reply.send(Err(error.clone().into()));
            }
        }
    }
}
