//! The locks: rows that outlive a crash. It must not know what a lock's name stands for.

use crate::error::Fault;
use crate::history::Lock;
use cutwater_core::names::RunId;
use cutwater_driver::ports::JournalError;
use rusqlite::{Connection, OptionalExtension, params};

/// Takes all or none. A lock of a run that has ended is free: its owner died between the end and the unlocking.
/// What the run already has stays.
pub fn lock(connection: &Connection, run: &RunId, names: &[String], at: i64) -> Result<(), Fault> {
    let key: i64 = connection
        .prepare_cached("select key from runs where id = ?")?
        .query_row([run.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| JournalError::NoRun(run.clone()))?;
    let mut holder = connection.prepare_cached(
        "select runs.key, runs.id from locks join runs on runs.key = locks.run
         where locks.name = ? and runs.key <> ? and (runs.outcome is null or runs.outcome = 'stopped')",
    )?;
    for name in names {
        let held: Option<String> = holder.query_row(params![name, key], |row| row.get(1)).optional()?;
        if let Some(holder) = held {
            return Err(JournalError::Locked { name: name.clone(), holder: RunId::new(holder) }.into());
        }
    }
    for name in names {
        connection
            .prepare_cached(
                "insert into locks (name, run, since) values (?, ?, ?)
                 on conflict (name) do update set run = excluded.run, since = excluded.since where run <> excluded.run",
            )?
            .execute(params![name, key, at])?;
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
pub fn all(connection: &Connection) -> Result<Vec<Lock>, rusqlite::Error> {
    connection
        .prepare_cached("select locks.name, runs.id, since from locks join runs on runs.key = locks.run order by locks.name")?
        .query_map([], |row| {
            Ok(Lock { name: row.get(0)?, run: RunId::new(row.get::<_, String>(1)?), since: row.get(2)? })
        })?
        .collect()
}
