//! Random plans: chains and forks of checks, actions, approvals, holds, and an outage with or without a mark.

use crate::common::plans::{action, plan, step};
use crate::dice::Dice;
use cutwater_core::describe::Undo;
use cutwater_core::names::StepName;
use cutwater_core::plan::{Body, Each, Plan, PlanStep, Retry};
use serde_json::json;

/// A plan of one to ten outer steps. Steps after the mark have no undo, as the checker demands nothing of them.
pub fn random(dice: &mut Dice) -> Plan {
    let mut steps: Vec<PlanStep> = Vec::new();
    let mut outer: Vec<String> = Vec::new();
    let mut mark: Option<String> = None;
    for n in 0..1 + dice.below(10) {
        let name = format!("s{n}");
        let mut needs: Vec<String> = outer.iter().filter(|_| dice.one_in(2)).cloned().collect();
        let marked = mark.is_some();
        needs.extend(mark.iter().filter(|m| !outer.is_empty() && outer.contains(m)).cloned());
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        let undo = if marked { Undo::None } else { Undo::Restores };
        let name = match dice.below(8) {
            0 => {
                let body = Body::Check { plugin: "test".into(), action: "look".into() };
                steps.push(step(&name, body, &needs, None));
                name
            }
            1 if !marked => {
                let body = Body::Approve { message: "go?".into(), by: vec![], expires_ms: Some(60_000) };
                steps.push(step(&name, body, &needs, None));
                name
            }
            2 if !marked => {
                let name = format!("h{n}");
                let body = Body::Hold {
                    plugin: "test".into(),
                    action: "hold".into(),
                    limit_ms: 5_000,
                    carries: n % 2 == 1,
                };
                steps.push(step(&name, body, &needs, None));
                inner(dice, &mut steps, &name, false);
                name
            }
            3 if !marked => {
                let name = format!("o{n}");
                let marked = dice.one_in(2);
                mark = marked.then(|| name.clone());
                // As the checker demands: no hold beside the mark, for behind the mark its inner steps could not be undone.
                let all: Vec<&str> = outer.iter().map(String::as_str).collect();
                let needs = if marked { all } else { needs };
                steps.push(step(&name, Body::Outage { limit_ms: 10_000 }, &needs, None));
                inner(dice, &mut steps, &name, marked);
                name
            }
            _ => {
                let mut planned = step(&name, action(undo), &needs, None);
                planned.retry = Retry { times: dice.below(3) as u32, wait_ms: 10 };
                steps.push(planned);
                name
            }
        };
        outer.push(name);
    }
    plan(steps)
}

fn inner(dice: &mut Dice, steps: &mut Vec<PlanStep>, group: &str, mark: bool) {
    let count = 1 + dice.below(4);
    let mut before: Option<String> = None;
    for n in 0..count {
        let name = format!("{group}-{n}");
        let needs: Vec<&str> = before.iter().map(String::as_str).collect();
        let last = n + 1 == count;
        let mut planned =
            step(&name, action(if mark && last { Undo::None } else { Undo::Restores }), &needs, Some(group));
        planned.mark = mark && last;
        steps.push(planned);
        before = Some(name);
    }
}

/// Lets the first two outer actions beside each other, of which the second does not build on the first, be instances of one
/// `for-each`, one at a time.
pub fn one_at_a_time(plan: &mut Plan) {
    let outer = |step: &PlanStep| step.within.is_none() && step.body.undoes();
    let pair = (1..plan.steps.len()).find(|&n| {
        let (a, b) = (&plan.steps[n - 1], &plan.steps[n]);
        outer(a) && outer(b) && !b.needs.contains(&a.name)
    });
    let Some(second) = pair else { return };
    let names = [plan.steps[second - 1].name.clone(), plan.steps[second].name.clone()];
    let gather: StepName = "each".into();
    plan.steps[second].needs = plan.steps[second - 1].needs.clone();
    for (key, name) in names.iter().enumerate() {
        let each = Each { of: gather.clone(), key: key.to_string(), value: json!(key) };
        let instance = plan.steps.iter_mut().find(|step| step.name == *name);
        instance.expect("it is there").each = Some(each);
    }
    for later in &mut plan.steps[second + 1..] {
        let count = later.needs.len();
        later.needs.retain(|needed| !names.contains(needed));
        if later.needs.len() < count {
            later.needs.insert(gather.clone());
        }
    }
    let of = names.iter().enumerate().map(|(key, name)| (key.to_string(), name.clone())).collect();
    let names: Vec<&str> = names.iter().map(StepName::as_str).collect();
    plan.steps.insert(second + 1, step("each", Body::Gather { of, at_most: Some(1) }, &names, None));
}
