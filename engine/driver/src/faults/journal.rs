//! The journal with faults before it. It must not know what an event means.

use super::{Death, Life, Strike, What, point};
use crate::ports::{Journal, JournalError};
use cutwater_core::event::{Event, Record};
use cutwater_core::names::{RunId, Seq};
use std::sync::Arc;

pub(super) struct Hooked {
    pub inner: Arc<dyn Journal>,
    pub life: Arc<Life>,
}

impl Hooked {
    /// Writes, with what strikes here; `write` may be called more than once.
    fn written(
        &self,
        expected: Seq,
        events: &[Event],
        write: &dyn Fn(bool) -> Result<Seq, JournalError>,
        durable: bool,
    ) -> Result<Seq, JournalError> {
        if let Some(refusal) = self.life.refusal(expected.0) {
            return Err(refusal);
        }
        let dead = || JournalError::Storage("the engine was killed".into());
        match self.life.strikes(What::append(events), events.first().and_then(point::step)) {
            Some(Strike::KilledBefore) => {
                self.life.end(Death::Killed);
                Err(dead())
            }
            Some(Strike::KilledAfter) => {
                write(durable)?;
                self.life.end(Death::Killed);
                Err(dead())
            }
            Some(Strike::NotWritten) => Err(JournalError::Storage("no space left on device".into())),
            Some(Strike::Repeated) => {
                write(durable)?;
                write(durable)
            }
            Some(Strike::NotSynced) => write(false),
            _ => write(durable),
        }
    }
}

impl Journal for Hooked {
    fn append(
        &self,
        run: &RunId,
        expected: Seq,
        at: i64,
        events: &[Event],
        durable: bool,
    ) -> Result<Seq, JournalError> {
        let write = |durable| self.inner.append(run, expected, at, events, durable);
        self.written(expected, events, &write, durable)
    }

    fn read(&self, run: &RunId, after: Seq) -> Result<Vec<Record>, JournalError> {
        match self.life.refusal(after.0) {
            Some(refusal) => Err(refusal),
            None => self.inner.read(run, after),
        }
    }

    fn runs(&self) -> Result<Vec<RunId>, JournalError> {
        self.inner.runs()
    }

    fn lock(&self, run: &RunId, names: &[String]) -> Result<(), JournalError> {
        self.inner.lock(run, names)
    }

    fn begin(&self, run: &RunId, locks: &[String], at: i64, events: &[Event]) -> Result<Seq, JournalError> {
        let locks = match self.life.strikes(What::Lock, None) {
            Some(Strike::Claimed) => &[],
            _ => locks,
        };
        self.written(Seq(0), events, &|_| self.inner.begin(run, locks, at, events), true)
    }

    fn is_full(&self, run: &RunId) -> bool {
        self.inner.is_full(run)
    }

    fn unlock(&self, run: &RunId) -> Result<(), JournalError> {
        self.inner.unlock(run)
    }
}
