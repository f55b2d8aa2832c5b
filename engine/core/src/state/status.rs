//! Where one step stands, and the table of legal changes. It must not know other steps.

use crate::answer::{Answer, Ending, Failure, Probed, Refusal};
use crate::event::{Event, Way};
use crate::plan::Body;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Status {
    /// Not begun, or found not to have happened.
    Waiting,
    /// Its condition is false.
    Skipped,
    /// The intent is durable, the answer is not here.
    Applying,
    /// Whether it happened is not known: probe.
    Doubtful { why: String },
    /// Some of it happened, and it is known from where to go on.
    PartWay,
    /// Not done, nothing left behind.
    Refused { refusal: Refusal },
    /// Stopped part-way.
    Failed { failure: Failure },
    /// Done. `changed` is false where it was already so.
    Applied { changed: bool },
    /// A person is asked.
    Asked { expires: Option<i64> },
    /// A hold is held, by this owner's instance.
    Taken,
    /// A hold's inner steps are done and it was unbroken after the last of them.
    Confirmed,
    /// A hold whose holder is gone or broken: it is released on a fresh instance.
    Orphaned { why: String },
    /// A hold's release has begun.
    Releasing { how: Ending },
    /// What became of a release is not known.
    ReleaseDoubtful { how: Ending },
    /// A hold is given back; `well`: after all of its inner steps, unbroken.
    Released { well: bool },
    /// An outage is open.
    Open,
    /// An outage is over.
    Ended,
    /// The intent to take it back is durable.
    Undoing,
    /// Whether it was taken back is not known: probe.
    UndoDoubtful { why: String },
    /// The last attempt to take it back did not succeed.
    UndoFailed { why: String },
    /// Taken back.
    Undone,
    /// A person must look; `way` is what was being done.
    Stuck { way: Way, why: String },
}

impl Status {
    /// Whether an attempt is under way.
    pub fn in_flight(&self) -> bool {
        matches!(self, Self::Applying | Self::Undoing | Self::Releasing { .. })
    }

    /// The end of a step that lets the ones after it begin.
    pub fn ended_well(&self) -> bool {
        matches!(self, Self::Applied { .. } | Self::Skipped | Self::Ended | Self::Released { well: true })
    }

    /// Whether all or some of what a step did is there, as far as is known.
    pub fn is_there(&self) -> bool {
        matches!(
            self,
            Self::Applied { changed: true } | Self::Failed { .. } | Self::PartWay | Self::UndoFailed { .. }
        )
    }

    /// Whether a person can decide what became of it.
    pub fn in_doubt(&self) -> bool {
        matches!(
            self,
            Self::Stuck { .. }
                | Self::Doubtful { .. }
                | Self::UndoDoubtful { .. }
                | Self::ReleaseDoubtful { .. }
        )
    }

    /// What becomes of it when the run has a new owner: attempts under way are in doubt, holders are gone, and what
    /// waited for a person or had failed for good gets another chance.
    pub fn under_new_owner(&self) -> Status {
        let gone = || "the engine that did it is gone".to_owned();
        match self {
            Self::Applying => Self::Doubtful { why: gone() },
            Self::Undoing | Self::UndoFailed { .. } => Self::UndoDoubtful { why: gone() },
            Self::Taken | Self::Confirmed => Self::Orphaned { why: gone() },
            Self::Releasing { how } => Self::ReleaseDoubtful { how: *how },
            Self::Stuck { way: Way::Undo, why } => Self::UndoDoubtful { why: why.clone() },
            Self::Stuck { way: Way::Release, .. } => Self::ReleaseDoubtful { how: Ending::Failed },
            Self::Stuck { way: Way::Apply, why } => Self::Doubtful { why: why.clone() },
            other => other.clone(),
        }
    }

