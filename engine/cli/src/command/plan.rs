//! Showing what is to come. It must not change anything.

use super::workflow::{Source, given};
use crate::args::{Global, Plan};
use crate::exit::Failure;
use crate::machine::Machine;
use crate::paths::Paths;
use crate::screen;
use cutwater_core::show_plan;

/// Checks, asks the plugins, and prints the plan with its hash.
pub fn run(paths: &Paths, global: &Global, args: &Plan) -> Result<(), Failure> {
    let source = Source::read(&args.file)?;
    let given = given(&args.inputs)?;
    let machine = Machine::open(paths, global)?;
    let (plan, _) = source.plan(&machine, &given)?;
    match global.json {
        true => screen::print_json(&plan),
        false => screen::print(&show_plan::text(&plan)),
    }
    Ok(())
}
