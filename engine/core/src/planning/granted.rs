//! What a step shows and needs against what it is granted, as far as it is known beforehand; the host looks again at run
//! time. It must not know how a grant is enforced.

use crate::describe::StepType;
use crate::effect::{Effect, HOLE_OPENS};
use crate::grant::{Address, Grants, matches};
use crate::mounting;
use crate::partial::Partial;
use crate::plan::PlanStep;
use serde_json::Value;
use std::collections::BTreeSet;

/// Everything that is not granted, in words that follow the step's name.
pub(super) fn missing(of: &StepType, step: &PlanStep, input: &Partial, grants: &Grants) -> Vec<String> {
    let mut found = BTreeSet::new();
    let needs = &of.needs;
    let all = [
        ("on", &needs.on, &grants.on),
        ("write", &needs.write, &grants.write),
        ("mount", &needs.mount, &grants.mount),
        ("units", &needs.units, &grants.units),
        ("freeze", &needs.freeze, &grants.freeze),
        ("secrets", &needs.secrets, &grants.secrets),
    ];
    for (key, wanted, granted) in all {
        for thing in
            wanted.iter().flat_map(|need| named(need, input)).filter(|thing| is_comparable(key, thing))
        {
            want(key, &thing, &[granted], &mut found);
        }
    }
    for thing in
        needs.read.iter().flat_map(|need| named(need, input)).filter(|thing| is_comparable("read", thing))
    {
        want("read", &thing, &[&grants.read, &grants.write], &mut found);
    }
    if needs.connect && grants.connect.is_empty() {
        found.insert("connects to something, and no `connect` is granted".to_owned());
    }
    for effect in step.shown.effects.iter().chain(&step.undo_shown.effects) {
        effect_missing(effect, grants, &mut found);
    }
    found.into_iter().collect()
}

fn effect_missing(effect: &Effect, grants: &Grants, found: &mut BTreeSet<String>) {
    let text = |name: &str| effect.detail.get(name).and_then(Value::as_str).map(str::to_owned);
    if effect.kind == "run" {
        device_missing(effect, grants, found);
    }
    match effect.kind.as_str() {
        // A service that the host's policy declares has programs of its own, admitted by `units`; a mount point brings
        // the two programs that mount and unmount.
        "run" if grants.units.is_empty() => {
            let program = text("program");
            let mounts = matches!(program.as_deref(), Some("mount" | "umount")) && !grants.mount.is_empty();
            want_all("run", program.filter(|_| !mounts), &[&grants.run], found);
        }
        "write" if effect.detail.get("folder") == Some(&Value::Bool(true)) => {
            want_all("mount", text("path"), &[&grants.mount, &grants.write], found);
        }
        // A fence is a file that belongs to a unit.
        "write" | "remove" if grants.units.is_empty() => {
            want_all("write", text("path"), &[&grants.write], found);
        }
        "block" => {
            want_all("read", text("from"), &[&grants.read, &grants.write], found);
            want_all("write", text("to"), &[&grants.write], found);
        }
        "freeze" => want_all("freeze", text("at"), &[&grants.freeze], found),
        "sql" | "opaque" => {
            if let Some(address) = effect.detail.get("address")
                && !grants.connect.iter().any(|granted| reaches(granted, address))
            {
                found.insert(format!("connects to {}, which no `connect` grants", place(address)));
            }
        }
        _ => {}
    }
}

/// A device that is mounted is written to, or at least read.
fn device_missing(effect: &Effect, grants: &Grants, found: &mut BTreeSet<String>) {
    let args = effect.detail.get("args").and_then(Value::as_array);
    let args =
        args.map(|args| args.iter().filter_map(|arg| arg.as_str().map(str::to_owned)).collect::<Vec<_>>());
    let program = effect.detail.get("program").and_then(Value::as_str);
    let line =
        args.zip(program.filter(|&name| name == "mount")).map(|(args, name)| mounting::parse(name, &args));
    let Some(Ok(line)) = line else { return };
    if line.writes {
        want_all("write", line.device, &[&grants.write], found);
    } else {
        want_all("read", line.device, &[&grants.read, &grants.write], found);
    }
}

fn want_all(key: &str, thing: Option<String>, granted: &[&Vec<String>], found: &mut BTreeSet<String>) {
    if let Some(thing) = thing {
        want(key, &thing, granted, found);
    }
}

/// A bare name of a group or a label says nothing about which object or path it will be.
fn is_comparable(key: &str, thing: &str) -> bool {
    match key {
        "on" => thing.contains('/'),
        "units" | "secrets" => true,
        _ => thing.starts_with('/'),
    }
}

/// Notes a thing that no pattern admits. What is not known yet is left to the host.
fn want(key: &str, thing: &str, granted: &[&Vec<String>], found: &mut BTreeSet<String>) {
    if thing.contains(HOLE_OPENS) {
        return;
    }
    // A unit has two names.
    let bare = if key == "units" { thing.strip_suffix(".service").unwrap_or(thing) } else { thing };
    let names = [thing.to_owned(), bare.to_owned(), format!("{bare}.service")];
    let names = if key == "units" { &names[..] } else { &names[..1] };
    let admits = |pattern: &String| names.iter().any(|name| matches(pattern, name));
    if !granted.iter().any(|patterns| patterns.iter().any(admits)) {
        let verb = match key {
            "run" => "runs",
            "on" => "works on",
            "mount" => "mounts or unmounts at",
            "read" => "reads",
            "write" => "writes",
            "units" => "controls",
            "freeze" => "freezes",
            _ => "uses the secret",
        };
        found.insert(format!("{verb} `{thing}`, which no `{key}` grants"));
    }
}

/// The texts that a need stands for: itself, or what the input holds at its pointer, where that is known.
pub(super) fn named(need: &str, input: &Partial) -> Vec<String> {
    let Some(pointer) = need.strip_prefix("with:") else { return vec![need.to_owned()] };
    match input.value.pointer(pointer) {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

fn reaches(granted: &Address, address: &Value) -> bool {
    if place(address).contains(HOLE_OPENS) {
        return true;
    }
    match granted {
        Address::Unix { unix, user, .. } => {
            let path = address.as_str().or_else(|| address.get("unix").and_then(Value::as_str));
            let same_user =
                address.get("as").and_then(Value::as_str) == user.as_deref() || address.is_string();
            path == Some(unix) && same_user
        }
        Address::Tcp { host, port, .. } => match address {
            Value::String(text) => *text == format!("{host}:{port}"),
            other => {
                other.get("host").and_then(Value::as_str) == Some(host)
                    && other.get("port").and_then(Value::as_u64) == Some(u64::from(*port))
            }
        },
    }
}

/// An address for people.
pub(crate) fn place(address: &Value) -> String {
    let text = |name: &str| address.get(name).and_then(Value::as_str);
    match (address, text("unix"), text("host")) {
        (Value::String(text), ..) => text.clone(),
        (_, Some(path), _) => match text("as") {
            Some(user) => format!("{path} as {user}"),
            None => path.to_owned(),
        },
        (_, _, Some(host)) => match address.get("port") {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        },
        _ => address.to_string(),
    }
}
