//! From a file and its inputs to a checked document and a plan. It must not start anything.

use crate::args::Inputs;
use crate::exit::{Failure, Kind, Words};
use crate::machine::Machine;
use crate::machine::previewer::Real;
use crate::screen;
use crate::text_file;
use cutwater_core::check::{Checked, Given, check_text};
use cutwater_core::describe::Catalog;
use cutwater_core::document::parse_leniently;
use cutwater_core::fault::Faults;
use cutwater_core::grant::Grants;
use cutwater_core::plan::Plan;
use cutwater_core::planning::{self, Facts, PlanningFailure, PlanningFault};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A workflow's text and what it is called in messages.
pub struct Source {
    /// The file as it was typed.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Reads the file. A text in which no document can be made out is answered here, before any plugin is loaded.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let source = Self { name: file.display().to_string(), text: text_file::read(file)? };
        let parsed = parse_leniently(&source.text, &source.name);
        match parsed.document {
            Some(_) => Ok(source),
            None => Err(source.wrong(parsed.faults.sorted())),
        }
    }

    /// The faults of this source as a failure.
    pub fn wrong(&self, faults: Faults) -> Failure {
        Failure::faults(faults, BTreeMap::from([(self.name.clone(), self.text.clone())]))
    }

    /// Checks it for this machine; warnings are said at once, on standard error.
    pub fn check(&self, machine: &Machine, catalog: &Catalog, given: &Given) -> Result<Checked, Failure> {
        let checked = check_text(&self.text, &self.name, catalog, given, Some(&machine.policy))
            .map_err(|faults| self.explained(faults, machine))?;
        if !checked.warnings.is_empty() {
            let text = self.wrong(checked.warnings.clone()).text(screen::error_colours());
            screen::complain(&text);
        }
        Ok(checked)
    }

    /// A plugin that a document names and that was found but not taken is the cause behind "no such plugin": said first.
    fn explained(&self, faults: Faults, machine: &Machine) -> Failure {
        let named = |text: &str| self.text.contains(text);
        for rejected in &machine.rejected {
            let origin = rejected.origin.to_string();
            let stem = Path::new(&origin).file_stem().map(|stem| stem.to_string_lossy().into_owned());
            if stem.is_some_and(|stem| named(&stem)) {
                screen::complain(&format!("warning: {rejected}\n"));
            }
        }
        if crate::machine::shipped::COMPONENTS.is_empty() && machine.registry.all().next().is_none() {
            screen::complain(
                "warning: this binary was built without the shipped plugins; `make build` builds them first\n",
            );
        }
        self.wrong(faults)
    }

    /// Plans it. Nothing is changed, whatever comes of it.
    pub fn plan(&self, machine: &Machine, given: &Given) -> Result<(Plan, Catalog), Failure> {
        let catalog = machine.registry.catalog();
        let checked = self.check(machine, &catalog, given)?;
        if let Some(window) = &checked.window {
            super::window::is_known(window)?;
        }
        let facts = Facts {
            policy: machine.policy.digest(),
            grants: cut(machine, &checked.grants),
            hosts: Value::Object(serde_json::Map::new()),
            catalog,
        };
        let mut previewer = Real::new(machine.runner.clone());
        match planning::plan(checked, &facts, &mut previewer) {
            Ok(plan) => Ok((plan, facts.catalog)),
            Err(failure) => Err(self.refused(&failure)),
        }
    }

    fn refused(&self, failure: &PlanningFailure) -> Failure {
        let kind = if failure.is_refusal() { Kind::Undone } else { Kind::Invalid };
        let lines: Vec<String> = failure.faults.iter().map(|fault| self.line(fault)).collect();
        let more = if kind == Kind::Undone { "\nnothing was changed" } else { "" };
        Failure { kind, words: Words::Chain(anyhow::Error::msg(format!("{}{more}", lines.join("\n")))) }
    }

    fn line(&self, fault: &PlanningFault) -> String {
        let (_, line) = fault.place();
        format!("{}:{line}: {fault}", self.name)
    }
}

fn cut(machine: &Machine, grants: &BTreeMap<String, Grants>) -> BTreeMap<String, Grants> {
    grants.iter().map(|(plugin, granted)| (plugin.clone(), machine.policy.cut(plugin, granted).0)).collect()
}

/// The inputs as they were typed: texts, which the check reads as what the document declares.
pub fn given(inputs: &Inputs) -> Result<Given, Failure> {
    let mut values = BTreeMap::new();
    for (name, value) in &inputs.inputs {
        if values.insert(name.clone(), Value::String(value.clone())).is_some() {
            let text = format!("input `{name}` is given twice");
            return Err(Failure::words(Kind::Usage, text));
        }
    }
    Ok(Given { values, partial: false })
}
