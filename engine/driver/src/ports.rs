//! What the loop of a run stands on: journal, step runner, guard, clock. Implementations live in other crates; each
//! trait has a second one that tests need.

use cutwater_core::answer::{Answer, Ending, GiveBack, Probed, Refusal};
use cutwater_core::effect::{Effect, Shown};
use cutwater_core::event::{Event, Record};
use cutwater_core::grant::Grants;
use cutwater_core::names::{RunId, Seq, StepName};
use cutwater_core::partial::Partial;
use serde_json::Value;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

/// The append-only history of every run on this machine, shared by many processes.
pub trait Journal: Send + Sync {
    /// Appends to a run whose last event has the number `expected` (0: a new run), stamped `at` (ms since 1970).
    /// With `durable` it returns when the disk has them; else they are durable with the next durable append at the
    /// latest. Order within a run is kept.
    fn append(
        &self,
        run: &RunId,
        expected: Seq,
        at: i64,
        events: &[Event],
        durable: bool,
    ) -> Result<Seq, JournalError>;
    /// The events of a run after `after`, in order.
    fn read(&self, run: &RunId, after: Seq) -> Result<Vec<Record>, JournalError>;
    /// Every run, oldest first.
    fn runs(&self) -> Result<Vec<RunId>, JournalError>;
    /// Takes all of the locks for the run or none. Held until [`Journal::unlock`], across crashes.
    fn lock(&self, run: &RunId, names: &[String]) -> Result<(), JournalError>;
    /// A new run: takes all of its locks and writes its first events durably, both or neither. A journal for which a
    /// crash may fall between the two does it in one transaction.
    fn begin(&self, run: &RunId, locks: &[String], at: i64, events: &[Event]) -> Result<Seq, JournalError> {
        self.lock(run, locks)?;
        let begun = self.append(run, Seq(0), at, events, true);
        if begun.is_err() {
            self.unlock(run)?;
        }
        begun
    }
    /// Whether its place is full, so that the run is written into room that was kept for its undo.
    fn is_full(&self, _run: &RunId) -> bool {
        false
    }
    /// Gives the run's locks back.
    fn unlock(&self, run: &RunId) -> Result<(), JournalError>;
}

/// Why the journal did not do it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else appended to this run: whoever gets this has lost it and stops. Exit 6.
    #[error(
        "the run has another owner: event {expected} was expected next to last, the journal is at {found}"
    )]
    Lost {
        /// What this owner thought.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Another unfinished run holds the lock. Exit 9.
    #[error("`{name}` is locked by run {holder}")]
    Locked {
        /// The lock.
        name: String,
        /// Who has it.
        holder: RunId,
    },
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// A newer Cutwater wrote it: it can be read, never written.
    #[error("the journal was written by {by} (format {found}, this one writes {known})")]
    Newer {
        /// Format of the file.
        found: u32,
        /// Format of this program.
        known: u32,
        /// Who wrote it, with its version where that is known.
        by: String,
    },
    /// The disk is full, or the file cannot be read or written.
    #[error("the journal cannot be used")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored is not what was written.
    #[error("run {run} is damaged at event {at}: {what}")]
    Damaged {
        /// Which run.
        run: RunId,
        /// Where.
        at: u64,
        /// How.
        what: String,
    },
}

/// Time, so that tests can set it.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now(&self) -> i64;
    /// Milliseconds of a clock that only goes forward.
    fn monotonic(&self) -> u64;
    /// The next input, or none when `ms` milliseconds passed without one (never: `None`).
    fn wait(&self, inbox: &Receiver<Report>, ms: Option<u64>) -> Option<Report> {
        match ms {
            Some(ms) => inbox.recv_timeout(Duration::from_millis(ms)).ok(),
            None => inbox.recv().ok(),
        }
    }
}

/// Names one call among those under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What a plugin is asked.
#[derive(Debug, Clone)]
pub struct Call {
    /// Names it in reports.
    pub id: CallId,
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepName,
    /// The plugin.
    pub plugin: String,
    /// Digest the plugin's component must have.
    pub component: String,
    /// The plugin's action.
    pub action: String,
    /// From 1.
    pub attempt: u32,
    /// The input, known in full.
    pub input: Value,
    /// What it may reach.
    pub grants: Grants,
    /// The changing effects that it may carry out; anything else is denied. Empty: it may change nothing.
    pub admitted: Vec<Effect>,
    /// What to do.
    pub verb: Verb,
    /// Milliseconds after which it is told to stop.
    pub timeout_ms: Option<u64>,
    /// A fault hook, asked before each change that the call makes.
    pub at_change: Option<AtChange>,
}

