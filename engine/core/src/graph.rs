//! The steps of a document or plan as a graph, and three pictures of it: Mermaid, DOT, SVG. It must not know what steps
//! do, nor what has become of them.

mod dot;
mod layout;
mod mermaid;
mod svg;

pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;

use crate::check::Checked;
use crate::figures::span;
use crate::names::StepName;
use crate::plan::{Body, Plan, PlanStep};
use std::collections::{BTreeMap, BTreeSet};

/// The graph: boxes within boxes, and arrows between neighbours in the same box.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// The workflow's name.
    pub title: String,
    /// In plan order; what is inside stands after what is around it.
    pub nodes: Vec<Node>,
    /// From what is needed to what needs it, by place in `nodes`. Both ends are inside the same box; what other arrows
    /// say already is left out.
    pub arrows: Vec<(usize, usize)>,
}

/// A step.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it is, in a few words: `block.sync`, `outage, 1 min at most`.
    pub what: String,
    /// How it looks.
    pub shape: Shape,
    /// The hold or outage around it, by place in `nodes`.
    pub within: Option<usize>,
    /// Whether it is the point of no return.
    pub mark: bool,
}

/// How a node looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Reads only.
    Check,
    /// Changes something.
    Action,
    /// A box around inner steps, given back at its end.
    Hold,
    /// A box around inner steps.
    Outage,
    /// A person.
    Approve,
    /// Collects a repeated step's instances.
    Gather,
}

impl Graph {
    /// Of a plan.
    pub fn of_plan(plan: &Plan) -> Self {
        Self::of(&plan.name, plan.steps.iter())
    }

    /// Of a document that was never planned.
    pub fn of_checked(checked: &Checked) -> Self {
        Self::of(&checked.name, checked.steps.iter().map(|checked| &checked.step))
    }

    fn of<'a>(title: &str, steps: impl Iterator<Item = &'a PlanStep>) -> Self {
        let steps: Vec<&PlanStep> = steps.collect();
        let index: BTreeMap<&StepName, usize> =
            steps.iter().enumerate().map(|(at, step)| (&step.name, at)).collect();
        let nodes: Vec<Node> = steps
            .iter()
            .map(|step| {
                let (shape, what) = look(&step.body);
                let within = step.within.as_ref().and_then(|name| index.get(name)).copied();
                Node { name: step.name.to_string(), what, shape, within, mark: step.mark }
            })
            .collect();
        let mut wanted: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (to, step) in steps.iter().enumerate() {
            for from in step.needs.iter().filter_map(|name| index.get(name)) {
                wanted.extend(neighbours(&nodes, *from, to));
            }
        }
        Self { title: title.to_owned(), nodes, arrows: reduced(&wanted) }
    }

    /// The places of the nodes directly inside a box, or outside all.
    pub fn inside(&self, around: Option<usize>) -> impl Iterator<Item = usize> + '_ {
        self.nodes.iter().enumerate().filter(move |(_, node)| node.within == around).map(|(at, _)| at)
    }

    /// Whether it is a box.
    pub fn is_box(&self, at: usize) -> bool {
        matches!(self.nodes[at].shape, Shape::Hold | Shape::Outage)
    }
}

fn look(body: &Body) -> (Shape, String) {
    match body {
        Body::Check { plugin, action } => (Shape::Check, format!("{plugin}.{action}")),
        Body::Action { plugin, action, .. } => (Shape::Action, format!("{plugin}.{action}")),
        Body::Hold { plugin, action, limit_ms, .. } => {
            (Shape::Hold, format!("hold {plugin}.{action}, {} at most", span(*limit_ms)))
        }
        Body::Outage { limit_ms } => (Shape::Outage, format!("outage, {} at most", span(*limit_ms))),
        Body::Approve { by, .. } if by.is_empty() => (Shape::Approve, "approval".to_owned()),
        Body::Approve { by, .. } => (Shape::Approve, format!("approval by {}", by.join(", "))),
        Body::Gather { of, .. } => (Shape::Gather, format!("all of {}", of.len())),
    }
}

/// The same need between the two outermost boxes that stand in a common one; none where one is around the other.
fn neighbours(nodes: &[Node], from: usize, to: usize) -> Option<(usize, usize)> {
    let path = |at: usize| {
        let mut path = vec![at];
        let mut next = at;
        while let Some(around) = nodes[next].within.filter(|around| *around < next) {
            path.push(around);
            next = around;
        }
        path.reverse();
        path
    };
    let (from, to) = (path(from), path(to));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let pair = (*from.get(common)?, *to.get(common)?);
    (pair.0 < pair.1).then_some(pair)
}

/// Without the arrows that lead where a longer way of arrows leads. Beyond a size only ways of two are looked for.
fn reduced(wanted: &BTreeSet<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut after: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (from, to) in wanted {
        after.entry(*from).or_default().insert(*to);
    }
    let far = wanted.len() <= 4_000;
    let reaches = |from: usize, to: usize| {
        let mut open: Vec<usize> =
            after.get(&from).into_iter().flatten().copied().filter(|next| *next != to).collect();
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            let beyond = after.get(&next);
            if beyond.is_some_and(|beyond| beyond.contains(&to)) {
                return true;
            }
            if far && seen.insert(next) {
                open.extend(beyond.into_iter().flatten().copied().filter(|further| *further < to));
            }
        }
        false
    };
    wanted.iter().copied().filter(|(from, to)| !reaches(*from, *to)).collect()
}

#[cfg(test)]
mod tests;
