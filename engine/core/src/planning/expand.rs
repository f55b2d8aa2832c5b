//! A `for-each` becomes its instances and a step that gathers them: the fan-out is fixed in the plan. It must not know
//! previews.

use crate::check::CheckedStep;
use crate::effect::Shown;
use crate::names::StepName;
use crate::partial::Partial;
use crate::plan::{Body, Each, PlanStep, Retry};
use serde_json::Value;
use std::collections::BTreeSet;

/// How many instances one step may have.
const INSTANCES: usize = 1_000;

/// The instances, then the gathering step under the step's own name.
///
/// # Errors
/// In words: the fan-out is not known, is no list or map, or is too large.
pub(super) fn expand(step: &CheckedStep, over: &Partial) -> Result<Vec<PlanStep>, String> {
    if let Some(after) = over.unknown.values().next() {
        return Err(format!(
            "what `for-each` goes over is only known after `{after}`; it must be known beforehand"
        ));
    }
    let pairs = pairs(&over.value)?;
    if pairs.len() > INSTANCES {
        return Err(format!("`for-each` goes over {} things, {INSTANCES} are allowed", pairs.len()));
    }
    let name = &step.step.name;
    let mut steps = Vec::new();
    let mut of = Vec::new();
    for (key, value) in pairs {
        let instance = StepName::new(format!("{name}[{key}]"));
        of.push((key.clone(), instance.clone()));
        steps.push(PlanStep {
            name: instance,
            each: Some(Each { of: name.clone(), key, value }),
            ..step.step.clone()
        });
    }
    let at_most = step.for_each.as_ref().and_then(|each| each.at_most);
    let mut needs: BTreeSet<StepName> = of.iter().map(|(_, name)| name.clone()).collect();
    needs.extend(step.step.needs.iter().cloned());
    steps.push(PlanStep {
        name: name.clone(),
        within: step.step.within.clone(),
        body: Body::Gather { of, at_most },
        needs,
        condition: step.step.condition.clone().filter(|text| !text.contains("each")),
        each: None,
        with: Value::Null,
        retry: Retry::default(),
        timeout_ms: None,
        mark: false,
        finally: step.step.finally,
        shown: Shown::default(),
        undo_shown: Shown::default(),
        line: step.step.line,
    });
    Ok(steps)
}

/// A map by its keys in order; a list of different short names by those, any other list by index.
fn pairs(over: &Value) -> Result<Vec<(String, Value)>, String> {
    match over {
        Value::Object(map) => {
            let mut pairs: Vec<(String, Value)> =
                map.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            match pairs.iter().find(|(key, _)| !is_key(key)) {
                Some((key, _)) => Err(format!(
                    "`for-each` names a step by `{}`, which has other characters than letters, digits and `-_.`",
                    key.escape_default()
                )),
                None => Ok(pairs),
            }
        }
        Value::Array(items) => {
            let names: BTreeSet<&str> =
                items.iter().filter_map(Value::as_str).filter(|text| is_key(text)).collect();
            let by_name = names.len() == items.len();
            Ok(items
                .iter()
                .enumerate()
                .map(|(index, item)| match item {
                    Value::String(text) if by_name => (text.clone(), item.clone()),
                    _ => (index.to_string(), item.clone()),
                })
                .collect())
        }
        _ => Err("`for-each` goes over a list or a map".to_owned()),
    }
}

fn is_key(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}
