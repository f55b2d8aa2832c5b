//! From a checked document to a plan: each step previewed in an order in which it could run, over what is known so far.
//! It must not know how a preview is made, nor touch anything: the previewer is given.
//!
//! A `check` that waits for nothing that changes anything runs for real, and its output is pinned; any other check is
//! previewed, for it looks at a world that is not there yet. Inside a hold its `taken` output is seen, after it its
//! `released` one. All steps that can be previewed are, so that everything that is wrong is told at once.

mod canonical;
mod drift;
mod expand;
mod failure;
mod granted;
mod locks;
mod typed;
mod walk;

#[cfg(test)]
pub(crate) use canonical::shuffled;
pub use drift::{differences, drift};
pub use failure::{PlanningFailure, PlanningFault};
pub(crate) use granted::place;
pub(crate) use walk::after_mark;

use crate::answer::{Answer, Refusal};
use crate::check::Checked;
use crate::describe::Catalog;
use crate::effect::Shown;
use crate::grant::Grants;
use crate::partial::Partial;
use crate::plan::{PLAN_FORMAT, Plan, PlanStep};
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands for the run's id while there is no run yet: a hole, so that marks, folders and session names in effects
/// are fixed but for it. The previewer gives it to plugins as the run.
pub const RUN: &str = "\u{e000}run\u{e001}";

/// What the plan rests on besides the document.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Every plugin, with its component's digest.
    pub catalog: Catalog,
    /// Digest of the host's policy.
    pub policy: String,
    /// The document's grants, cut down by the host's policy.
    pub grants: BTreeMap<String, Grants>,
    /// `hosts` in expressions.
    pub hosts: Value,
}

/// Asks plugins, in a sandbox that has nothing to write with.
pub trait Previewer {
    /// Runs a check for real.
    fn check(&mut self, step: &PlanStep, input: Value, grants: &Grants) -> Answer;
    /// Shows what a step would do; with `undo` what its undo (a hold's release) would. A hold's output is
    /// `{taken, released}`.
    ///
    /// # Errors
    /// The plugin's own words, where the world refuses.
    fn preview(
        &mut self,
        step: &PlanStep,
        input: Partial,
        grants: &Grants,
        undo: bool,
    ) -> Result<Shown, Refusal>;
}

/// Makes the plan. Nothing is changed, whatever the result.
///
/// # Errors
/// All that is wrong: what the world refuses (exit 4), and what is not granted or does not fit (exit 3).
pub fn plan(checked: Checked, facts: &Facts, previewer: &mut dyn Previewer) -> Result<Plan, PlanningFailure> {
    let walked = walk::walk(&checked, facts, previewer);
    if !walked.faults.is_empty() {
        return Err(PlanningFailure { faults: walked.faults });
    }
    let components = components(&walked.steps, &facts.catalog);
    let used = |plugin: &String| components.contains_key(plugin);
    let mut locks = checked.locks;
    locks.extend(walked.locks);
    let mut plan = Plan {
        format: PLAN_FORMAT,
        name: checked.name,
        summary: checked.summary,
        document: checked.document,
        inputs: checked.inputs,
        on_failure: checked.on_failure,
        window: checked.window,
        locks,
        steps: walked.steps,
        grants: facts
            .grants
            .iter()
            .filter(|(plugin, _)| used(plugin))
            .map(|(p, g)| (p.clone(), g.clone()))
            .collect(),
        components,
        policy: facts.policy.clone(),
        hash: String::new(),
    };
    plan.hash = canonical::hash(&plan, &facts.catalog);
    Ok(plan)
}

/// The digests of the components that the steps use.
fn components(steps: &[PlanStep], catalog: &Catalog) -> BTreeMap<String, String> {
    let used = steps.iter().filter_map(|step| step.body.uses());
    used.filter_map(|(plugin, _)| catalog.get(plugin).map(|found| (plugin.to_owned(), found.digest.clone())))
        .collect()
}

#[cfg(test)]
mod tests;
