//! Proving what can be proved. It must not ask a plugin anything but what it is.

use super::workflow::{Source, given};
use crate::args::{Check, Global};
use crate::exit::{Failure, Kind, Words};
use crate::machine::Machine;
use crate::paths::Paths;
use crate::screen;
use cutwater_core::check::Given;
use cutwater_core::fault::{Faults, escaped};
use serde_json::json;
use std::collections::BTreeMap;

/// Checks every file and says all that is wrong with all of them. Inputs that have no value are no fault unless some
/// are given.
pub fn run(paths: &Paths, global: &Global, args: &Check) -> Result<(), Failure> {
    let given = Given { partial: args.inputs.inputs.is_empty(), ..given(&args.inputs)? };
    let mut all = Faults::default();
    let mut sources = BTreeMap::new();
    let mut unread = Vec::new();
    let mut readable = Vec::new();
    for file in &args.files {
        match Source::read(file) {
            Ok(source) => readable.push(source),
            Err(Failure { words: Words::Faults(faults, texts), .. }) => {
                all.append(faults);
                sources.extend(texts);
            }
            Err(failure) => unread.push(failure),
        }
    }
    // Loading the plugins takes time that nobody needs where there is nothing to check.
    let machine = if readable.is_empty() { None } else { Some(Machine::open(paths, global)?) };
    let catalog = machine.as_ref().map(|machine| machine.registry.catalog()).unwrap_or_default();
    for source in &readable {
        let Some(machine) = &machine else { break };
        match source.check(machine, &catalog, &given) {
            Ok(checked) if global.json => {
                let facts = json!({ "file": source.name, "name": checked.name, "steps": checked.steps.len(),
                    "warnings": checked.warnings.faults });
                screen::print_json(&facts);
            }
            Ok(checked) => {
                screen::print(&format!(
                    "{}: {} steps, nothing wrong\n",
                    escaped(&source.name),
                    checked.steps.len()
                ));
            }
            Err(Failure { words: Words::Faults(faults, texts), .. }) => {
                all.append(faults);
                sources.extend(texts);
            }
            Err(failure) => return Err(failure),
        }
    }
    // Files that could not be read have no faults with places; they are said before those that have.
    let last = if all.is_empty() { unread.pop() } else { None };
    for failure in &unread {
        screen::complain(&failure.text(screen::error_colours()));
    }
    match last {
        Some(failure) => Err(failure),
        None if all.is_empty() => Ok(()),
        None => Err(Failure { kind: Kind::Invalid, words: Words::Faults(all, sources) }),
    }
}
