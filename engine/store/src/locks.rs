//! The locks: rows that outlive a crash. It must not know what a lock's name stands for.

use crate::error::{Fault, StoreError};
use crate::head::{self, Head};
use crate::history::Lock;
use crate::sum::{SUM_BYTES, row_sum};
use cutwater_core::names::{RunId, Seq};
use cutwater_driver::ports::JournalError;
use rusqlite::{Connection, params};
use std::collections::HashMap;

/// A lock's row, proven; its holder only where that run's row is.
struct Held {
    name: String,
    key: i64,
    since: i64,
    holder: Option<Head>,
}

/// Takes all or none. A lock of a run that has ended is free: its owner died between the end and the unlocking.
/// What the run already has stays. While any lock cannot be proven, or a run has lost its end, none is given.
pub fn lock(
    connection: &Connection,
    run: &RunId,
    names: &[String],
    at: i64,
    acknowledged: &HashMap<RunId, Seq>,
) -> Result<(), Fault> {
    let mine = head::find(connection, run)?.ok_or_else(|| JournalError::NoRun(run.clone()))?;
    if names.is_empty() {
        return Ok(());
    }
    for held in proven(connection, acknowledged)? {
        // A run whose row is damaged may well be open.
        let is_open = held.holder.as_ref().is_none_or(Head::is_unfinished);
        if held.key != mine.key && is_open && names.contains(&held.name) {
            let holder = held.holder.map_or_else(|| "whose row is damaged".to_owned(), |head| head.id);
            return Err(JournalError::Locked { name: held.name, holder: RunId::new(holder) }.into());
        }
    }
    for name in names {
        connection
            .prepare_cached(
                "insert into locks (name, run, since, sum) values (?, ?, ?, ?)
                 on conflict (name) do update set run = excluded.run, since = excluded.since, sum = excluded.sum
                 where run <> excluded.run",
            )?
            .execute(params![name, mine.key, at, lock_sum(name, mine.key, at)])?;
    }
    Ok(())
}

/// Gives them all back; none is fine.
pub fn unlock(connection: &Connection, run: &RunId) -> Result<(), Fault> {
    connection
        .prepare_cached("delete from locks where run = (select key from runs where id = ?)")?
        .execute([run.as_str()])?;
    Ok(())
}

/// Every lock that is held, by name.
pub fn all(connection: &Connection, acknowledged: &HashMap<RunId, Seq>) -> Result<Vec<Lock>, StoreError> {
    let lock = |held: Held| match held.holder {
        Some(head) => Ok(Lock { name: held.name, run: RunId::new(head.id), since: held.since }),
        None => Err(StoreError::Lock(held.name)),
    };
    proven(connection, acknowledged)?.into_iter().map(lock).collect()
}

fn proven(connection: &Connection, acknowledged: &HashMap<RunId, Seq>) -> Result<Vec<Held>, StoreError> {
    let heads: Vec<Head> = head::all(connection)?.into_iter().flatten().collect();
    for (run, last) in acknowledged {
        let head = heads.iter().find(|head| head.id == run.as_str());
        if head.is_none_or(|head| head.last < last.0) {
            return Err(StoreError::LostEnd(run.to_string()));
        }
    }
    let mut rows = connection.prepare_cached("select name, run, since, sum from locks order by name")?;
    let mut found = rows.query([])?;
    let mut locks = Vec::new();
    while let Some(row) = found.next()? {
        let (name, key, since): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if row.get::<_, Vec<u8>>(3)? != lock_sum(&name, key, since) {
            return Err(StoreError::Lock(name));
        }
        let holder = heads.iter().find(|head| head.key == key).cloned();
        locks.push(Held { name, key, since, holder });
    }
    // A row that the table hides is still known to the index.
    let mut index = connection.prepare_cached("select name from locks indexed by locks_by_run")?;
    for name in index.query_map([], |row| row.get::<_, String>(0))? {
        let name = name?;
        if !locks.iter().any(|held| held.name == name) {
            return Err(StoreError::Lock(name));
        }
    }
    Ok(locks)
}

fn lock_sum(name: &str, key: i64, since: i64) -> [u8; SUM_BYTES] {
    row_sum(&[Some(name), Some(&key.to_string()), Some(&since.to_string())])
}
