//! A run's own row: what lists show of it and where its history ends, with proof that it is what was written. It must
//! not read events.

use crate::error::{Fault, StoreError};
use crate::sum::{SUM_BYTES, row_sum};
use cutwater_core::event::EVENT_FORMAT;
use cutwater_core::names::RunId;
use cutwater_driver::ports::JournalError;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use std::collections::HashSet;

/// The row.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub key: i64,
    pub id: String,
    pub name: String,
    pub plan: String,
    pub format: u32,
    pub started: i64,
    pub last: u64,
    pub changed: i64,
    pub epoch: Option<u32>,
    pub pid: Option<u32>,
    pub boot: Option<String>,
    pub outcome: Option<String>,
    pub because: Option<String>,
}

const COLUMNS: &str =
    "key, id, name, plan, format, started, last, changed, epoch, pid, boot, outcome, because, sum";

impl Head {
    /// Of a run that nothing is known of yet.
    pub fn new(run: &RunId, at: i64) -> Self {
        Self {
            key: 0,
            id: run.to_string(),
            name: String::new(),
            plan: String::new(),
            format: EVENT_FORMAT,
            started: at,
            last: 0,
            changed: at,
            epoch: None,
            pid: None,
            boot: None,
            outcome: None,
            because: None,
        }
    }

    /// Whether it needs an owner or a person: no end, or stopped part-way.
    pub fn is_unfinished(&self) -> bool {
        self.outcome.as_deref().is_none_or(|outcome| outcome == "stopped")
    }

    fn sum(&self) -> [u8; SUM_BYTES] {
        let number = |number: Option<u32>| number.map(|n| n.to_string());
        row_sum(&[
            Some(&self.key.to_string()),
            Some(&self.id),
            Some(&self.name),
            Some(&self.plan),
            Some(&self.format.to_string()),
            Some(&self.started.to_string()),
            Some(&self.last.to_string()),
            Some(&self.changed.to_string()),
            number(self.epoch).as_deref(),
            number(self.pid).as_deref(),
            self.boot.as_deref(),
            self.outcome.as_deref(),
            self.because.as_deref(),
        ])
    }
}

/// A row that does not agree with its checksum: who it seems to be, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub id: String,
    pub what: String,
}

/// The run's row. A row that cannot be proven is [`JournalError::Damaged`] at the run's first event: where its history
/// ends is not known then.
pub fn find(connection: &Connection, run: &RunId) -> Result<Option<Head>, Fault> {
    let through = |table: &str| {
        connection
            .prepare_cached(&format!("select {COLUMNS} from {table} where id = ?"))
            .and_then(|mut found| found.query_row([run.as_str()], |row| Ok(proven(row))).optional())
            .map_err(|error| at_place(run, 1, error))
    };
    // A damaged index may hide a row that is there; a run that is not there is looked for rarely.
    let found = match through("runs")? {
        Some(found) => Some(found),
        None => through("runs not indexed")?,
    };
    match found {
        None => Ok(None),
        Some(Ok(head)) if head.id == run.as_str() => Ok(Some(head)),
        Some(Ok(head)) => Err(damaged(run, 1, format!("its row is that of run {}", head.id)).into()),
        Some(Err(broken)) => Err(damaged(run, 1, broken.what).into()),
    }
}

/// Every row, oldest first; then the runs that only the index knows, whose rows are gone.
pub fn all(connection: &Connection) -> Result<Vec<Result<Head, Broken>>, rusqlite::Error> {
    let mut rows = connection
        .prepare_cached(&format!("select {COLUMNS} from runs order by key"))?
        .query_map([], |row| Ok(proven(row)))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut index = connection.prepare_cached("select id from runs indexed by sqlite_autoindex_runs_1")?;
    let indexed: Vec<String> = index.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let there: HashSet<&str> = rows.iter().flatten().map(|head| head.id.as_str()).collect();
    let gone: Vec<String> = indexed.iter().filter(|id| !there.contains(id.as_str())).cloned().collect();
    for id in gone {
        let known = rows.iter().any(|row| matches!(row, Err(broken) if broken.id == id));
        if !known {
            rows.push(Err(Broken { id, what: "its row in the list of runs is gone".to_owned() }));
        }
    }
    Ok(rows)
}

/// Writes it: a new row, and its key, where that is 0.
pub fn write(connection: &Connection, head: &mut Head) -> Result<(), rusqlite::Error> {
    if head.key == 0 {
        head.key = connection.query_row("select ifnull(max(key), 0) + 1 from runs", [], |row| row.get(0))?;
    }
    let mut put = connection.prepare_cached(&format!(
        "insert into runs ({COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (key) do update set name = excluded.name, plan = excluded.plan, format = excluded.format,
             last = excluded.last, changed = excluded.changed, epoch = excluded.epoch, pid = excluded.pid,
             boot = excluded.boot, outcome = excluded.outcome, because = excluded.because, sum = excluded.sum"
    ))?;
    put.execute(params![
        head.key,
        head.id,
        head.name,
        head.plan,
        head.format,
        head.started,
        head.last as i64,
        head.changed,
        head.epoch,
        head.pid,
        head.boot,
        head.outcome,
        head.because,
        head.sum()
    ])?;
    Ok(())
}

fn proven(row: &Row<'_>) -> Result<Head, Broken> {
    let broken = |what: String| {
        let id = match row.get_ref(1) {
            Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            _ => "?".to_owned(),
        };
        Broken { id, what }
    };
    let head =
        head(row).map_err(|error| broken(format!("its row in the list of runs is broken ({error})")))?;
    let sum: Vec<u8> = row.get(13).unwrap_or_default();
    if sum != head.sum() {
        return Err(broken("the checksum of its row in the list of runs does not match".to_owned()));
    }
    Ok(head)
}

fn head(row: &Row<'_>) -> Result<Head, rusqlite::Error> {
    Ok(Head {
        key: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        plan: row.get(3)?,
        format: row.get(4)?,
        started: row.get(5)?,
        last: row.get::<_, i64>(6)? as u64,
        changed: row.get(7)?,
        epoch: row.get(8)?,
        pid: row.get(9)?,
        boot: row.get(10)?,
        outcome: row.get(11)?,
        because: row.get(12)?,
    })
}

/// A broken page, or text that is no UTF-8, is damage at that place; anything else is the file's own trouble.
pub fn at_place(run: &RunId, at: u64, error: rusqlite::Error) -> Fault {
    match &error {
        rusqlite::Error::SqliteFailure(cause, _)
            if matches!(cause.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) =>
        {
            damaged(run, at, format!("a page of the file is broken ({error})")).into()
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => {
            damaged(run, at, format!("its row is broken ({error})")).into()
        }
        _ => Fault::All(StoreError::from(error)),
    }
}

/// What is stored of this run is not what was written.
pub fn damaged(run: &RunId, at: u64, what: String) -> JournalError {
    JournalError::Damaged { run: run.clone(), at, what }
}