    /// The status after an event about this step, or none where such a history is illegal.
    pub fn after(&self, body: &Body, event: &Event) -> Option<Status> {
        use Status as S;
        let hold = matches!(body, Body::Hold { .. });
        let watch = matches!(body, Body::Action { watch: true, .. });
        Some(match (self, event) {
            (S::Waiting, Event::Skipped { .. }) => S::Skipped,
            (S::Waiting, Event::Asked { expires, .. }) => S::Asked { expires: *expires },
            (S::Asked { .. }, Event::Approved { .. }) => S::Applied { changed: false },
            (S::Asked { .. }, Event::Declined { by, .. }) => S::Refused { refusal: declined(by) },
            (S::Waiting, Event::OutageBegan { .. }) => S::Open,
            (S::Open, Event::OutageEnded { .. }) => S::Ended,

            (
                S::Waiting | S::PartWay | S::Refused { .. } | S::Failed { .. },
                Event::Intended { way: Way::Apply, .. },
            ) => S::Applying,
            // Refused before there was an intent: drifted, or its input could not be made; what an earlier attempt left is
            // kept in mind elsewhere. A gathering step has no intent.
            (
                S::Waiting | S::PartWay | S::Refused { .. } | S::Failed { .. },
                Event::Answered { way: Way::Apply, answer: Answer::Refused(r), .. },
            ) => S::Refused { refusal: r.clone() },
            (S::Waiting, Event::Answered { way: Way::Apply, answer: Answer::Changed { .. }, .. })
                if matches!(body, Body::Gather { .. }) =>
            {
                S::Applied { changed: false }
            }
            (S::Applying, Event::Answered { way: Way::Apply, answer, .. }) => match answer {
                Answer::Changed { .. } | Answer::Unchanged { .. } if hold => S::Taken,
                Answer::Changed { .. } => S::Applied { changed: true },
                Answer::Unchanged { .. } => S::Applied { changed: false },
                Answer::Refused(r) => S::Refused { refusal: r.clone() },
                Answer::Failed(f) => S::Failed { failure: f.clone() },
                Answer::Unknown { why } => S::Doubtful { why: why.clone() },
            },
            (S::Doubtful { why }, Event::Probed { way: Way::Apply, found, .. }) => match found {
                Probed::Applied { .. } if hold => S::Orphaned { why: why.clone() },
                // Nobody watches any more, whatever was done.
                Probed::Applied { .. } if watch => S::PartWay,
                Probed::Applied { .. } => S::Applied { changed: true },
                Probed::NotApplied => S::Waiting,
                Probed::PartWay { .. } => S::PartWay,
                Probed::StillRunning => S::Doubtful { why: why.clone() },
                Probed::CannotTell { why } => S::Stuck { way: Way::Apply, why: why.clone() },
            },

            (S::Taken, Event::HoldConfirmed { .. }) => S::Confirmed,
            (S::Taken | S::Confirmed, Event::HoldBroken { why, .. }) => S::Orphaned { why: why.clone() },
            (
                S::Taken | S::Confirmed | S::Orphaned { .. } | S::ReleaseDoubtful { .. } | S::Doubtful { .. },
                Event::Releasing { how, .. },
            ) if hold => S::Releasing { how: *how },
            (S::Releasing { how }, Event::Answered { way: Way::Release, answer, .. }) => match answer {
                Answer::Changed { .. } | Answer::Unchanged { .. } => {
                    S::Released { well: *how == Ending::Done }
                }
                Answer::Refused(_) | Answer::Failed(_) | Answer::Unknown { .. } => {
                    S::ReleaseDoubtful { how: *how }
                }
            },

            (
                S::Applied { .. } | S::Failed { .. } | S::PartWay | S::UndoFailed { .. },
                Event::Intended { way: Way::Undo, .. },
            ) => S::Undoing,
            (S::Undoing, Event::Answered { way: Way::Undo, answer, .. }) => match answer {
                Answer::Changed { .. } | Answer::Unchanged { .. } => S::Undone,
                Answer::Refused(r) => S::UndoFailed { why: r.message.clone() },
                Answer::Failed(f) => S::UndoFailed { why: format!("{}: {}", f.message, f.left) },
                Answer::Unknown { why } => S::UndoDoubtful { why: why.clone() },
            },
            (S::UndoDoubtful { why }, Event::Probed { way: Way::Undo, found, .. }) => match found {
                Probed::NotApplied => S::Undone,
                Probed::Applied { .. } | Probed::PartWay { .. } => S::UndoFailed { why: why.clone() },
                Probed::StillRunning => S::UndoDoubtful { why: why.clone() },
                Probed::CannotTell { why } => S::Stuck { way: Way::Undo, why: why.clone() },
            },

            (S::UndoFailed { .. }, Event::Stuck { why, .. }) => S::Stuck { way: Way::Undo, why: why.clone() },
            (S::ReleaseDoubtful { .. }, Event::Stuck { why, .. }) => {
                S::Stuck { way: Way::Release, why: why.clone() }
            }
            (S::Doubtful { .. }, Event::Stuck { why, .. }) => S::Stuck { way: Way::Apply, why: why.clone() },

            (S::Stuck { way: Way::Apply, .. } | S::Doubtful { .. }, Event::Settled { applied, .. }) => {
                match applied {
                    true if hold => S::Orphaned { why: "settled by a person".into() },
                    true => S::Applied { changed: true },
                    false => S::Waiting,
                }
            }
            (S::Stuck { way: Way::Undo, .. } | S::UndoDoubtful { .. }, Event::Settled { applied, .. }) => {
                match applied {
                    true => S::UndoFailed { why: "settled by a person: still there".into() },
                    false => S::Undone,
                }
            }
            (
                S::Stuck { way: Way::Release, .. } | S::ReleaseDoubtful { .. },
                Event::Settled { applied, .. },
            ) => match applied {
                true => S::Orphaned { why: "settled by a person: still held".into() },
                false => S::Released { well: false },
            },
            _ => return None,
        })
    }
}

fn declined(by: &str) -> Refusal {
    Refusal {
        code: "declined".into(),
        message: format!("not approved: {by}"),
        again: false,
        details: Value::Null,
    }
}
