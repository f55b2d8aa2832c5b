//! A single step of a plugin as a workflow of one step. It must not know any plugin.

use super::run::begin;
use super::workflow::Source;
use crate::args::{Global, Step};
use crate::exit::{Failure, Kind};
use crate::machine::Machine;
use crate::paths::Paths;
use crate::screen;
use cutwater_core::check::Given;
use cutwater_core::describe::{self, Catalog, Needs, StepType, Undo};
use cutwater_core::expr::{Scope, render};
use cutwater_core::partial::Partial;
use cutwater_core::plan::Plan;
use cutwater_core::show_plan;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The step's name in its workflow.
const NAME: &str = "step";

/// Runs a check at once; shows the plan of an action, and does it with `--yes`.
pub fn run(paths: &Paths, global: &Global, args: &Step) -> Result<(), Failure> {
    let with = with(&args.with)?;
    let machine = Machine::open(paths, global)?;
    let catalog = machine.registry.catalog();
    let kind = kind(&catalog, &args.uses);
    if kind.is_some_and(|step| step.kind == describe::Kind::Hold) {
        let text = format!("`{}` is a hold: it makes sense around steps only, in a workflow file", args.uses);
        return Err(Failure::words(Kind::Usage, text));
    }
    let source = Source { name: "(step)".to_owned(), text: document(args, kind, &with)? };
    let (plan, _) = source.plan(&machine, &Given::default())?;
    if kind.is_some_and(|step| step.kind == describe::Kind::Check) {
        return checked(args, global, &plan);
    }
    if !args.yes {
        match global.json {
            true => screen::print_json(&plan),
            false => screen::print(&format!(
                "{}\nnothing was changed; add --yes to do it\n",
                show_plan::text(&plan)
            )),
        }
        return Ok(());
    }
    begin(&machine, global, plan, false)
}

fn kind<'a>(catalog: &'a Catalog, uses: &str) -> Option<&'a StepType> {
    let (plugin, action) = uses.split_once('.')?;
    catalog.get(plugin)?.steps.get(action)
}

/// `NAME=VALUE` (VALUE is JSON where it reads as JSON, else text) and whole objects, the later ones on top.
fn with(given: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut with = Map::new();
    for text in given {
        if text.trim_start().starts_with('{') {
            match serde_json::from_str(text) {
                Ok(Value::Object(object)) => with.extend(object),
                Ok(_) => {}
                Err(error) => {
                    return Err(Failure::new(Kind::Usage, anyhow::Error::new(error).context("--with")));
                }
            }
            continue;
        }
        let Some((name, value)) = text.split_once('=') else {
            return Err(Failure::words(
                Kind::Usage,
                format!("--with {text}: it must be NAME=VALUE or a JSON object"),
            ));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        with.insert(name.to_owned(), value);
    }
    Ok(with)
}

/// The workflow file, written the way a person would.
fn document(args: &Step, step: Option<&StepType>, with: &Map<String, Value>) -> Result<String, Failure> {
    let plugin = args.uses.split('.').next().unwrap_or_default();
    let grants = match &args.grant {
        Some(text) if text.lines().count() > 1 => {
            return Err(Failure::words(Kind::Usage, "--grant must be one line, such as '{run: [lvs]}'"));
        }
        Some(text) => text.clone(),
        None => Value::Object(step.map(|step| granted(&step.needs, with)).unwrap_or_default()).to_string(),
    };
    let uses = json!(args.uses);
    let with = Value::Object(with.clone());
    // A step that cannot be taken back is its own point of no return.
    let mark = step.is_some_and(|step| step.kind == describe::Kind::Action && step.undo == Undo::None);
    let mark = if mark { "\n    point-of-no-return: true" } else { "" };
    let grants =
        if grants == "{}" { String::new() } else { format!("grants:\n  {}: {grants}\n", json!(plugin)) };
    Ok(format!(
        "cutwater: 1\nname: step\n{grants}steps:\n  {NAME}:\n    uses: {uses}\n    with: {with}{mark}\n"
    ))
}

/// What the step says it needs, its pointers into the input filled in.
fn granted(needs: &Needs, with: &Map<String, Value>) -> Map<String, Value> {
    let input = Value::Object(with.clone());
    let texts = |needed: &[String]| -> Vec<Value> {
        needed
            .iter()
            .flat_map(|text| match text.strip_prefix("with:") {
                None => vec![json!(text)],
                Some(pointer) => match input.pointer(pointer) {
                    Some(Value::Array(list)) => list.clone(),
                    Some(value @ Value::String(_)) => vec![value.clone()],
                    _ => Vec::new(),
                },
            })
            .collect()
    };
    let all = [
        ("run", &needs.run),
        ("on", &needs.on),
        ("read", &needs.read),
        ("write", &needs.write),
        ("mount", &needs.mount),
        ("units", &needs.units),
        ("freeze", &needs.freeze),
        ("secrets", &needs.secrets),
    ];
    all.into_iter()
        .map(|(key, needed)| (key.to_owned(), texts(needed)))
        .filter(|(_, texts)| !texts.is_empty())
        .map(|(key, texts)| (key, Value::Array(texts)))
        .collect()
}

/// A check ran while it was planned: what it gave is pinned there.
fn checked(args: &Step, global: &Global, plan: &Plan) -> Result<(), Failure> {
    let output = plan.steps.first().map(|step| step.shown.output.value.clone()).unwrap_or_default();
    match global.json {
        true => screen::print_json(&output),
        false => {
            let text = serde_json::to_string_pretty(&output).unwrap_or_default();
            let lines: Vec<String> = text.lines().map(cutwater_core::fault::escaped).collect();
            screen::print(&format!("{}\n", lines.join("\n")));
        }
    }
    match &args.exit_code {
        None => Ok(()),
        Some(expression) => chosen(expression, output),
    }
}

/// The exit status that an expression over `steps.step` asks for: 0, or 10 to 125.
fn chosen(expression: &str, output: Value) -> Result<(), Failure> {
    let scope =
        Scope { steps: BTreeMap::from([(NAME.to_owned(), Partial::known(output))]), ..Scope::default() };
    let text = Value::String(format!("${{{{ {expression} }}}}"));
    let value = render(&text, &scope).map_err(|error| {
        Failure::new(Kind::Usage, anyhow::Error::new(error).context(format!("--exit-code {expression}")))
    })?;
    match value.value.as_u64() {
        Some(0) => Ok(()),
        Some(code @ 10..=125) => Err(Failure::said(Kind::Chosen(u8::try_from(code).unwrap_or(125)))),
        _ => {
            let text =
                format!("--exit-code {expression} gave {}, and only 0 and 10 to 125 are free", value.value);
            Err(Failure::words(Kind::Usage, text))
        }
    }
}
