//! Showing what is to come. It must not change anything.

use super::window;
use super::workflow::{Source, given};
use crate::args::{Global, Plan};
use crate::exit::{Failure, Kind};
use crate::machine::{Machine, ownership};
use crate::paths::Paths;
use crate::screen;
use cutwater_core::fault::escaped;
use cutwater_core::show_plan;
use serde_json::json;

/// Checks, asks the plugins, and prints the plan with its hash.
pub fn run(paths: &Paths, global: &Global, args: &Plan) -> Result<(), Failure> {
    let source = Source::read(&args.file)?;
    let given = given(&args.inputs)?;
    let machine = Machine::open(paths, global)?;
    let (plan, _) = source.plan(&machine, &given)?;
    let schedule = window::schedule(paths, &plan, ownership::now())?;
    if global.json {
        let mut value = serde_json::to_value(&plan).map_err(|error| Failure::new(Kind::Defect, error))?;
        if let Some(schedule) = &schedule {
            value["next-window"] = json!({
                "opens": schedule.opens, "closes": schedule.closes, "start-by": schedule.start_by(),
                "needs": schedule.needs,
            });
        }
        screen::print_json(&value);
        return Ok(());
    }
    screen::print(&show_plan::text(&plan));
    if let Some(schedule) = &schedule {
        screen::print("\nnext window\n");
        window::lines(schedule).iter().for_each(|line| screen::print(&format!("  {}\n", escaped(line))));
    }
    Ok(())
}
