//! The state of a run: a fold over its events that refuses illegal histories, and the decision what to do next.
//!
//! ```text
//! Waiting ─Intended→ Applying ─Changed→ Applied ──Intended(undo)→ Undoing ─→ Undone
//!    │                  ├─Refused→ Refused (retry: Intended)          └─ lost → UndoDoubtful ─Probed→ …
//!    ├─Skipped          ├─Failed→ Failed ──Intended(undo)→ Undoing
//!    │                  └─Unknown, crash→ Doubtful ─Probed→ Applied | Waiting | PartWay | Stuck
//! hold:   Waiting → Applying → Taken → Confirmed → Releasing → Released     (crash: Orphaned → Releasing)
//! outage: Waiting → Open → Ended
//! ```

mod advice;
mod again;
mod back;
mod decide;
mod estimate;
mod fold;
mod order;
mod rehearsal;
mod status;
mod step;
mod window;

pub use advice::{ByHand, Sides};
pub use decide::{Blocked, Decision, Todo};
pub use estimate::needs;
pub use fold::{Illegal, Phase, RunState, Standing};
pub use rehearsal::Rehearsal;
pub use status::Status;
pub use step::StepState;
pub use window::{Gate, Schedule};