/// Asked before each thing that a call changes outside its sandbox: a program that may change something, a block verb that
/// writes, a file.
#[derive(Clone)]
pub struct AtChange(pub Arc<dyn Fn() -> Turn + Send + Sync>);

impl std::fmt::Debug for AtChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AtChange")
    }
}

/// What becomes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is made.
    Go,
    /// Sabotage: it is said to be made, and is not; of a bulk write one piece is left out.
    Claim,
}

/// What to do.
#[derive(Debug, Clone)]
pub enum Verb {
    /// Do it (run a check, apply an action). Answers [`Outcome::Answer`].
    Apply {
        /// From where to go on.
        checkpoint: Option<Value>,
    },
    /// Find out what became of it. Answers [`Outcome::Probed`].
    Probe(Story),
    /// Take it back. Answers [`Outcome::Answer`].
    Undo(Story),
    /// Take a hold. Answers [`Outcome::Taken`], and the hold lives on until [`StepRunner::release`] or its loss.
    Take,
    /// Give back a hold whose holder is gone, on a fresh instance. Answers [`Outcome::Answer`].
    ReleaseOrphan,
}

/// What is known of an attempt whose answer was lost, or of a step to be taken back.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// The effects shown before it began.
    pub intent: Vec<Effect>,
    /// The last checkpoint.
    pub checkpoint: Option<Value>,
    /// [{program, args, status?, signal?}].
    pub exits: Value,
    /// The output, where it had answered.
    pub output: Option<Value>,
}

/// A preview to be made. Nothing can change.
#[derive(Debug, Clone)]
pub struct PreviewCall {
    /// The run, or a name of the planning.
    pub run: RunId,
    /// The step.
    pub step: StepName,
    /// The plugin.
    pub plugin: String,
    /// The plugin's action.
    pub action: String,
    /// The input, as far as it is known.
    pub input: Partial,
    /// Effective grants.
    pub grants: Grants,
    /// Of the undo (a hold's release) instead.
    pub undo: bool,
}

/// Runs plugins. Every call gets a fresh instance; a call never blocks the caller: answers come as [`Report`]s.
pub trait StepRunner: Send + Sync {
    /// Starts a call.
    fn start(&self, call: Call, reports: Sender<Report>);
    /// Tells a call to checkpoint and answer within the grace time; after it the call ends as `Unknown`.
    fn stop(&self, call: CallId);
    /// Asks a taken hold whether it is unbroken; answers [`Outcome::Intact`].
    fn intact(&self, hold: CallId);
    /// Gives a taken hold back; answers [`Outcome::Answer`].
    fn release(&self, hold: CallId, how: Ending);
    /// Runs a piece of work beside the loop, on a thread of its own unless a test wants it at once.
    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        let thread = std::thread::Builder::new().name("look".into()).stack_size(cutwater_core::expr::STACK);
        if let Err(error) = thread.spawn(work) {
            // The work is lost with the thread: the step stays unprepared until the run is resumed.
            eprintln!("cannot start a thread: {error}");
        }
    }
    /// Shows what a step would do. Blocks.
    fn preview(&self, call: PreviewCall) -> Result<Shown, Refusal>;
    /// What of a program that a dead engine started (as its `Used` events tell it: pid, start time, boot) still runs.
    fn remains(&self, used: &Value) -> Remains;
}

/// What of a program still runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remains {
    /// Nothing.
    Nothing,
    /// The program itself.
    Itself,
    /// It has ended; these processes, which it started, have not.
    Others(Vec<u32>),
}

