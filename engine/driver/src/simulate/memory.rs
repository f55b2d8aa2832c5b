//! A journal in memory. It must not know what an event means.

use crate::faults::held;
use crate::ports::{Journal, JournalError};
use cutwater_core::event::{Event, Record};
use cutwater_core::names::{RunId, Seq};
use std::sync::Mutex;

/// The history of one run, and how much of it a power cut would leave.
#[derive(Debug, Default)]
pub struct Memory {
    /// All of it, in order.
    pub records: Mutex<Vec<Record>>,
    /// How many appends came.
    pub appends: Mutex<u64>,
    durable: Mutex<usize>,
}

impl Memory {
    /// Loses what was not durable.
    pub fn cut_power(&self) {
        held(&self.records).truncate(*held(&self.durable));
    }
}

impl Journal for Memory {
    fn append(
        &self,
        _: &RunId,
        expected: Seq,
        at: i64,
        events: &[Event],
        durable: bool,
    ) -> Result<Seq, JournalError> {
        *held(&self.appends) += 1;
        let mut records = held(&self.records);
        let found = records.len() as u64;
        if found != expected.0 {
            return Err(JournalError::Lost { expected: expected.0, found });
        }
        for event in events {
            let seq = Seq(records.len() as u64 + 1);
            records.push(Record { seq, at, event: stored(event)? });
        }
        if durable {
            *held(&self.durable) = records.len();
        }
        Ok(Seq(records.len() as u64))
    }

    fn read(&self, _: &RunId, after: Seq) -> Result<Vec<Record>, JournalError> {
        let records = held(&self.records);
        let after = usize::try_from(after.0).unwrap_or(usize::MAX).min(records.len());
        Ok(records[after..].to_vec())
    }

    fn runs(&self) -> Result<Vec<RunId>, JournalError> {
        Ok(Vec::new())
    }

    fn lock(&self, _: &RunId, _: &[String]) -> Result<(), JournalError> {
        Ok(())
    }

    fn unlock(&self, _: &RunId) -> Result<(), JournalError> {
        Ok(())
    }
}

/// What comes back is what was stored: through JSON, as on disk. A plan goes in once and is the same in every journal.
fn stored(event: &Event) -> Result<Event, JournalError> {
    if matches!(event, Event::Created { .. }) {
        return Ok(event.clone());
    }
    let text = serde_json::to_string(event).map_err(|error| JournalError::Storage(Box::new(error)))?;
    serde_json::from_str(&text).map_err(|error| JournalError::Storage(Box::new(error)))
}
