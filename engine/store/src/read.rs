//! Reading a run back, with proof that it is what was written. It must not fold events.

use crate::error::StoreError;
use crate::sum::sum;
use cutwater_core::event::{EVENT_FORMAT, Event, Record};
use cutwater_core::names::{RunId, Seq};
use cutwater_driver::ports::JournalError;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};

/// A row as it lies there.
struct Stored {
    seq: u64,
    at: i64,
    body: String,
    sum: Vec<u8>,
}

/// The events of a run after `after`, in order and without a gap; a gap, a wrong checksum or a broken page is
/// [`JournalError::Damaged`] with the place.
pub fn events(connection: &mut Connection, run: &RunId, after: Seq) -> Result<Vec<Record>, JournalError> {
    let snapshot = connection.transaction().map_err(StoreError::from)?;
    let head: Option<(i64, i64, u32)> = snapshot
        .prepare_cached("select key, last, format from runs where id = ?")
        .and_then(|mut found| {
            found.query_row([run.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        })
        .map_err(|error| at_place(run, after.0 + 1, error))?;
    let Some((key, last, format)) = head else { return Err(JournalError::NoRun(run.clone())) };
    let mut records = Vec::new();
    let mut next = after.0 + 1;
    let mut rows = snapshot
        .prepare_cached(
            "select id & 0xffffffff, at, body, sum from events where id between ? and ? order by id",
        )
        .map_err(StoreError::from)?;
    let found = rows
        .query_map(params![key << 32 | next as i64, key << 32 | 0xffff_ffff], stored)
        .map_err(StoreError::from)?;
    for row in found {
        let row = row.map_err(|error| at_place(run, next, error))?;
        records.push(proven(run, next, format, row)?);
        next += 1;
    }
    if next <= last as u64 {
        return Err(damaged(run, next, format!("it is missing, and {last} were written")));
    }
    Ok(records)
}

fn stored(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    Ok(Stored { seq: row.get::<_, i64>(0)? as u64, at: row.get(1)?, body: row.get(2)?, sum: row.get(3)? })
}

fn proven(run: &RunId, next: u64, format: u32, row: Stored) -> Result<Record, JournalError> {
    if row.seq != next {
        return Err(damaged(run, next, format!("it is missing; the next one there is {}", row.seq)));
    }
    if row.sum != sum(run, row.seq, row.at, &row.body) {
        return Err(damaged(run, next, "its checksum does not match".to_owned()));
    }
    match serde_json::from_str::<Event>(&row.body) {
        Ok(event) => Ok(Record { seq: Seq(row.seq), at: row.at, event }),
        Err(_) if format > EVENT_FORMAT => Err(JournalError::Newer { found: format, known: EVENT_FORMAT }),
        Err(error) => Err(damaged(run, next, format!("it is no event that this Cutwater knows ({error})"))),
    }
}

/// A broken page, or text that is no UTF-8, is damage at that place; anything else is the file's own trouble.
fn at_place(run: &RunId, at: u64, error: rusqlite::Error) -> JournalError {
    match &error {
        rusqlite::Error::SqliteFailure(cause, _)
            if matches!(cause.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) =>
        {
            damaged(run, at, format!("a page of the file is broken ({error})"))
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => {
            damaged(run, at, format!("its row is broken ({error})"))
        }
        _ => StoreError::from(error).into(),
    }
}

fn damaged(run: &RunId, at: u64, what: String) -> JournalError {
    JournalError::Damaged { run: run.clone(), at, what }
}
