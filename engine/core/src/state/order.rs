//! Who comes before whom in a plan: needs, enclosing holds and outages, and the reverse for undo. Indices into
//! `plan.steps`. It must not know where steps stand.

use crate::names::StepName;
use crate::plan::Plan;
use std::collections::{BTreeSet, HashMap};

/// The order of a plan's steps, worked out once.
#[derive(Debug, Clone)]
pub struct Order {
    index: HashMap<StepName, usize>,
    /// What must have ended before a step begins.
    pub needs: Vec<Vec<usize>>,
    /// The hold or outage directly around a step.
    pub within: Vec<Option<usize>>,
    /// The steps directly inside a hold or outage.
    pub inner: Vec<Vec<usize>>,
    /// For a hold or outage: what its inner steps need from outside it, so that it never waits while open.
    pub needs_of_inner: Vec<Vec<usize>>,
    /// What is taken back before a step is: the direct ones. What comes before those comes before it, too.
    pub undone_before: Vec<Vec<usize>>,
    /// All steps, each after all that is taken back before it.
    pub last_first: Vec<usize>,
}

impl Order {
    /// Works it out. Needs on steps that the plan does not have are left out (the checker refused them).
    pub fn of(plan: &Plan) -> Self {
        let index: HashMap<StepName, usize> =
            plan.steps.iter().enumerate().map(|(i, s)| (s.name.clone(), i)).collect();
        let count = plan.steps.len();
        let find = |name: &StepName| index.get(name).copied();
        let within: Vec<Option<usize>> =
            plan.steps.iter().map(|s| s.within.as_ref().and_then(find)).collect();
        let needs: Vec<Vec<usize>> =
            plan.steps.iter().map(|s| s.needs.iter().filter_map(find).collect()).collect();
        let mut inner = vec![Vec::new(); count];
        for (step, around) in within.iter().enumerate() {
            if let Some(around) = around {
                inner[*around].push(step);
            }
        }
        let around = |mut step: usize| {
            let mut chain = Vec::new();
            while let Some(outer) = within[step] {
                if chain.contains(&outer) {
                    break;
                }
                chain.push(outer);
                step = outer;
            }
            chain
        };
        let mut needs_of_inner = vec![BTreeSet::new(); count];
        let mut undone_before = vec![BTreeSet::new(); count];
        for (step, needs) in needs.iter().enumerate() {
            let mine = around(step);
            for group in &mine {
                undone_before[*group].insert(step);
            }
            for &needed in needs {
                undone_before[needed].insert(step);
                let theirs = around(needed);
                for &group in &mine {
                    if group != needed && !theirs.contains(&group) {
                        needs_of_inner[group].insert(needed);
                    }
                }
            }
        }
        // What comes after a hold or outage comes after everything inside it.
        for step in 0..count {
            for group in around(step) {
                let after: Vec<usize> = undone_before[group]
                    .iter()
                    .copied()
                    .filter(|&t| t != step && !around(t).contains(&group))
                    .collect();
                undone_before[step].extend(after);
            }
        }
        let lists = |sets: Vec<BTreeSet<usize>>| -> Vec<Vec<usize>> {
            sets.into_iter().map(|s| s.into_iter().collect()).collect()
        };
        let undone_before = lists(undone_before);
        Self {
            last_first: last_first(&undone_before),
            index,
            needs,
            within,
            inner,
            needs_of_inner: lists(needs_of_inner),
            undone_before,
        }
    }

    /// The place of a step in `plan.steps`.
    pub fn index(&self, name: &StepName) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The holds and outages around a step, inside out.
    pub fn around(&self, step: usize) -> Vec<usize> {
        let mut chain = Vec::new();
        let mut at = step;
        while let Some(outer) = self.within[at] {
            chain.push(outer);
            at = outer;
        }
        chain
    }
}

/// Kahn's order over "is taken back before".
fn last_first(undone_before: &[Vec<usize>]) -> Vec<usize> {
    let mut open: Vec<usize> = undone_before.iter().map(Vec::len).collect();
    let mut earlier = vec![Vec::new(); undone_before.len()];
    for (step, laters) in undone_before.iter().enumerate() {
        for &later in laters {
            earlier[later].push(step);
        }
    }
    let mut ready: Vec<usize> = (0..open.len()).filter(|&step| open[step] == 0).collect();
    let mut order = Vec::with_capacity(open.len());
    while let Some(step) = ready.pop() {
        order.push(step);
        for &before in &earlier[step] {
            open[before] -= 1;
            if open[before] == 0 {
                ready.push(before);
            }
        }
    }
    order
}
