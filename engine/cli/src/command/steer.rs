//! What people say to a run: to its owner through the socket; where nobody owns it, into the journal, to be obeyed when
//! it is taken up. It must not carry anything out itself.

use super::find::find;
use super::resume;
use crate::args::{Approve, Global, OneRun, Settle};
use crate::exit::{Failure, Kind};
use crate::machine::{Machine, journal, ownership};
use crate::paths::Paths;
use crate::screen;
use cutwater_core::event::{Event, Record};
use cutwater_core::names::{RunId, Seq, StepName};
use cutwater_core::plan::Body;
use cutwater_core::state::{RunState, Status};
use cutwater_driver::orphan::orphan;
use cutwater_driver::ports::Journal;
use cutwater_host::capability::run::life::remains;
use cutwater_host::socket::client::{self, SendError};
use cutwater_host::socket::words::Request;
use cutwater_store::Store;
use std::sync::Arc;

/// Says yes to what a run asks. Who knows the plan's hash need not be able to read the journal.
pub fn approve(paths: &Paths, args: &Approve) -> Result<(), Failure> {
    let step = args.step.as_deref().map(StepName::new);
    if let Some(plan) = &args.plan {
        super::run::long_enough(plan)?;
        if sent(paths, &args.run, &Request::Approve { step: step.clone(), plan: plan.clone() })? {
            return Ok(());
        }
    }
    let (store, run, state) = open(paths, &args.run)?;
    if let Some(wanted) = &args.plan {
        super::run::is_the_plan(&state.plan, wanted)?;
    }
    let plan = state.plan.hash.clone();
    if sent(paths, run.as_str(), &Request::Approve { step: step.clone(), plan: plan.clone() })? {
        return Ok(());
    }
    ownership::nobody_lives(&run, owner(&state))?;
    let step = match step {
        Some(step) => step,
        None => only_asked(&state)?,
    };
    let Some(Body::Approve { .. }) = state.plan.step(&step).map(|step| &step.body) else {
        return Err(Failure::words(Kind::Usage, format!("`{step}` asks for nothing")));
    };
    // Whoever can write the journal is its owner, who has every role.
    noted(&store, &state, Event::Approved { step, by: ownership::user(), plan })?;
    say(&format!("approved; nobody goes on with the run at the moment: cutwater resume {run}"));
    Ok(())
}

/// Undoes a run; one that nobody owns is taken up for it.
pub fn abort(paths: &Paths, global: &Global, args: &OneRun) -> Result<(), Failure> {
    let Some((store, run, state)) = not_sent(paths, &args.run, &Request::Abort)? else { return Ok(()) };
    if let Some(mark) = &state.crossed {
        let text = format!(
            "`{mark}` crossed the point of no return: the run only goes forward; cutwater resume {run}"
        );
        return Err(Failure::words(Kind::Usage, text));
    }
    noted(&store, &state, Event::Commanded { what: "abort".to_owned(), by: ownership::user() })?;
    let machine = Machine::open(paths, global)?;
    resume::take_up(&machine, global, store, &run, false)
}

/// Starts nothing new in a run until it is resumed.
pub fn pause(paths: &Paths, args: &OneRun) -> Result<(), Failure> {
    let Some((store, _, state)) = not_sent(paths, &args.run, &Request::Pause)? else { return Ok(()) };
    noted(&store, &state, Event::Commanded { what: "pause".to_owned(), by: ownership::user() })?;
    say("noted; nobody goes on with the run at the moment");
    Ok(())
}

/// Decides an unknown.
pub fn settle(paths: &Paths, args: &Settle) -> Result<(), Failure> {
    let (step, applied, because) = (StepName::new(&args.step), args.applied, args.because.clone());
    let request = Request::Settle { step: step.clone(), applied, because: because.clone() };
    let Some((store, run, state)) = not_sent(paths, &args.run, &request)? else { return Ok(()) };
    let orphans =
        state.step(&step).map(|s| s.unended().filter_map(|program| orphan(program, remains(program))));
    if let Some(orphan) = orphans.and_then(|mut orphans| orphans.find(|orphan| orphan.itself)) {
        return Err(Failure::words(Kind::Usage, format!("`{step}` is not over: {}", orphan.words)));
    }
    noted(&store, &state, Event::Settled { step, applied, by: ownership::user(), because })?;
    say(&format!("settled; cutwater resume {run} goes on"));
    Ok(())
}

/// The journal's side of a run to whose owner the request could not be sent, because there is none. The socket comes
/// first: an operator need not be able to read the journal.
fn not_sent(
    paths: &Paths,
    typed: &str,
    request: &Request,
) -> Result<Option<(Arc<Store>, RunId, RunState)>, Failure> {
    if sent(paths, typed, request)? {
        return Ok(None);
    }
    let (store, run, state) = open(paths, typed)?;
    if run.as_str() != typed && sent(paths, run.as_str(), request)? {
        return Ok(None);
    }
    ownership::nobody_lives(&run, owner(&state))?;
    Ok(Some((store, run, state)))
}

fn owner(state: &RunState) -> Option<(u32, &str)> {
    state.owner.as_ref().map(|(pid, boot)| (*pid, boot.as_str()))
}

fn open(paths: &Paths, typed: &str) -> Result<(Arc<Store>, RunId, RunState), Failure> {
    // For reading first: a journal is not made for somebody who looks for a run in it.
    let run = find(&super::find::journal(paths)?, typed)?.run;
    let store = journal::open(paths)?;
    let records = store.read(&run, Seq(0))?;
    let state = RunState::fold(&records).map_err(|error| Failure::new(Kind::Stopped, error))?;
    if state.outcome.is_some() {
        return Err(Failure::words(Kind::Invalid, format!("run {run} is over; cutwater show {run}")));
    }
    Ok((store, run, state))
}

/// Whether an owner was there and did it.
fn sent(paths: &Paths, run: &str, request: &Request) -> Result<bool, Failure> {
    match client::send(&paths.run(), run, request) {
        Ok(words) => {
            say(&words);
            Ok(true)
        }
        Err(SendError::NoOwner(_)) => Ok(false),
        Err(error @ SendError::Refused(_)) => Err(Failure::new(Kind::Usage, error)),
        Err(error @ SendError::Silent { .. }) => Err(Failure::new(Kind::Lost, error)),
    }
}

/// Writes the word into the journal, where the history lets it follow.
pub(super) fn noted(store: &Store, state: &RunState, event: Event) -> Result<(), Failure> {
    let at = ownership::now();
    let mut trial = state.clone();
    let record = Record { seq: state.seq.plus(1), at, event: event.clone() };
    trial.apply(&record).map_err(|error| Failure::new(Kind::Usage, error))?;
    store.append(&state.run, state.seq, at, &[event], true)?;
    Ok(())
}

fn only_asked(state: &RunState) -> Result<StepName, Failure> {
    let asked: Vec<&StepName> = state
        .plan
        .steps
        .iter()
        .zip(&state.steps)
        .filter(|(_, step)| matches!(step.status, Status::Asked { .. }))
        .map(|(planned, _)| &planned.name)
        .collect();
    match asked.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Failure::words(Kind::Usage, "nothing waits for an approval")),
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(Failure::words(Kind::Usage, format!("say which: {}", names.join(", "))))
        }
    }
}

fn say(words: &str) {
    screen::print(&format!("{}\n", cutwater_core::fault::escaped(words)));
}
