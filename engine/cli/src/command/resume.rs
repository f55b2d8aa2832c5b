//! Going on with runs: taking up those whose owner is gone, ending a pause of those that have one. It must not decide
//! where a run goes.

use super::find::{self, find};
use super::go;
use super::resume_all;
use super::steer::noted;
use crate::args::{Global, Resume};
use crate::exit::{Failure, Kind};
use crate::machine::{Machine, journal, ownership};
use crate::paths::Paths;
use crate::screen;
use crate::view::figures::short;
use cutwater_core::event::Event;
use cutwater_core::names::{RunId, Seq};
use cutwater_core::state::RunState;
use cutwater_driver::engine::Engine;
use cutwater_driver::ports::Journal;
use cutwater_host::guard::evidence;
use cutwater_host::socket::client::{self, SendError};
use cutwater_host::socket::words::Request;
use cutwater_store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Resumes one run, or all whose owner is gone.
pub fn run(paths: &Paths, global: &Global, args: &Resume) -> Result<(), Failure> {
    // Looking for a run makes no journal.
    if matches!(paths.journal().try_exists(), Ok(false)) {
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
            let machine = Machine::open(paths, global)?.struck_by(&args.faults.faults)?;
            if !args.take_over && !args.unasked {
                end_the_pause(&store, &run)?;
            }
            take_up(&machine, global, store, &run, args.no_wait)
        }
        None => resume_all::run(paths, global, &store, args.no_wait),
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

/// A run that nobody owns waits for a person who typed this: its pause ends, its failure is behind it.
fn end_the_pause(store: &Store, run: &RunId) -> Result<(), Failure> {
    let state =
        RunState::fold(&store.read(run, Seq(0))?).map_err(|error| Failure::new(Kind::Stopped, error))?;
    if state.outcome.is_none() && (state.paused || state.waits_after_a_failure()) {
        noted(store, &state, Event::Commanded { what: "resume".to_owned(), by: ownership::user() })?;
    }
    Ok(())
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
    same_plugins(machine, &store, run)?;
    write_down_what_the_guard_did(machine, &store, run)?;
    let engine = Engine::resume(go::ports(machine, store), owner, run)?;
    go::go(machine, global, engine)
}

/// The plugins that the run was planned with go on with it, or none: another one could misread what was done.
fn same_plugins(machine: &Machine, store: &Store, run: &RunId) -> Result<(), Failure> {
    let state =
        RunState::fold(&store.read(run, Seq(0))?).map_err(|error| Failure::new(Kind::Stopped, error))?;
    let here = |plugin: &str| machine.registry.get(plugin).map(|loaded| loaded.plugin.digest.clone());
    match other_builds(&state.plan.components, here) {
        Some(words) if state.outcome.is_none() => Err(Failure::words(
            Kind::Stopped,
            format!(
                "run {run} is not gone on with, for the plugins are not those that it was planned with: this machine has \
                 {words}; put those back (the binary that began the run has the shipped ones, --plugins DIR finds others), \
                 then `cutwater resume {run}`; or look with `cutwater show {run}` and put things back by hand"
            ),
        )),
        _ => Ok(()),
    }
}

/// Which of a plan's components are other ones here, or none.
fn other_builds(planned: &BTreeMap<String, String>, here: impl Fn(&str) -> Option<String>) -> Option<String> {
    let words: Vec<String> = planned
        .iter()
        .filter_map(|(plugin, digest)| match here(plugin) {
            Some(found) if found == *digest => None,
            Some(found) => Some(format!("`{plugin}` {} where the plan has {}", short(&found), short(digest))),
            None => Some(format!("no `{plugin}` where the plan has {}", short(digest))),
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: a plugin that is not there taken for the same; the digests not compared.
    #[test]
    fn a_changed_and_a_missing_plugin_are_told_and_the_same_ones_are_not() {
        let planned: BTreeMap<String, String> = [("lvm", "aaaa"), ("fs", "bbbb")]
            .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
            .into();
        assert_eq!(other_builds(&planned, |name| planned.get(name).cloned()), None);
        let changed = other_builds(&planned, |name| (name == "lvm").then(|| "cccc".to_owned()));
        assert_eq!(
            changed.as_deref(),
            Some("no `fs` where the plan has bbbb, `lvm` cccc where the plan has aaaa")
        );
    }
}
