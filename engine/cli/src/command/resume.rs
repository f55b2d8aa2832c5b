//! Going on with runs: taking up those whose owner is gone, ending a pause of those that have one. It must not decide
//! where a run goes.

use super::find::{self, find};
use super::go;
use crate::args::{Global, Resume};
use crate::exit::{Failure, Kind};
use crate::machine::{Machine, journal, ownership};
use crate::paths::Paths;
use crate::screen;
use cutwater_core::event::{Event, Outcome};
use cutwater_core::names::{RunId, Seq};
use cutwater_core::state::RunState;
use cutwater_driver::engine::Engine;
use cutwater_driver::ports::Journal;
use cutwater_host::guard::evidence;
use cutwater_host::socket::client::{self, SendError};
use cutwater_host::socket::words::Request;
use cutwater_store::Store;
use std::sync::Arc;

/// Resumes one run, or all whose owner is gone.
pub fn run(paths: &Paths, global: &Global, args: &Resume) -> Result<(), Failure> {
    // Looking for a run makes no journal.
    if !paths.journal().exists() {
        return args.run.as_ref().map_or(Ok(()), |_| find::journal(paths).map(drop));
    }
    let store = journal::open(paths)?;
    match &args.run {
        Some(typed) => {
            let summary = find(&store, typed)?;
            let run = summary.run.clone();
            if !args.take_over && pause_ended(paths, &run)? {
                return Ok(());
            }
            if !args.take_over && summary.ended.is_none() {
                ownership::nobody_lives(&run, ownership::by_journal(&summary))?;
            }
            let machine = Machine::open(paths, global)?;
            take_up(&machine, global, store, &run, args.no_wait)
        }
        None => all(paths, global, &store, args.no_wait),
    }
}

/// Tells an owner that is alive to go on; false: there is none.
fn pause_ended(paths: &Paths, run: &RunId) -> Result<bool, Failure> {
    match client::send(&paths.run(), run.as_str(), &Request::Resume) {
        Ok(words) => {
            screen::print(&format!("{words}\n"));
            Ok(true)
        }
        Err(SendError::NoOwner(_)) => Ok(false),
        Err(error @ SendError::Refused(_)) => Err(Failure::new(Kind::Usage, error)),
        Err(error @ SendError::Silent { .. }) => Err(Failure::new(Kind::Lost, error)),
    }
}

/// Owns the run from here on and carries it to its end.
pub fn take_up(
    machine: &Machine,
    global: &Global,
    store: Arc<Store>,
    run: &RunId,
    no_wait: bool,
) -> Result<(), Failure> {
    let owner = ownership::owner(no_wait, machine.policy.faults);
    write_down_what_the_guard_did(machine, &store, run)?;
    let engine = Engine::resume(go::ports(machine, store), owner, run)?;
    go::go(machine, global, engine)
}

/// A guard that acted alone wrote it where nothing can be frozen; the journal has it from here on.
fn write_down_what_the_guard_did(machine: &Machine, store: &Store, run: &RunId) -> Result<(), Failure> {
    let folder = machine.paths.run();
    let unread =
        |error| Failure::new(Kind::Stopped, anyhow::Error::new(error).context("the guard's evidence"));
    let acts = evidence::read(&folder, run.as_str()).map_err(unread)?;
    if acts.is_empty() {
        return Ok(());
    }
    let records = store.read(run, Seq(0))?;
    let state = RunState::fold(&records).map_err(|error| Failure::new(Kind::Stopped, error))?;
    if state.outcome.is_none() {
        let events: Vec<Event> = acts.into_iter().map(|what| Event::GuardActed { what }).collect();
        store.append(run, state.seq, ownership::now(), &events, true)?;
    }
    evidence::forget(&folder, run.as_str()).map_err(unread)
}

/// Each in a process of its own, one after the other: one that needs a person does not keep the others waiting.
fn all(paths: &Paths, global: &Global, store: &Store, no_wait: bool) -> Result<(), Failure> {
    let mut worst: Option<Failure> = None;
    for summary in store.unfinished()? {
        let stopped = matches!(summary.ended, Some((Outcome::Stopped, _)));
        if stopped || ownership::is_owned(paths, &summary.run, ownership::by_journal(&summary)) {
            continue;
        }
        if let Err(failure) = in_a_process(paths, global, &summary.run, no_wait)
            && worst.as_ref().is_none_or(|worst| worst.kind.code() < failure.kind.code())
        {
            worst = Some(failure);
        }
    }
    worst.map_or(Ok(()), Err)
}

fn in_a_process(paths: &Paths, global: &Global, run: &RunId, no_wait: bool) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::new(Kind::Defect, error);
    let mut command = std::process::Command::new(std::env::current_exe().map_err(wrong)?);
    command.arg("--root").arg(paths.root());
    for folder in &global.plugins {
        command.arg("--plugins").arg(folder);
    }
    command.args(global.json.then_some("--json")).args(["resume", run.as_str()]);
    command.args(no_wait.then_some("--no-wait"));
    let status = command.status().map_err(wrong)?;
    match Kind::of_code(status.code()) {
        None => Ok(()),
        Some(kind) => Err(Failure::said(kind)),
    }
}
