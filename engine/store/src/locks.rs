//! The locks: rows that outlive a crash. It must not know what a lock's name stands for.

use crate::error::{Fault, StoreError};
use crate::head;
use crate::history::Lock;
use crate::sum::{SUM_BYTES, row_sum};
use cutwater_core::names::RunId;
use cutwater_driver::ports::JournalError;
use rusqlite::{Connection, params};

/// Takes all or none. A lock of a run that has ended is free: its owner died between the end and the unlocking.
/// What the run already has stays. While any lock cannot be proven, none is given.
pub fn lock(connection: &Connection, run: &RunId, names: &[String], at: i64) -> Result<(), Fault> {
    let mine = head::find(connection, run)?.ok_or_else(|| JournalError::NoRun(run.clone()))?;
    for held in all(connection)? {
        if held.run != *run && names.contains(&held.name) && is_open(connection, &held.run)? {
            return Err(JournalError::Locked { name: held.name, holder: held.run }.into());
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

/// A run whose row is damaged may well be open.
fn is_open(connection: &Connection, run: &RunId) -> Result<bool, Fault> {
    match head::find(connection, run) {
        Ok(found) => Ok(found.is_some_and(|head| head.is_unfinished())),
        Err(Fault::Own(_)) => Ok(true),
        Err(fault) => Err(fault),
    }
}

/// Gives them all back; none is fine.
pub fn unlock(connection: &Connection, run: &RunId) -> Result<(), Fault> {
    connection
        .prepare_cached("delete from locks where run = (select key from runs where id = ?)")?
        .execute([run.as_str()])?;
    Ok(())
}

/// Every lock that is held, by name.
pub fn all(connection: &Connection) -> Result<Vec<Lock>, StoreError> {
    let mut rows = connection.prepare_cached(
        "select locks.name, locks.run, locks.since, locks.sum, runs.id
         from locks left join runs on runs.key = locks.run order by locks.name",
    )?;
    let mut locks = Vec::new();
    let mut found = rows.query([])?;
    while let Some(row) = found.next()? {
        let (name, key, since): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if row.get::<_, Vec<u8>>(3)? != lock_sum(&name, key, since) {
            return Err(StoreError::Lock(name));
        }
        let holder: Option<String> = row.get(4)?;
        locks.push(Lock {
            run: RunId::new(holder.ok_or_else(|| StoreError::Lock(name.clone()))?),
            name,
            since,
        });
    }
    Ok(locks)
}

fn lock_sum(name: &str, key: i64, since: i64) -> [u8; SUM_BYTES] {
    row_sum(&[Some(name), Some(&key.to_string()), Some(&since.to_string())])
}
