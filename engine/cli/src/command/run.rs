//! Running a workflow. It must not know what its steps do.

use super::go;
use super::window;
use super::workflow::{Source, given};
use crate::args::{Global, Inputs, Rehearse, Run};
use crate::exit::{Failure, Kind};
use crate::machine::{Machine, journal, ownership};
use crate::paths::Paths;
use cutwater_core::document::parse_leniently;
use cutwater_core::names::RunId;
use cutwater_core::plan::Plan;
use cutwater_driver::engine::{Engine, EngineError};
use cutwater_store::Store;
use jiff::Zoned;
use std::path::Path;

/// The fewest characters of a plan's hash that name it.
const HASH_AT_LEAST: usize = 12;

/// Checks, plans, compares with the plan that was approved, and runs.
pub fn run(paths: &Paths, global: &Global, args: &Run) -> Result<(), Failure> {
    let (machine, plan) = planned(paths, global, &args.file, &args.inputs, args.plan.as_deref())?;
    begin(&machine.struck_by(&args.faults.faults)?, global, plan, args.no_wait)
}

/// The same as far as all of it can be undone, and undoes it.
pub fn rehearse(paths: &Paths, global: &Global, args: &Rehearse) -> Result<(), Failure> {
    let (machine, plan) = planned(paths, global, &args.file, &args.inputs, args.plan.as_deref())?;
    if args.with_outage {
        is_in_time(&machine, &plan)?;
    }
    let machine = machine.struck_by(&args.faults.faults)?;
    start(&machine, global, plan, args.no_wait, Some(args.with_outage))
}

fn planned(
    paths: &Paths,
    global: &Global,
    file: &Path,
    inputs: &Inputs,
    wanted: Option<&str>,
) -> Result<(Machine, Plan), Failure> {
    let source = Source::read(file)?;
    let given = given(inputs)?;
    let machine = Machine::open(paths, global)?;
    let (plan, _) =
        source.plan(&machine, &given).map_err(|failure| unfinished_first(&machine, &source, failure))?;
    if let Some(wanted) = wanted {
        is_the_plan(&plan, wanted)?;
    }
    Ok((machine, plan))
}

/// What the world refuses while a run of the same workflow is not over is most likely that run's own doing: its fence
/// is not to be lifted by hand.
fn unfinished_first(machine: &Machine, source: &Source, failure: Failure) -> Failure {
    let name = parse_leniently(&source.text, &source.name).document.map(|document| document.name.value);
    let Ok(Some(store)) = Store::open_to_read(&machine.paths.journal()) else { return failure };
    let unfinished = store.unfinished().unwrap_or_default();
    let Some(run) = unfinished.iter().find(|run| Some(&run.name) == name.as_ref()).map(|run| &run.run) else {
        return failure;
    };
    if failure.kind != Kind::Undone {
        return failure;
    }
    let text = format!(
        "run {run} of this workflow is not over, and what it did stands in the way; end it first: \
         `cutwater show {run}`, then `cutwater resume {run}` or `cutwater abort {run}`\n{}",
        failure.text(false)
    );
    Failure::words(Kind::NotStarted, text)
}

/// Starts a run of this plan and carries it to its end.
pub fn begin(machine: &Machine, global: &Global, plan: Plan, no_wait: bool) -> Result<(), Failure> {
    is_in_time(machine, &plan)?;
    start(machine, global, plan, no_wait, None)
}

fn is_in_time(machine: &Machine, plan: &Plan) -> Result<(), Failure> {
    if let Some(window) = &plan.window
        && let Some(schedule) = window::schedule(&machine.paths, plan, ownership::now())?
    {
        window::may_start(&schedule, window, ownership::now())?;
    }
    Ok(())
}

/// `rehearsal`: whether it is one, and with outages.
fn start(
    machine: &Machine,
    global: &Global,
    plan: Plan,
    no_wait: bool,
    rehearsal: Option<bool>,
) -> Result<(), Failure> {
    let journal = journal::open(&machine.paths)?;
    let owner = ownership::owner(no_wait, machine.policy.faults);
    let run = new_name(&plan.name)?;
    let ports = go::ports(machine, journal);
    let engine = match rehearsal {
        None => Engine::create(ports, owner, run, plan),
        Some(with_outage) => Engine::rehearse(ports, owner, run, plan, with_outage),
    };
    let engine = engine.map_err(not_started)?;
    go::go(machine, global, engine)
}

/// Whether what was typed can name a plan.
pub fn long_enough(wanted: &str) -> Result<(), Failure> {
    if wanted.len() >= HASH_AT_LEAST {
        return Ok(());
    }
    let text = format!("`{wanted}` is too short for a plan's hash; give at least {HASH_AT_LEAST} characters");
    Err(Failure::words(Kind::Usage, text))
}

/// Whether the hash that was typed is this plan's.
pub fn is_the_plan(plan: &Plan, wanted: &str) -> Result<(), Failure> {
    long_enough(wanted)?;
    if plan.hash.starts_with(wanted) {
        return Ok(());
    }
    let text = format!(
        "the plan has changed: it is {} now, and {wanted} was asked for; look at `cutwater plan` again",
        plan.hash
    );
    Err(Failure::words(Kind::Invalid, text))
}

/// Before the first event nothing has happened, whatever the journal says.
fn not_started(error: EngineError) -> Failure {
    let failure = match error {
        EngineError::Journal(error) => Failure::from(error),
        error => Failure::from(error),
    };
    match failure.kind {
        Kind::Stopped | Kind::Lost => Failure { kind: Kind::NotStarted, ..failure },
        _ => failure,
    }
}

/// `NAME-YYYYMMDD-HHMM-xxxx`, by the clock on the wall here.
fn new_name(workflow: &str) -> Result<RunId, Failure> {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = workflow.chars().take(40).map(legal).collect();
    let mut random = [0; 2];
    cutwater_host::ground::system_random(&mut random)
        .map_err(|error| Failure::new(Kind::NotStarted, error))?;
    let [high, low] = random;
    let time = Zoned::now().strftime("%Y%m%d-%H%M").to_string();
    Ok(RunId::new(format!("{name}-{time}-{high:02x}{low:02x}")))
}
