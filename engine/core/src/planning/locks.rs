//! What no other run may touch meanwhile: the names of the things that a step changes, and their identities. It must
//! not know who holds a lock.

use super::canonical::identities;
use super::granted::named;
use crate::describe::StepType;
use crate::effect::HOLE_OPENS;
use crate::partial::Partial;
use crate::plan::{Body, PlanStep};
use serde_json::Value;
use std::collections::BTreeSet;

/// The locks that a step implies: `lvm:GROUP`, `device:PATH`, `file:PATH`, `mount:PATH`, `service:NAME`, `postgres:ADDRESS`,
/// `identity:TEXT`. A check implies none but identities.
pub(super) fn of(described: &StepType, step: &PlanStep, input: &Partial) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Value::Array(texts) = identities(&step.shown.output.value) {
        found.extend(texts.iter().filter_map(Value::as_str).map(|text| format!("identity:{text}")));
    }
    if !matches!(step.body, Body::Check { .. }) {
        changed(described, step, input, &mut found);
    }
    found.retain(|lock| !lock.contains(HOLE_OPENS));
    found
}

fn changed(described: &StepType, step: &PlanStep, input: &Partial, found: &mut BTreeSet<String>) {
    let needs = &described.needs;
    let each = |list: &[String]| list.iter().flat_map(|need| named(need, input)).collect::<Vec<String>>();
    for object in each(&needs.on) {
        found.extend(
            object.split('/').next().filter(|group| !group.is_empty()).map(|group| format!("lvm:{group}")),
        );
    }
    for path in each(&needs.write) {
        found.insert(written(&path));
    }
    for path in each(&needs.mount).into_iter().chain(each(&needs.freeze)) {
        found.insert(format!("mount:{}", path.trim_end_matches('/')));
    }
    for unit in each(&needs.units) {
        found.insert(format!("service:{unit}"));
    }
    for effect in &step.shown.effects {
        let text = |name: &str| effect.detail.get(name).and_then(Value::as_str);
        match effect.kind.as_str() {
            "block" => found.extend(text("to").map(written)),
            "write" | "remove" => {
                found.extend(text("path").filter(|_| effect.detail.get("folder").is_none()).map(written))
            }
            "freeze" => found.extend(text("at").map(|at| format!("mount:{at}"))),
            "sql" if effect.detail.get("reads") != Some(&Value::Bool(true)) => {
                found.extend(
                    effect
                        .detail
                        .get("address")
                        .map(|address| format!("postgres:{}", super::granted::place(address))),
                );
            }
            _ => {}
        }
        for name in ["identity", "to-identity"] {
            found.extend(text(name).map(|identity| format!("identity:{identity}")));
        }
    }
}

fn written(path: &str) -> String {
    if path.starts_with("/dev/") { format!("device:{path}") } else { format!("file:{path}") }
}
