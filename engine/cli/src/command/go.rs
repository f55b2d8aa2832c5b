//! Carrying a run to its end in this process: socket, signals, view, loop, last words. It must not plan.

use super::window;
use crate::args::Global;
use crate::exit::{Failure, Kind, of_finish};
use crate::machine::{Machine, faults, signals};
use crate::screen;
use crate::view::feed::{Feed, Style, Viewer};
use cutwater_core::event::Outcome;
use cutwater_core::figures::time;
use cutwater_core::names::{RunId, Seq};
use cutwater_core::plan::{Body, Plan};
use cutwater_core::policy::Policy;
use cutwater_core::state::RunState;
use cutwater_core::summary::{State, Summary, summary, text as summary_text};
use cutwater_driver::engine::{Engine, Finish, Ports};
use cutwater_driver::ports::Journal;
use cutwater_host::ground::SystemClock;
use cutwater_host::socket::peer::Peer;
use cutwater_host::socket::server::{Roles, Server};
use cutwater_store::Store;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the loop stands on, on this machine.
pub fn ports(machine: &Machine, journal: Arc<dyn Journal>) -> Ports {
    let ports = Ports {
        journal,
        runner: machine.runner.clone(),
        guard: machine.guard.clone(),
        clock: Arc::new(SystemClock),
    };
    faults::before(ports, &machine.faults)
}

/// Goes on with the run until it is over, needs a person, or belongs to somebody else.
pub fn go(machine: &Machine, global: &Global, mut engine: Engine) -> Result<(), Failure> {
    let run = engine.state().run.clone();
    if engine.state().plan.window.is_some() {
        let expected = window::expected(&machine.paths, &engine.state().plan);
        engine.expect(expected);
    }
    let io = |error: std::io::Error| Failure::new(Kind::NotStarted, error);
    let viewer = Viewer::start(Style::fitting(global.json)).map_err(io)?;
    let feed = viewer.feed();
    let roles = roles(&machine.policy, &engine.state().plan);
    let _socket = match Server::listen(&machine.paths.run(), &run, roles, engine.inbox()) {
        Ok(server) => Some(server),
        Err(error) => {
            // The run goes on: it can still be steered by signals, and by the journal after a resume.
            feed.note(format!("nobody can reach this run from outside: {error}"));
            None
        }
    };
    signals::listen(&run, engine.inbox(), feed.clone()).map_err(io)?;
    let finish = carried(&mut engine, &feed);
    viewer.finish();
    let finish = finish?;
    last_words(machine, global, engine.state(), &finish)?;
    match of_finish(&finish) {
        None => Ok(()),
        Some(kind) => Err(Failure::said(kind)),
    }
}

fn carried(engine: &mut Engine, feed: &Feed) -> Result<Finish, Failure> {
    engine.watch(Box::new(feed.clone()))?;
    Ok(engine.run()?)
}

/// Root and the engine's own user have every role that there is.
fn roles(policy: &Arc<Policy>, plan: &Plan) -> Roles {
    let asked = plan.steps.iter().filter_map(|step| match &step.body {
        Body::Approve { by, .. } => Some(by.iter().cloned()),
        _ => None,
    });
    let every: BTreeSet<String> = asked.flatten().chain(policy.roles.keys().cloned()).collect();
    let policy = policy.clone();
    Arc::new(move |peer: &Peer| match peer.is_owner() {
        true => every.iter().cloned().collect(),
        false => policy.roles_of(&peer.user, &peer.groups),
    })
}

/// The figures of the run, and what a person should do next.
fn last_words(machine: &Machine, global: &Global, state: &RunState, finish: &Finish) -> Result<(), Failure> {
    let run = &state.run;
    let Some(store) = Store::open_to_read(&machine.paths.journal())? else { return Ok(()) };
    let figures = summary(&store.read(run, Seq(0))?);
    if global.json {
        let unfinished =
            !matches!(finish, Finish::Over(Outcome::Done | Outcome::Rehearsed | Outcome::Undone, _));
        let sides = state.sides().filter(|_| unfinished);
        let left = window::left_at_the_mark(state, &figures);
        screen::print_json(&json!({
            "summary": figures, "sides": sides, "advice": state.advice(), "window-left-ms": left,
        }));
        return Ok(());
    }
    let next = match finish {
        Finish::Over(Outcome::CutOver | Outcome::Stopped, _) => Some(standing(state)),
        Finish::Over(..) => None,
        Finish::Stopped(why) => {
            Some(format!("stopped part-way: {why}\n{}{}", standing(state), way_on(run, &figures)))
        }
        Finish::CutOver(why) => Some(format!(
            "cut over, and the new side serves; what is left to tidy up did not succeed: {why}\n{}{}",
            standing(state),
            way_on(run, &figures)
        )),
        Finish::Waiting(what) => Some(format!("{what}; `cutwater resume {run}` goes on")),
        Finish::Left if state.crossed.is_none() && (0..state.steps.len()).any(|step| state.is_open(step)) => {
            Some(format!(
                "left as it is; the guard takes the run over and puts back what is held or down: cutwater watch {run}"
            ))
        }
        Finish::Left => Some(format!("left as it is; `cutwater resume {run}` goes on")),
    };
    screen::print(&format!("\n{}", summary_text(&figures)));
    if let Some(left) = window::left_at_the_mark(state, &figures) {
        screen::print(&format!("  window    {} were left at the point of no return\n", time(left)));
    }
    if let Some(next) = next {
        let lines: Vec<String> = next.lines().map(cutwater_core::fault::escaped).collect();
        screen::print(&format!("\n{}\n", lines.join("\n")));
    }
    Ok(())
}

/// What is in which state, behind the mark both sides and the way to fail back, and what to do by hand; each line ends.
pub fn standing(state: &RunState) -> String {
    let mut lines = state.advice();
    if let Some(sides) = state.sides() {
        lines.push(format!("new side: {}", sides.new));
        lines.push(format!("old side: {}", sides.old));
        if !sides.fail_back.is_empty() {
            lines.push(
                "to fail back by hand, after saving what was written since the mark, do this, in this order:"
                    .into(),
            );
        }
        for step in sides.fail_back {
            lines.extend(step.lines.iter().map(|line| format!("  {}: {line}", step.step)));
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What a person can do with a run that is not over; a decision is asked for only where something is in doubt.
fn way_on(run: &RunId, figures: &Summary) -> String {
    let doubtful = figures.steps.iter().find(|step| step.state == State::Unknown);
    let settle = doubtful.map(|step| {
        format!(", decide with `cutwater settle {run} {} --applied|--not-applied --because …`", step.name)
    });
    format!(
        "look with `cutwater show {run}`{}, go on with `cutwater resume {run}`",
        settle.unwrap_or_default()
    )
}
