//! Plugins: building, listing, looking into; testing has a file of its own. It must not run a step.

use crate::args::{Global, Plugin};
use crate::exit::{Failure, Kind};
use crate::machine::Machine;
use crate::paths::Paths;
use crate::screen;
use cutwater_core::describe::{self, StepType, Undo};
use cutwater_core::fault::{escaped, nearest};
use cutwater_core::schema::Type;
use cutwater_host::registry::Loaded;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Does what was asked.
pub fn run(paths: &Paths, global: &Global, what: &Plugin) -> Result<(), Failure> {
    match what {
        Plugin::Build { dir, out } => build(global, dir, out.as_deref()),
        Plugin::Test(args) => super::plugin_test::run(paths, global, args),
        Plugin::List => list(&Machine::open(paths, global)?, global),
        Plugin::Inspect { plugin } => inspect(&Machine::open(paths, global)?, global, plugin),
    }
}

fn build(global: &Global, dir: &Path, out: Option<&Path>) -> Result<(), Failure> {
    let out = match out {
        Some(out) => out.to_owned(),
        None => default_out(dir)?,
    };
    let built = cutwater_build::build(dir, &out).map_err(|error| Failure::new(Kind::Invalid, error))?;
    match global.json {
        true => screen::print_json(&json!({
            "component": built.path, "bytes": built.bytes, "imports": built.imports, "holds": built.holds,
            "written": built.written
        })),
        false => {
            let imports: Vec<&str> = built.imports.iter().map(|import| power(import)).collect();
            say(
                0,
                &format!("{}  {} bytes  powers: {}", built.path.display(), built.bytes, imports.join(", ")),
            );
        }
    }
    Ok(())
}

/// `NAME.wasm` in the plugin's own folder.
fn default_out(dir: &Path) -> Result<PathBuf, Failure> {
    let folder = dir.canonicalize().map_err(|error| {
        Failure::new(
            Kind::Invalid,
            anyhow::Error::new(error).context(format!("cannot read {}", dir.display())),
        )
    })?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(folder.join(format!("{name}.wasm")))
}

fn list(machine: &Machine, global: &Global) -> Result<(), Failure> {
    if global.json {
        let all: Vec<Value> = machine.registry.all().map(|loaded| as_json(loaded)).collect();
        let rejected: Vec<Value> = machine
            .rejected
            .iter()
            .map(|rejected| json!({ "origin": rejected.origin.to_string(), "why": rejected.fault.to_string() }))
            .collect();
        screen::print_json(&json!({ "plugins": all, "rejected": rejected }));
        return Ok(());
    }
    for loaded in machine.registry.all() {
        let plugin = &loaded.plugin;
        say(0, &format!("{} {}  {}  ({})", plugin.name, plugin.version, plugin.summary, loaded.origin));
        let width = plugin.steps.keys().map(String::len).max().unwrap_or(0);
        for (name, step) in &plugin.steps {
            say(2, &format!("{name:<width$}  {:<6}  {}", kind(step), step.summary));
        }
    }
    if machine.registry.all().next().is_none() {
        screen::complain(
            "no plugins: the shipped ones come into the binary with `make build`; others are found with --plugins DIR\n",
        );
    }
    for rejected in &machine.rejected {
        screen::complain(&format!("warning: {}\n", escaped(&rejected.to_string())));
    }
    Ok(())
}

fn inspect(machine: &Machine, global: &Global, typed: &str) -> Result<(), Failure> {
    let (name, action) = match typed.split_once('.') {
        Some((name, action)) => (name, Some(action)),
        None => (typed, None),
    };
    let loaded = machine.registry.get(name).ok_or_else(|| no_such(machine, name))?;
    let action = match action {
        None => None,
        Some(action) => {
            let steps = &loaded.plugin.steps;
            Some((
                action,
                steps
                    .get(action)
                    .ok_or_else(|| unknown(&format!("step of `{name}`"), action, steps.keys()))?,
            ))
        }
    };
    match (global.json, action) {
        (true, None) => screen::print_json(&as_json(loaded)),
        (true, Some((_, step))) => screen::print_json(step),
        (false, None) => print_plugin(loaded),
        (false, Some((action, step))) => print_step(action, step),
    }
    Ok(())
}

