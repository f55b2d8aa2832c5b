//! One append inside a transaction: the check of the place, the events, and the run's row that follows from them. It
//! must not know when the transaction ends.

use crate::error::{Fault, StoreError};
use crate::sum::sum;
use cutwater_core::event::{EVENT_FORMAT, Event};
use cutwater_core::names::{RunId, Seq};
use cutwater_driver::ports::JournalError;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

/// One event, already as text: making it is work that the writing thread need not do.
#[derive(Debug)]
pub struct Line {
    body: String,
    fact: Option<Fact>,
}

/// What an event changes in the run's row.
#[derive(Debug)]
enum Fact {
    Created { name: String, plan: String, format: u32 },
    Owned { epoch: u32, pid: u32, boot: String },
    Ended { outcome: String, because: String },
}

/// One caller's wish.
#[derive(Debug)]
pub struct Append {
    pub run: RunId,
    pub expected: Seq,
    pub at: i64,
    pub lines: Vec<Line>,
}

impl Line {
    /// The event as it is stored.
    pub fn new(event: &Event) -> Result<Self, StoreError> {
        let body = serde_json::to_string(event).map_err(|e| StoreError::Json(Arc::new(e)))?;
        let fact = match event {
            Event::Created { format, plan, .. } => {
                Some(Fact::Created { name: plan.name.clone(), plan: plan.hash.clone(), format: *format })
            }
            Event::Owned { epoch, pid, boot, .. } => {
                Some(Fact::Owned { epoch: epoch.0, pid: *pid, boot: boot.clone() })
            }
            Event::Ended { outcome, because } => {
                let text = serde_json::to_value(outcome).map_err(|e| StoreError::Json(Arc::new(e)))?;
                let outcome = text.as_str().unwrap_or_default().to_owned();
                Some(Fact::Ended { outcome, because: because.clone() })
            }
            _ => None,
        };
        Ok(Self { body, fact })
    }
}

/// The run's key, last place and event format.
struct Tail {
    key: i64,
    last: u64,
    format: u32,
}

/// Appends, or tells why this caller may not. Nothing is written for a caller who gets an error of its own.
pub fn append(connection: &Connection, wish: &Append) -> Result<Seq, Fault> {
    let tail = tail(connection, &wish.run)?;
    let (found, format) = tail.as_ref().map_or((0, EVENT_FORMAT), |t| (t.last, t.format));
    if found != wish.expected.0 {
        return Err(JournalError::Lost { expected: wish.expected.0, found }.into());
    }
    if format > EVENT_FORMAT {
        return Err(JournalError::Newer { found: format, known: EVENT_FORMAT }.into());
    }
    let last = wish.expected.plus(wish.lines.len());
    if last.0 > u64::from(u32::MAX) {
        return Err(Fault::Own(StoreError::TooLong(wish.run.to_string()).into()));
    }
    let key = match tail {
        Some(tail) => tail.key,
        None => create(connection, wish)?,
    };
    for (line, seq) in wish.lines.iter().zip(wish.expected.0 + 1..) {
        connection.prepare_cached("insert into events (id, at, body, sum) values (?, ?, ?, ?)")?.execute(
            params![key << 32 | seq as i64, wish.at, line.body, sum(&wish.run, seq, wish.at, &line.body)],
        )?;
        if let Some(fact) = &line.fact {
            note(connection, key, fact)?;
        }
    }
    connection.prepare_cached("update runs set last = ?, changed = ? where key = ?")?.execute(params![
        last.0 as i64,
        wish.at,
        key
    ])?;
    Ok(last)
}

fn tail(connection: &Connection, run: &RunId) -> Result<Option<Tail>, rusqlite::Error> {
    connection
        .prepare_cached("select key, last, format from runs where id = ?")?
        .query_row([run.as_str()], |row| {
            Ok(Tail { key: row.get(0)?, last: row.get::<_, i64>(1)? as u64, format: row.get(2)? })
        })
        .optional()
}

fn create(connection: &Connection, wish: &Append) -> Result<i64, rusqlite::Error> {
    connection
        .prepare_cached(
            "insert into runs (id, name, plan, format, started, last, changed) values (?, '', '', ?, ?, 0, ?)",
        )?
        .execute(params![wish.run.as_str(), EVENT_FORMAT, wish.at, wish.at])?;
    Ok(connection.last_insert_rowid())
}

fn note(connection: &Connection, key: i64, fact: &Fact) -> Result<(), rusqlite::Error> {
    match fact {
        Fact::Created { name, plan, format } => connection
            .prepare_cached("update runs set name = ?, plan = ?, format = ? where key = ?")?
            .execute(params![name, plan, format, key])?,
        Fact::Owned { epoch, pid, boot } => connection
            .prepare_cached(
                "update runs set epoch = ?, pid = ?, boot = ?, outcome = null, because = null where key = ?",
            )?
            .execute(params![epoch, pid, boot, key])?,
        Fact::Ended { outcome, because } => connection
            .prepare_cached("update runs set outcome = ?, because = ? where key = ?")?
            .execute(params![outcome, because, key])?,
    };
    Ok(())
}
