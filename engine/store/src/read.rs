//! Reading a run back, with proof that it is what was written. It must not fold events.

use crate::error::{Fault, StoreError};
use crate::head::{self, at_place, damaged};
use crate::sum::sum;
use cutwater_core::event::{EVENT_FORMAT, Event, Record};
use cutwater_core::names::{RunId, Seq};
use cutwater_driver::ports::JournalError;
use rusqlite::{Connection, Row, params};

/// A row as it lies there.
struct Stored {
    seq: u64,
    at: i64,
    body: String,
    sum: Vec<u8>,
}

/// The events of a run after `after`, in order and without a gap; a gap, a wrong checksum or a broken page is
/// [`JournalError::Damaged`] with the place. So is an end before `acknowledged`, the last event that is known to have been
/// on the disk; it must have been learnt before this call.
pub fn events(
    connection: &mut Connection,
    run: &RunId,
    after: Seq,
    acknowledged: Option<Seq>,
) -> Result<Vec<Record>, Fault> {
    let snapshot = connection.transaction().map_err(StoreError::from)?;
    let Some(head) = head::find(&snapshot, run)? else { return Err(no_run(run, acknowledged)) };
    let mut records = Vec::new();
    let mut next = after.0 + 1;
    let mut rows = snapshot
        .prepare_cached(
            "select id & 0xffffffff, at, body, sum from events where id between ? and ? order by id",
        )
        .map_err(StoreError::from)?;
    let found = rows
        .query_map(params![head.key << 32 | next as i64, head.key << 32 | head.last as i64], stored)
        .map_err(StoreError::from)?;
    for row in found {
        let row = row.map_err(|error| at_place(run, next, error))?;
        records.push(proven(run, next, head.format, row)?);
        next += 1;
    }
    if next <= head.last {
        return Err(damaged(run, next, format!("it is missing, and {} were written", head.last)).into());
    }
    match acknowledged {
        Some(acknowledged) if acknowledged.0 > head.last => {
            let what = format!(
                "it is missing, and {} were on the disk: the end of the journal was lost",
                acknowledged.0
            );
            Err(damaged(run, head.last + 1, what).into())
        }
        _ => Ok(records),
    }
}

/// A run that is known to have been on the disk is not one that never was.
fn no_run(run: &RunId, acknowledged: Option<Seq>) -> Fault {
    match acknowledged {
        Some(Seq(last)) if last > 0 => damaged(
            run,
            1,
            format!("it is gone, and {last} were on the disk: the end of the journal was lost"),
        )
        .into(),
        _ => JournalError::NoRun(run.clone()).into(),
    }
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
        Err(_) if format > EVENT_FORMAT => {
            let by = "a newer Cutwater".to_owned();
            Err(JournalError::Newer { found: format, known: EVENT_FORMAT, by })
        }
        Err(error) => Err(damaged(run, next, format!("it is no event that this Cutwater knows ({error})"))),
    }
}