fn no_such(machine: &Machine, name: &str) -> Failure {
    let mut names: Vec<&String> = Vec::new();
    names.extend(machine.registry.all().map(|loaded| &loaded.plugin.name));
    unknown("plugin", name, names.into_iter())
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> Failure {
    let near = nearest(name, known.map(String::as_str)).map(|near| format!("; did you mean `{near}`?"));
    Failure::words(Kind::Invalid, format!("there is no {what} `{name}`{}", near.unwrap_or_default()))
}

fn as_json(loaded: &Loaded) -> Value {
    json!({
        "plugin": loaded.plugin,
        "origin": loaded.origin.to_string(),
        "bytes": loaded.bytes,
        "imports": loaded.imports,
        "exports": loaded.exports,
    })
}

fn print_plugin(loaded: &Loaded) {
    let plugin: &describe::Plugin = &loaded.plugin;
    say(0, &format!("{} {}  {}", plugin.name, plugin.version, plugin.summary));
    say(2, &format!("from    {} ({} bytes)", loaded.origin, loaded.bytes));
    say(2, &format!("digest  {}", plugin.digest));
    let powers: Vec<&str> =
        loaded.imports.iter().map(|import| power(import)).filter(|name| *name != "types").collect();
    say(2, &format!("powers  {}", powers.join(", ")));
    for (name, step) in &plugin.steps {
        screen::print("\n");
        print_step(&format!("{}.{name}", plugin.name), step);
    }
}

fn print_step(name: &str, step: &StepType) {
    let undo = match (step.kind, step.undo) {
        (describe::Kind::Action, Undo::Restores) => ", undo restores",
        (describe::Kind::Action, Undo::Discards) => ", undo discards scratch",
        (describe::Kind::Action, Undo::None) => ", no undo",
        _ => "",
    };
    say(0, &format!("{name}  ({}{undo})  {}", kind(step), step.summary));
    fields("with", &step.input);
    if let Some(taken) = &step.taken {
        fields("taken", taken);
    }
    fields("gives", &step.output);
    let needs = serde_json::to_value(&step.needs).unwrap_or_default();
    let needed: Vec<String> = needs
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| {
            !matches!(value, Value::Array(list) if list.is_empty()) && **value != Value::Bool(false)
        })
        .map(|(key, value)| format!("{key} {value}"))
        .collect();
    if !needed.is_empty() {
        say(2, &format!("needs granted: {}", needed.join(", ")));
    }
}

fn fields(title: &str, schema: &Value) {
    let Ok(Type::Object(fields)) = Type::from_schema(schema) else { return };
    if fields.named.is_empty() {
        return;
    }
    say(2, title);
    let width = fields.named.keys().map(String::len).max().unwrap_or(0);
    for (name, field) in &fields.named {
        let about =
            schema.pointer(&format!("/properties/{name}/description")).and_then(Value::as_str).unwrap_or("");
        let optional = match (&field.default, field.required) {
            (Some(default), _) => format!(" (default {default})"),
            (None, true) => String::new(),
            (None, false) => " (optional)".to_owned(),
        };
        let about = about.lines().collect::<Vec<_>>().join(" ");
        say(4, format!("{name:<width$}  {}{optional}  {about}", field.of).trim_end());
    }
}

/// `cutwater:plugin/run@0.1.0` → `run`.
fn power(import: &str) -> &str {
    let name = import.rsplit('/').next().unwrap_or(import);
    name.split('@').next().unwrap_or(name)
}

fn kind(step: &StepType) -> &'static str {
    match step.kind {
        describe::Kind::Check => "check",
        describe::Kind::Action => "action",
        describe::Kind::Hold => "hold",
    }
}

fn say(indent: usize, text: &str) {
    screen::print(&format!("{}{}\n", " ".repeat(indent), escaped(text)));
}
