//! Runs and events to store. It must not open a journal.
#![allow(dead_code, reason = "each test file uses its own part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

use cutwater_core::event::{EVENT_FORMAT, Event};
use cutwater_core::names::{RunId, StepName};
use cutwater_core::plan::{Plan, PlanStep};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder of its own, and a journal's path below it.
pub fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lib/cutwater/journal.db");
    (folder, path)
}

/// A run's first event.
pub fn created(run: &RunId) -> Event {
    let plan = Plan {
        format: 1,
        name: "move-volume".into(),
        summary: String::new(),
        document: "cutwater: 1\n".into(),
        inputs: serde_json::Map::new(),
        on_failure: Default::default(),
        window: None,
        locks: Default::default(),
        steps: Vec::new(),
        grants: BTreeMap::new(),
        components: BTreeMap::new(),
        policy: String::new(),
        hash: "abc".into(),
    };
    Event::Created {
        format: EVENT_FORMAT,
        run: run.clone(),
        plan: Box::new(plan),
        by: "root".into(),
        faults: false,
    }
}

/// Words of a step.
pub fn said(text: &str) -> Event {
    Event::Said { step: StepName::new("copy"), level: "info".into(), text: text.into() }
}

/// The first event of a run whose plan has so many steps.
pub fn created_with(run: &RunId, steps: usize) -> Event {
    let Event::Created { format, run, mut plan, by, faults } = created(run) else { unreachable!() };
    plan.steps = (0..steps).map(step).collect();
    Event::Created { format, run, plan, by, faults }
}

fn step(n: usize) -> PlanStep {
    let body = json!({ "is": "check", "plugin": "lvm", "action": "check-extents" });
    serde_json::from_value(json!({ "name": format!("step-{n}"), "body": body })).unwrap()
}
