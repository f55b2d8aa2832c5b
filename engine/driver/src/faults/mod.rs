//! Faults that strike the ports of a run at stated points: a call that is refused, stops part-way or whose answer is
//! lost, an append that fails or comes twice, an engine that dies before or after one. The same hooks stand before a
//! simulated world and before the real one. They must not know what a step does, and have no chance of their own: a
//! [`Script`] says where they strike.

mod guard;
mod journal;
mod planned;
mod point;
mod runner;
mod typed;

pub use planned::{Fault, Planned};
pub use point::{Point, Strike, What};
pub use typed::NoFault;

use crate::engine::Ports;
use crate::ports::JournalError;
use cutwater_core::names::StepName;
use std::sync::{Arc, Mutex};

/// Says where faults strike. It is asked once at each point, in the order in which the engine comes by.
pub trait Script: Send + Sync {
    /// Whether something strikes here; `step` is none where a point is about the whole run.
    fn strikes(&self, what: What, step: Option<&StepName>) -> Option<Strike>;
}

/// How an engine's life ends at a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Killed: it does nothing more.
    Killed,
    /// It hangs, the guard acts, and somebody else owns the run.
    TakenOver,
}

/// What happens when an engine's life ends: SIGKILL for a real one, nothing for one that is simulated.
pub type OnDeath = Arc<dyn Fn(Death) + Send + Sync>;

/// The ports of one engine's life with the faults of a script before them.
pub fn hooked(inner: Ports, script: Arc<dyn Script>, on_death: OnDeath) -> Ports {
    let life = Arc::new(Life { script, on_death, over: Mutex::new(None), guard_dead: Mutex::new(false) });
    Ports {
        journal: Arc::new(journal::Hooked { inner: inner.journal, life: Arc::clone(&life) }),
        runner: Arc::new(runner::Hooked::new(inner.runner, Arc::clone(&life))),
        guard: Arc::new(guard::Hooked { inner: inner.guard, life }),
        clock: inner.clock,
    }
}

/// One engine's life, as the hooks share it.
struct Life {
    script: Arc<dyn Script>,
    on_death: OnDeath,
    over: Mutex<Option<Death>>,
    guard_dead: Mutex<bool>,
}

impl Life {
    fn strikes(&self, what: What, step: Option<&StepName>) -> Option<Strike> {
        if self.is_over() {
            return None;
        }
        self.script.strikes(what, step)
    }

    fn end(&self, death: Death) {
        *held(&self.over) = Some(death);
        (self.on_death)(death);
    }

    fn is_over(&self) -> bool {
        held(&self.over).is_some()
    }

    /// Why the journal takes nothing more, once the life is over.
    fn refusal(&self, expected: u64) -> Option<JournalError> {
        Some(match (*held(&self.over))? {
            Death::Killed => JournalError::Storage("the engine was killed".into()),
            Death::TakenOver => JournalError::Lost { expected, found: expected + 1 },
        })
    }
}

/// A lock that another thread left in a panic is taken all the same: what it guards is whole after each statement.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
