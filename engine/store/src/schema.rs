//! The tables, and how an older file becomes a newer one. It must not know what is in an event.
//!
//! A file of a newer format is read, never written; so a newer format may add tables and columns but never change the
//! meaning of those that are here.

use crate::error::StoreError;
use crate::reserve;
use rusqlite::Connection;
use std::path::Path;

/// The format of the file that this program writes (`pragma user_version`).
pub const FORMAT: u32 = 1;

/// Marks the file as Cutwater's (`pragma application_id`): "Cutw".
const APPLICATION: i64 = 0x4375_7477;

/// What an older Cutwater says about who brought the file to this format.
const WRITER: &str = concat!("Cutwater ", env!("CARGO_PKG_VERSION"));

/// The name of the view for people who look with `sqlite3`: run, seq, at, event, body.
pub const EVENTS_VIEW: &str = "event";

/// Step n makes format n + 1 out of format n, in one transaction.
///
/// `events.id` is the run's key shifted left by 32 bits plus the event's place: a run's events lie together, a place is
/// taken once, and damage to a page of events touches as few runs as possible.
const MIGRATIONS: [&str; FORMAT as usize] = ["
    create table runs (
        key integer primary key,
        id text not null unique,
        name text not null,
        plan text not null,
        format integer not null,
        started integer not null,
        last integer not null,
        changed integer not null,
        epoch integer,
        pid integer,
        boot text,
        outcome text,
        because text,
        sum blob not null
    ) strict;
    create table events (
        id integer primary key,
        at integer not null,
        body text not null,
        sum blob not null
    ) strict;
    create table locks (
        name text primary key,
        run integer not null references runs (key),
        since integer not null,
        sum blob not null
    ) strict, without rowid;
    create table about (
        what text primary key,
        said text not null
    ) strict, without rowid;
    create index locks_by_run on locks (run);
    create view event as
        select runs.id as run, events.id & 0xffffffff as seq, events.at as at,
               json_extract(events.body, '$.event') as event, events.body as body
        from events join runs on runs.key = events.id >> 32;
"];

/// What the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing was ever written.
    Empty,
    /// Made by this format, or brought to it.
    Current,
    /// Made by a newer one: read, never written.
    Newer {
        /// Its format.
        format: u32,
        /// The program that made it so, by its own words.
        by: String,
    },
}

/// Looks at the format without changing anything.
pub fn look(connection: &Connection, path: &Path) -> Result<Found, StoreError> {
    let version: u32 = connection.query_row("pragma user_version", [], |row| row.get(0))?;
    let application: i64 = connection.query_row("pragma application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    if tables == 0 {
        return match reserve::acknowledged(path).into_keys().min() {
            Some(run) => Err(StoreError::Emptied { path: path.to_owned(), run: run.to_string() }),
            None => Ok(Found::Empty),
        };
    }
    if version <= FORMAT {
        return Ok(Found::Current);
    }
    let by = connection.query_row("select said from about where what = 'writer'", [], |row| row.get(0));
    Ok(Found::Newer { format: version, by: by.unwrap_or_else(|_| "a newer Cutwater".to_owned()) })
}

/// Brings the file to [`FORMAT`]. Another process may do so at the same time: the version is read inside the transaction.
pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: u32 = transaction.query_row("pragma user_version", [], |row| row.get(0))?;
    for migration in MIGRATIONS.iter().skip(version as usize) {
        transaction.execute_batch(migration)?;
    }
    if version < FORMAT {
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.execute("insert or replace into about (what, said) values ('writer', ?)", [WRITER])?;
    }
    transaction.commit()?;
    Ok(())
}
