//! Drawing a workflow. It must not ask a plugin anything but what it is.

use super::workflow::{Source, given};
use crate::args::{Format, Global, Graph};
use crate::exit::Failure;
use crate::machine::Machine;
use crate::paths::Paths;
use crate::screen;
use cutwater_core::check::Given;
use cutwater_core::graph;
use serde_json::json;

/// Prints the picture. Inputs need not have values.
pub fn run(paths: &Paths, global: &Global, args: &Graph) -> Result<(), Failure> {
    let source = Source::read(&args.file)?;
    let given = Given { partial: args.inputs.inputs.is_empty(), ..given(&args.inputs)? };
    let machine = Machine::open(paths, global)?;
    let checked = source.check(&machine, &machine.registry.catalog(), &given)?;
    let graph = graph::Graph::of_checked(&checked);
    let picture = match args.format {
        Format::Mermaid => graph::mermaid(&graph),
        Format::Dot => graph::dot(&graph),
        Format::Svg => graph::svg(&graph),
    };
    match global.json {
        true => screen::print_json(&json!({ "graph": picture })),
        false => screen::print(&picture),
    }
    Ok(())
}
