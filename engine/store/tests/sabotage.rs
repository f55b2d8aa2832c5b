//! The tests of the locks, tested: a journal that takes none is found out by the same look. It must not know how a
//! lock is stored.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod common;

use common::{created, place, said};
use cutwater_core::event::{Event, Outcome, Record};
use cutwater_core::names::{RunId, Seq};
use cutwater_driver::ports::{Journal, JournalError};
use cutwater_store::Store;

/// A journal that forgets the locks, all or those of a new run.
struct Sabotaged {
    inner: Store,
    takes: bool,
}

impl Journal for Sabotaged {
    fn append(
        &self,
        run: &RunId,
        expected: Seq,
        at: i64,
        events: &[Event],
        durable: bool,
    ) -> Result<Seq, JournalError> {
        self.inner.append(run, expected, at, events, durable)
    }

    fn read(&self, run: &RunId, after: Seq) -> Result<Vec<Record>, JournalError> {
        self.inner.read(run, after)
    }

    fn runs(&self) -> Result<Vec<RunId>, JournalError> {
        self.inner.runs()
    }

    fn lock(&self, run: &RunId, names: &[String]) -> Result<(), JournalError> {
        self.inner.lock(run, if self.takes { names } else { &[] })
    }

    fn begin(&self, run: &RunId, locks: &[String], at: i64, events: &[Event]) -> Result<Seq, JournalError> {
        self.inner.begin(run, if self.takes { locks } else { &[] }, at, events)
    }

    fn unlock(&self, run: &RunId) -> Result<(), JournalError> {
        self.inner.unlock(run)
    }
}

/// Where two runs had the same volume at once: the second began, or took the lock later, before the first was over.
fn doubled(journal: &dyn Journal) -> Vec<&'static str> {
    let lock = ["vg00/dat".to_owned()];
    let (first, second, third) = (RunId::new("first"), RunId::new("second"), RunId::new("third"));
    let mut doubled = Vec::new();
    let last = journal.begin(&first, &lock, 0, &[created(&first)]).unwrap();
    if journal.begin(&second, &lock, 0, &[created(&second)]).is_ok() {
        doubled.push("begin");
    }
    journal.begin(&third, &[], 0, &[created(&third)]).unwrap();
    if journal.lock(&third, &lock).is_ok() {
        doubled.push("lock");
    }
    let last = journal.append(&first, last, 0, &[said("still at it")], true).unwrap();
    let end = Event::Ended { outcome: Outcome::Done, because: String::new() };
    journal.append(&first, last, 0, &[end], true).unwrap();
    journal.lock(&third, &lock).unwrap();
    doubled
}

#[test]
fn a_lock_that_is_not_taken_is_found_out() {
    let look = |takes| {
        let (_folder, path) = place();
        let journal = Sabotaged { inner: Store::open(&path).unwrap(), takes };
        doubled(&journal)
    };
    assert_eq!(look(true), Vec::<&str>::new());
    assert_eq!(look(false), ["begin", "lock"]);
}
