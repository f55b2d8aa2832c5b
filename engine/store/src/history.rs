//! The list of runs without their events. It must not load a plan.

use crate::head::{self, Broken, Head};
use cutwater_core::event::Outcome;
use cutwater_core::names::{Epoch, RunId, Seq};
use rusqlite::Connection;

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
    /// What is wrong with its row, where that cannot be proven: all else here but the name is empty then.
    pub damage: Option<String>,
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

/// Every run, oldest first.
pub fn all(connection: &Connection) -> Result<Vec<Summary>, rusqlite::Error> {
    Ok(head::all(connection)?
        .into_iter()
        .map(|row| row.map_or_else(Summary::of_broken, Summary::of))
        .collect())
}

/// Those that need an owner or a person: no end, or stopped part-way, or nobody can tell. Oldest first.
pub fn unfinished(connection: &Connection) -> Result<Vec<Summary>, rusqlite::Error> {
    let rows = head::all(connection)?.into_iter();
    let open = rows.filter(|row| row.as_ref().map_or(true, Head::is_unfinished));
    Ok(open.map(|row| row.map_or_else(Summary::of_broken, Summary::of)).collect())
}

impl Summary {
    fn of(head: Head) -> Self {
        let owner = match (head.epoch, head.pid, head.boot) {
            (Some(epoch), Some(pid), Some(boot)) => Some(Owner { epoch: Epoch(epoch), pid, boot }),
            _ => None,
        };
        let outcome = head
            .outcome
            .and_then(|text| serde_json::from_value::<Outcome>(serde_json::Value::String(text)).ok());
        Self {
            run: RunId::new(head.id),
            name: head.name,
            plan: head.plan,
            started: head.started,
            changed: head.changed,
            last: Seq(head.last),
            owner,
            ended: outcome.zip(head.because),
            damage: None,
        }
    }

    /// Of a row that cannot be proven, or is gone.
    pub(crate) fn of_broken(row: Broken) -> Self {
        Self {
            run: RunId::new(row.id),
            name: String::new(),
            plan: String::new(),
            started: 0,
            changed: 0,
            last: Seq(0),
            owner: None,
            ended: None,
            damage: Some(row.what),
        }
    }
}
