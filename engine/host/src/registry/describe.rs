//! Asking a plugin what it is, in an instance that is granted nothing. It must not know where the plugin comes from.

use super::{LoadFault, Loaded};
use crate::admission::{Phase, Rules};
use crate::ground::Ground;
use crate::instance::{Instance, SHOWING};
use crate::limits::{self, OUTPUT};
use crate::runtime::Runtime;
use crate::state::{CallState, Caller};
use cutwater_core::describe::{Kind, Plugin};
use cutwater_core::schema::Type;
use cutwater_driver::ports::CallId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;

/// What stands in a plugin's place until it was asked.
pub fn nobody() -> Plugin {
    Plugin {
        name: String::new(),
        version: String::new(),
        summary: String::new(),
        steps: BTreeMap::new(),
        digest: String::new(),
    }
}

/// Asks it, and gives it back.
pub fn ask(runtime: &Runtime, ground: &Arc<Ground>, loaded: Loaded) -> Result<(Plugin, Loaded), LoadFault> {
    let wrong = LoadFault::Description;
    let loaded = Arc::new(loaded);
    let rules = Rules {
        phase: Phase::Preview,
        grants: Default::default(),
        admitted: Vec::new(),
        input: serde_json::Value::Null,
        folder: String::new(),
        policy: ground.policy.clone(),
    };
    let caller = Caller {
        run: String::new(),
        step: String::new(),
        plugin: loaded.origin.to_string(),
        action: "describe".into(),
        attempt: 1,
        mark: String::new(),
    };
    // Nobody listens: what it says while it describes itself is for nobody.
    let (reports, _) = channel();
    let state = CallState::new(CallId(0), caller, rules, ground.clone(), Arc::default(), reports);
    let text = Instance::open(runtime, loaded.clone(), state, SHOWING, Arc::default())
        .and_then(|mut instance| instance.describe())
        .map_err(|trapped| wrong(format!("asked what it is, {trapped}")))?;
    let value = limits::json("the description", &text, OUTPUT).map_err(wrong)?;
    let plugin: Plugin = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
    check(&plugin, loaded.hold.is_some()).map_err(wrong)?;
    let loaded = Arc::into_inner(loaded).ok_or_else(|| wrong("it is still in use".into()))?;
    Ok((plugin, loaded))
}

fn check(plugin: &Plugin, has_holds: bool) -> Result<(), String> {
    let legal = |name: &str| {
        !name.is_empty()
            && name.len() <= 40
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if !legal(&plugin.name) {
        return Err(format!("`{}` is no name; lower-case letters, digits and `-` make one", plugin.name));
    }
    for (action, step) in &plugin.steps {
        if !legal(action) {
            return Err(format!("`{action}` is no name; lower-case letters, digits and `-` make one"));
        }
        let schemas =
            [("input", Some(&step.input)), ("output", Some(&step.output)), ("taken", step.taken.as_ref())];
        for (part, schema) in schemas.into_iter().filter_map(|(part, schema)| Some((part, schema?))) {
            Type::from_schema(schema).map_err(|fault| format!("`{action}`, {part}: {fault}"))?;
        }
        if step.kind == Kind::Hold && !has_holds {
            return Err(format!("`{action}` is a hold, but the component does not export `hold`"));
        }
    }
    Ok(())
}
