//! Plans by hand: a step and a plan with everything else left at its default.

use cutwater_core::describe::Undo;
use cutwater_core::names::StepName;
use cutwater_core::plan::{Body, OnFailure, PLAN_FORMAT, Plan, PlanStep, Retry};
use serde_json::json;
use std::collections::BTreeSet;

pub fn step(name: &str, body: Body, needs: &[&str], within: Option<&str>) -> PlanStep {
    PlanStep {
        name: name.into(),
        within: within.map(StepName::from),
        body,
        needs: needs.iter().map(|n| StepName::from(*n)).collect(),
        condition: None,
        each: None,
        with: json!({}),
        retry: Retry::default(),
        timeout_ms: None,
        mark: false,
        finally: false,
        shown: Default::default(),
        undo_shown: Default::default(),
        line: 0,
    }
}

pub fn action(undo: Undo) -> Body {
    Body::Action { plugin: "test".into(), action: "do".into(), undo, watch: false }
}

pub fn plan(steps: Vec<PlanStep>) -> Plan {
    Plan {
        format: PLAN_FORMAT,
        name: "random".into(),
        summary: String::new(),
        document: String::new(),
        inputs: Default::default(),
        on_failure: OnFailure::Undo,
        window: None,
        locks: BTreeSet::new(),
        steps,
        grants: Default::default(),
        components: Default::default(),
        policy: String::new(),
        hash: "0123456789abcdef".into(),
    }
}
