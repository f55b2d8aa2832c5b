//! One append inside a transaction: the check of the place, the events, and the run's row that follows from them. It
//! must not know when the transaction ends.

use crate::error::{Fault, StoreError};
use crate::head::{self, Head};
use crate::sum::sum;
use cutwater_core::event::{EVENT_FORMAT, Event};
use cutwater_core::names::{RunId, Seq};
use cutwater_driver::ports::JournalError;
use rusqlite::{Connection, params};
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
    Created { name: String, plan: String, format: u32, steps: usize },
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
            Event::Created { format, plan, .. } => Some(Fact::Created {
                name: plan.name.clone(),
                plan: plan.hash.clone(),
                format: *format,
                steps: plan.steps.len(),
            }),
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

impl Append {
    /// How many steps the run's plan has, and how long it is as text; none where this does not create a run.
    pub fn size(&self) -> Option<(usize, usize)> {
        self.lines.iter().find_map(|line| match &line.fact {
            Some(Fact::Created { steps, .. }) => Some((*steps, line.body.len())),
            _ => None,
        })
    }

    /// Whether somebody takes the run with it.
    pub fn takes(&self) -> bool {
        self.lines.iter().any(|line| matches!(line.fact, Some(Fact::Owned { .. })))
    }

    /// Whether the run needs nobody any more after it.
    pub fn ends(&self) -> bool {
        let last = self.lines.iter().rev().find_map(|line| line.fact.as_ref());
        matches!(last, Some(Fact::Ended { outcome, .. }) if outcome != "stopped")
    }
}

/// Appends, or tells why this caller may not. Nothing is written for a caller who gets an error of its own.
pub fn append(connection: &Connection, wish: &Append) -> Result<Seq, Fault> {
    let known = head::find(connection, &wish.run)?;
    let found = known.as_ref().map_or(0, |head| head.last);
    if found != wish.expected.0 {
        return Err(JournalError::Lost { expected: wish.expected.0, found }.into());
    }
    let mut head = known.unwrap_or_else(|| Head::new(&wish.run, wish.at));
    if head.format > EVENT_FORMAT {
        let by = "a newer Cutwater".to_owned();
        return Err(JournalError::Newer { found: head.format, known: EVENT_FORMAT, by }.into());
    }
    let last = wish.expected.plus(wish.lines.len());
    if last.0 > u64::from(u32::MAX) {
        return Err(Fault::Own(StoreError::TooLong(wish.run.to_string()).into()));
    }
    for fact in wish.lines.iter().filter_map(|line| line.fact.as_ref()) {
        note(&mut head, fact);
    }
    head.last = last.0;
    head.changed = wish.at;
    head::write(connection, &mut head)?;
    let mut insert =
        connection.prepare_cached("insert into events (id, at, body, sum) values (?, ?, ?, ?)")?;
    for (line, seq) in wish.lines.iter().zip(wish.expected.0 + 1..) {
        let proof = sum(&wish.run, seq, wish.at, &line.body);
        insert.execute(params![head.key << 32 | seq as i64, wish.at, line.body, proof])?;
    }
    Ok(last)
}

fn note(head: &mut Head, fact: &Fact) {
    match fact {
        Fact::Created { name, plan, format, .. } => {
            head.name.clone_from(name);
            head.plan.clone_from(plan);
            head.format = *format;
        }
        Fact::Owned { epoch, pid, boot } => {
            head.epoch = Some(*epoch);
            head.pid = Some(*pid);
            head.boot = Some(boot.clone());
            head.outcome = None;
            head.because = None;
        }
        Fact::Ended { outcome, because } => {
            head.outcome = Some(outcome.clone());
            head.because = Some(because.clone());
        }
    }
}
