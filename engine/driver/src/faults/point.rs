//! The points at which faults can strike, and what strikes there. It must not know who asks.

use cutwater_core::event::{Event, Way};
use cutwater_core::names::StepName;
use std::fmt;

/// What is asked of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A step is done (a hold taken).
    Apply,
    /// A probe finds out what became of an attempt.
    Probe,
    /// A step is taken back.
    Undo,
    /// A hold is given back.
    Release,
    /// A hold is asked whether it is intact.
    Intact,
    /// A step shows once more what it would do.
    Preview,
    /// A person is asked.
    Ask,
    /// The guard is to stand.
    Arm,
    /// The guard is told what to watch.
    Cover,
    /// The run takes its locks.
    Lock,
    /// A call is about to change something outside its sandbox.
    Change,
    /// Events come to the journal in one append; the name is that of the first (see [`What::append`]).
    Append(&'static str),
}

/// A point: the `nth` time, from 1, that this is asked about this step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// What is asked.
    pub what: What,
    /// Of which step; none: of the run.
    pub step: Option<StepName>,
    /// Which time.
    pub nth: u32,
}

/// What strikes at a point. One that makes no sense there (a [`Strike::Drifted`] at an append) strikes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// A call is refused, and nothing is done.
    Refused {
        /// Whether trying again may help.
        again: bool,
    },
    /// A call is told to stop as soon as it has begun, and answers that it stopped part-way.
    PartWay {
        /// Whether trying again may help.
        again: bool,
    },
    /// The answer of a call is lost, and nothing was done.
    LostBefore,
    /// Likewise, and some of it was done.
    LostPartWay,
    /// Likewise, and all of it was done.
    LostAfter,
    /// A call is made twice over, and the second answer counts.
    Twice,
    /// A call does its work and answers nothing; told to stop it does not end in time either.
    Hangs,
    /// A call does not end by itself; told to stop it stops part-way.
    Endless,
    /// A probe cannot tell.
    CannotTell,
    /// A probe finds the attempt still running.
    StillRunning,
    /// A hold turns out to be broken.
    Broken,
    /// A step shows something else than the plan did.
    Drifted,
    /// Nobody answers.
    Silence,
    /// The guard dies when this call begins.
    GuardDies,
    /// The engine hangs when this call begins; the guard acts, and another engine takes the run.
    GuardActs,
    /// The engine dies before the append is durable.
    KilledBefore,
    /// The engine dies after the append is durable, before anything follows from it.
    KilledAfter,
    /// The journal does not take the append.
    NotWritten,
    /// The append comes twice.
    Repeated,
    /// Sabotage: an append is said to be durable, and waits for no disk.
    NotSynced,
    /// Sabotage: what was asked is said to be done, and is not; a probe says that nothing happened, and did not look.
    Claimed,
    /// Sabotage: a step is said to be done, and is done only when the next call begins.
    Late,
}

impl What {
    /// The name of an append: that of its first event, with the way where it has one that is not to do it.
    pub fn append(events: &[Event]) -> Self {
        Self::Append(events.first().map_or("nothing", name))
    }
}

/// The names of appends.
pub(super) const APPENDS: [&str; 26] = [
    "created",
    "owned",
    "intended-undo",
    "intended",
    "checkpointed",
    "answered",
    "answered-undo",
    "answered-release",
    "probed-undo",
    "probed",
    "skipped",
    "armed",
    "outage-began",
    "outage-ended",
    "hold-confirmed",
    "hold-broken",
    "releasing",
    "limit-passed",
    "crossed",
    "asked",
    "approved",
    "declined",
    "turned-back",
    "rehearsed",
    "stuck",
    "ended",
];

/// Events that are no place of their own in a run's course have no name of their own.
fn name(event: &Event) -> &'static str {
    match event {
        Event::Created { .. } => "created",
        Event::Owned { .. } => "owned",
        Event::Intended { way: Way::Undo, .. } => "intended-undo",
        Event::Intended { .. } => "intended",
        Event::Checkpointed { .. } => "checkpointed",
        Event::Answered { way: Way::Apply, .. } => "answered",
        Event::Answered { way: Way::Undo, .. } => "answered-undo",
        Event::Answered { way: Way::Release, .. } => "answered-release",
        Event::Probed { way: Way::Undo, .. } => "probed-undo",
        Event::Probed { .. } => "probed",
        Event::Skipped { .. } => "skipped",
        Event::Armed { .. } => "armed",
        Event::OutageBegan { .. } => "outage-began",
        Event::OutageEnded { .. } => "outage-ended",
        Event::HoldConfirmed { .. } => "hold-confirmed",
        Event::HoldBroken { .. } => "hold-broken",
        Event::Releasing { .. } => "releasing",
        Event::LimitPassed { .. } => "limit-passed",
        Event::Crossed { .. } => "crossed",
        Event::Asked { .. } => "asked",
        Event::Approved { .. } => "approved",
        Event::Declined { .. } => "declined",
        Event::TurnedBack { .. } => "turned-back",
        Event::Rehearsed { .. } => "rehearsed",
        Event::Stuck { .. } => "stuck",
        Event::Ended { .. } => "ended",
        _ => "other",
    }
}

/// The step that an event is about.
pub(super) fn step(event: &Event) -> Option<&StepName> {
    match event {
        Event::Intended { step, .. }
        | Event::Checkpointed { step, .. }
        | Event::Answered { step, .. }
        | Event::Probed { step, .. }
        | Event::Skipped { step, .. }
        | Event::OutageBegan { step }
        | Event::OutageEnded { step, .. }
        | Event::HoldConfirmed { step }
        | Event::HoldBroken { step, .. }
        | Event::Releasing { step, .. }
        | Event::LimitPassed { step }
        | Event::Crossed { step }
        | Event::Asked { step, .. }
        | Event::Approved { step, .. }
        | Event::Declined { step, .. }
        | Event::Stuck { step, .. } => Some(step),
        _ => None,
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apply => "apply",
            Self::Probe => "probe",
            Self::Undo => "undo",
            Self::Release => "release",
            Self::Intact => "look at the hold",
            Self::Preview => "last look",
            Self::Ask => "question",
            Self::Arm => "guard's start",
            Self::Cover => "guard",
            Self::Lock => "locks",
            Self::Change => "change",
            Self::Append(name) => name,
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some(step) => write!(f, "`{step}` {}", self.what)?,
            None => write!(f, "{}", self.what)?,
        }
        if self.nth > 1 { write!(f, " #{}", self.nth) } else { Ok(()) }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused { again: false } => "refused",
            Self::Refused { again: true } => "refused, may be tried again",
            Self::PartWay { again: false } => "failed part-way",
            Self::PartWay { again: true } => "failed part-way, may be tried again",
            Self::LostBefore => "lost before the effect",
            Self::LostPartWay => "lost part-way",
            Self::LostAfter => "lost after the effect",
            Self::Twice => "made twice",
            Self::Hangs => "hangs",
            Self::Endless => "does not end by itself",
            Self::CannotTell => "cannot tell",
            Self::StillRunning => "still running",
            Self::Broken => "hold broken",
            Self::Drifted => "drifted",
            Self::Silence => "nobody answers",
            Self::GuardDies => "guard dies",
            Self::GuardActs => "engine hangs, guard acts",
            Self::KilledBefore => "killed before it is durable",
            Self::KilledAfter => "killed after it is durable",
            Self::NotWritten => "not written",
            Self::Repeated => "written twice",
            Self::NotSynced => "not synced",
            Self::Claimed => "claimed and not done",
            Self::Late => "claimed and done late",
        })
    }
}