/// What comes back from calls.
#[derive(Debug)]
pub enum Report {
    /// A capability was used or denied; with a reply the caller waits until it is durable (`false`: it is not, do not go on).
    Used {
        /// Which call.
        call: CallId,
        /// `{capability, …}`.
        what: Value,
        /// Answered when durable.
        reply: Option<Sender<bool>>,
    },
    /// Resumable state; the caller waits until it is durable.
    Checkpoint {
        /// Which call.
        call: CallId,
        /// The state.
        state: Value,
        /// Answered when durable.
        reply: Sender<bool>,
    },
    /// How far it is.
    Progress {
        /// Which call.
        call: CallId,
        /// Of `total`.
        done: u64,
        /// 0: not known.
        total: u64,
        /// bytes, rows, …
        unit: String,
    },
    /// A figure that goes up and down.
    Gauge {
        /// Which call.
        call: CallId,
        /// The figure's name.
        name: String,
        /// None: it has no value now.
        value: Option<f64>,
    },
    /// Words.
    Said {
        /// Which call.
        call: CallId,
        /// debug, info, warn, error.
        level: String,
        /// The words.
        text: String,
    },
    /// The call's end (for a hold: of its taking, of one check, of its release).
    Done {
        /// Which call.
        call: CallId,
        /// What came of it.
        outcome: Outcome,
    },
    /// A hold's socket became readable or its instance died: ask it, or take it as broken.
    Stirred {
        /// The hold's call.
        call: CallId,
    },
    /// From a person, with the way to answer (`Err`: refused, and why).
    Command(Command, Sender<Result<String, String>>),
    /// A step was looked at, on a thread of its own, before its intent.
    Prepared(Box<crate::prepare::Prepared>),
}

/// Everything that reaches the loop comes through one channel.
pub type Input = Report;

/// The end of a call.
#[derive(Debug)]
pub enum Outcome {
    /// Of apply, undo, release.
    Answer(Answer),
    /// Of probe.
    Probed(Probed),
    /// Of take.
    Taken(Result<Taken, Refusal>),
    /// Of a hold's check.
    Intact(Result<(), String>),
}

/// A hold that was taken.
#[derive(Debug)]
pub struct Taken {
    /// What inner steps see.
    pub output: Value,
    /// All that the guard may do alone.
    pub give_backs: Vec<GiveBack>,
}

/// A person's word, from the run's socket or the terminal.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Yes to an approval, by a role.
    Approve {
        /// Which; none: the only one that waits.
        step: Option<StepName>,
        /// Who.
        by: String,
        /// Their roles.
        roles: Vec<String>,
        /// The plan's hash that they saw.
        plan: String,
    },
    /// Start nothing new.
    Pause {
        /// Who.
        by: String,
    },
    /// End a pause.
    Resume {
        /// Who.
        by: String,
    },
    /// Undo everything; refused after the mark.
    Abort {
        /// Who.
        by: String,
    },
    /// Decide an unknown.
    Settle {
        /// Which step.
        step: StepName,
        /// Whether it happened.
        applied: bool,
        /// Who.
        by: String,
        /// Why.
        because: String,
    },
    /// Stop now, as if killed, leaving the rest to `resume`.
    Quit,
}

/// The small process that gives back what a dead or hung engine holds.
pub trait Guard: Send + Sync {
    /// Starts it for this run; it watches the calling process from here on. Returns its pid.
    fn arm(&self, run: &RunId) -> Result<u32, GuardError>;
    /// Puts a hold or outage under its eyes: past `limit_ms` from now (plus its margin) without [`Guard::uncover`] it acts.
    fn cover(
        &self,
        step: &StepName,
        hold: Option<CallId>,
        limit_ms: u64,
        give_backs: &[GiveBack],
    ) -> Result<(), GuardError>;
    /// Moves the deadline of what is covered to `limit_ms` from now (plus its margin); the guard's answer is not waited for.
    fn renew(&self, step: &StepName, limit_ms: u64);
    /// The hold is released, or the outage is over.
    fn uncover(&self, step: &StepName);
    /// Whether it is alive.
    fn alive(&self) -> bool;
    /// Ends it.
    fn disarm(&self);
}

/// Why the guard could not be armed: holds and outages are refused then.
#[derive(Debug, thiserror::Error)]
#[error("the guard cannot stand: {0}")]
pub struct GuardError(pub String);

/// Sees each event once it is in the journal: the live view, `--json`.
pub trait Watcher: Send {
    /// A new event.
    fn see(&mut self, record: &Record);
}
