//! The list of runs without their events. It must not load a plan.

use cutwater_core::event::Outcome;
use cutwater_core::names::{Epoch, RunId, Seq};
use rusqlite::{Connection, Row};

/// A run in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Which.
    pub run: RunId,
    /// Its workflow's name.
    pub name: String,
    /// Its plan's hash.
    pub plan: String,
    /// Milliseconds since 1970 of its first event.
    pub started: i64,
    /// Of its last one.
    pub changed: i64,
    /// The place of its last event.
    pub last: Seq,
    /// Who took it last.
    pub owner: Option<Owner>,
    /// How it ended, and why, if it has and nobody took it up again.
    pub ended: Option<(Outcome, String)>,
}

/// Who took a run. Whether that process still lives is for the caller to find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// How many times the run had changed hands.
    pub epoch: Epoch,
    /// Its process.
    pub pid: u32,
    /// The kernel's boot id then.
    pub boot: String,
}

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// Who holds it.
    pub run: RunId,
    /// Milliseconds since 1970.
    pub since: i64,
}

const COLUMNS: &str = "id, name, plan, started, changed, last, epoch, pid, boot, outcome, because";

/// Every run, oldest first.
pub fn all(connection: &Connection) -> Result<Vec<Summary>, rusqlite::Error> {
    connection
        .prepare_cached(&format!("select {COLUMNS} from runs order by key"))?
        .query_map([], summary)?
        .collect()
}

/// Those that need an owner or a person: no end, or stopped part-way. Oldest first.
pub fn unfinished(connection: &Connection) -> Result<Vec<Summary>, rusqlite::Error> {
    connection
        .prepare_cached(&format!(
            "select {COLUMNS} from runs where outcome is null or outcome = 'stopped' order by key"
        ))?
        .query_map([], summary)?
        .collect()
}

fn summary(row: &Row<'_>) -> Result<Summary, rusqlite::Error> {
    let owner = match (row.get::<_, Option<u32>>(6)?, row.get::<_, Option<u32>>(7)?, row.get(8)?) {
        (Some(epoch), Some(pid), Some(boot)) => Some(Owner { epoch: Epoch(epoch), pid, boot }),
        _ => None,
    };
    let outcome = row
        .get::<_, Option<String>>(9)?
        .and_then(|text| serde_json::from_value::<Outcome>(serde_json::Value::String(text)).ok());
    Ok(Summary {
        run: RunId::new(row.get::<_, String>(0)?),
        name: row.get(1)?,
        plan: row.get(2)?,
        started: row.get(3)?,
        changed: row.get(4)?,
        last: Seq(row.get::<_, i64>(5)? as u64),
        owner,
        ended: outcome.zip(row.get::<_, Option<String>>(10)?),
    })
}
