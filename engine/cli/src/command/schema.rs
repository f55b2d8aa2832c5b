//! The JSON Schema of the workflow file. It must not check anything.

use crate::args::Global;
use crate::exit::Failure;
use crate::machine::Machine;
use crate::paths::Paths;
use crate::screen;
use cutwater_core::editor;

/// Prints it, with the input schemas of the plugins that are installed here.
pub fn run(paths: &Paths, global: &Global) -> Result<(), Failure> {
    let machine = Machine::open(paths, global)?;
    let schema = editor::schema(&machine.registry.catalog());
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    screen::print(&format!("{text}\n"));
    Ok(())
}
