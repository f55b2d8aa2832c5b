//! The calls under way: who must be told to stop when, and who did not answer in time. One thread watches them all. It must
//! not know what a call does.
//!
//!     running ─stop, or its time is over→ stopping ─grace→ killed: the guest traps at its next tick
//!                                                              └ and if it hangs in the host: given up, lost

use cutwater_core::answer::Ending;
use cutwater_driver::ports::{CallId, Outcome, Report};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// From the kill until a guest that has not come back is given up.
const LAST: Duration = Duration::from_millis(500);

/// What a taken hold can be told.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// Is it unbroken?
    Intact,
    /// Give it back.
    Release(Ending),
}

/// The flags of one stretch of a call: a stretch is the whole of most calls, and one guest call of a hold.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Told to stop.
    pub stop: Arc<AtomicBool>,
    /// Ended at the next tick.
    pub kill: Arc<AtomicBool>,
}

/// The one answer of a stretch: whoever is first gives it.
#[derive(Debug, Clone)]
pub struct Reply {
    call: CallId,
    reports: Sender<Report>,
    given: Arc<AtomicBool>,
}

impl Reply {
    /// Of this call.
    pub fn new(call: CallId, reports: Sender<Report>) -> Self {
        Self { call, reports, given: Arc::default() }
    }

    /// Gives it. False: it had been given already.
    pub fn give(&self, outcome: Outcome) -> bool {
        let first = !self.given.swap(true, Ordering::SeqCst);
        if first {
            let _ = self.reports.send(Report::Done { call: self.call, outcome });
        }
        first
    }
}

struct Entry {
    flags: Flags,
    stop_at: Option<Instant>,
    kill_at: Option<Instant>,
    lose_at: Option<Instant>,
    lost: Option<(Reply, Outcome)>,
    orders: Option<Sender<Order>>,
}

/// All of them.
pub struct Under {
    inner: Arc<Inner>,
    grace: Duration,
}

#[derive(Default)]
struct Inner {
    calls: Mutex<BTreeMap<CallId, Entry>>,
    changed: Condvar,
}

impl Under {
    /// None yet. The watching thread begins with the first.
    pub fn new(grace: Duration) -> Self {
        let inner = Arc::new(Inner::default());
        let weak = Arc::downgrade(&inner);
        // Without the thread nothing is ever told to stop by itself; `begin` would fail in the same way.
        let _ = std::thread::Builder::new().name("watch".into()).spawn(move || watch(&weak, grace));
        Self { inner, grace }
    }

    /// A stretch begins: it is told to stop after `time`. `lost` is given in its place when it does not come back.
    pub fn begin(&self, call: CallId, time: Option<Duration>, lost: Option<(Reply, Outcome)>) -> Flags {
        let flags = Flags::default();
        let mut calls = self.lock();
        let orders = calls.remove(&call).and_then(|before| before.orders);
        let stop_at = time.and_then(|time| Instant::now().checked_add(time));
        let entry = Entry { flags: flags.clone(), stop_at, kill_at: None, lose_at: None, lost, orders };
        calls.insert(call, entry);
        self.inner.changed.notify_all();
        flags
    }

    /// The stretch is over; the call lives on, and is under no time.
    pub fn rest(&self, call: CallId, orders: Option<Sender<Order>>) {
        if let Some(entry) = self.lock().get_mut(&call) {
            (entry.stop_at, entry.kill_at, entry.lose_at, entry.lost) = (None, None, None, None);
            if orders.is_some() {
                entry.orders = orders;
            }
        }
    }

    /// The call is over.
    pub fn end(&self, call: CallId) {
        self.lock().remove(&call);
    }

    /// Tells it to stop.
    pub fn stop(&self, call: CallId) {
        if let Some(entry) = self.lock().get_mut(&call) {
            entry.stop(self.grace);
            self.inner.changed.notify_all();
        }
    }

    /// Orders a taken hold. One that is gone answers nothing.
    pub fn order(&self, call: CallId, order: Order) {
        if let Some(orders) = self.lock().get(&call).and_then(|entry| entry.orders.as_ref()) {
            let _ = orders.send(order);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CallId, Entry>> {
        self.inner.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn stop(&mut self, grace: Duration) {
        if !self.flags.stop.swap(true, Ordering::SeqCst) {
            self.stop_at = None;
            self.kill_at = Instant::now().checked_add(grace);
        }
    }

    /// Does what is due at `now`; tells when it wants to be looked at again.
    fn look(&mut self, now: Instant, grace: Duration) -> Option<Instant> {
        if self.stop_at.is_some_and(|at| at <= now) {
            self.stop(grace);
        }
        if self.kill_at.is_some_and(|at| at <= now) {
            self.flags.kill.store(true, Ordering::SeqCst);
            self.kill_at = None;
            self.lose_at = now.checked_add(LAST);
        }
        if self.lose_at.is_some_and(|at| at <= now) {
            self.lose_at = None;
            if let Some((reply, outcome)) = self.lost.take() {
                reply.give(outcome);
            }
        }
        [self.stop_at, self.kill_at, self.lose_at].into_iter().flatten().min()
    }
}

fn watch(inner: &Weak<Inner>, grace: Duration) {
    const IDLE: Duration = Duration::from_millis(500);
    while let Some(inner) = inner.upgrade() {
        let mut calls = inner.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let next = calls.values_mut().filter_map(|entry| entry.look(now, grace)).min();
        let wait = next.map_or(IDLE, |next| next.saturating_duration_since(now).min(IDLE));
        // What wakes it: a change, a time, or a look whether anybody is left.
        drop(inner.changed.wait_timeout(calls, wait).unwrap_or_else(PoisonError::into_inner));
    }
}
