//! The order of steps: who waits for whom in the end, that nobody waits in a circle, and one order in which they could
//! run one by one. It must not know why they wait.

use super::checker::Checker;
use super::reads::{Wait, Waits};
use crate::fault::codes;
use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};

/// How many steps of a circle are named.
const NAMED: usize = 8;

/// The order of a document's steps.
pub(super) struct Order {
    /// For each step all that must have ended well before it starts; a hold or outage stands for its end.
    pub needs: Vec<BTreeSet<usize>>,
    /// Every step, in an order in which they could run one by one; `finally` last.
    pub line: Vec<usize>,
    graph: Graph,
}

/// Begins (even) and ends (odd) of steps; an edge leads from what comes before to what comes after. A step that
/// encloses nothing begins and ends in one.
type Graph = DiGraph<(), ()>;

fn begin(step: usize) -> NodeIndex {
    NodeIndex::new(2 * step)
}

fn end(step: usize) -> NodeIndex {
    NodeIndex::new(2 * step + 1)
}

/// Finds the order; none where steps wait in a circle.
pub(super) fn order(check: &mut Checker<'_>, waits: &mut Waits) -> Option<Order> {
    in_line(check, waits);
    let (needs, graph) = connect(check, waits);
    if circles(check, waits, &graph) {
        return None;
    }
    let line = line(check, &graph);
    Some(Order { needs, line, graph })
}

impl Order {
    /// What begins only after this step has ended.
    pub fn after(&self, step: usize) -> BTreeSet<usize> {
        let reached = self.reach(end(step), Direction::Outgoing);
        reached
            .into_iter()
            .filter(|node| node % 2 == 0)
            .map(|node| node / 2)
            .filter(|&at| at != step)
            .collect()
    }

    /// What has ended before this step begins.
    pub fn before(&self, step: usize) -> BTreeSet<usize> {
        let reached = self.reach(begin(step), Direction::Incoming);
        reached
            .into_iter()
            .filter(|node| node % 2 == 1)
            .map(|node| node / 2)
            .filter(|&at| at != step)
            .collect()
    }

    fn reach(&self, from: NodeIndex, way: Direction) -> BTreeSet<usize> {
        let mut seen = BTreeSet::from([from.index()]);
        let mut next = VecDeque::from([from]);
        while let Some(at) = next.pop_front() {
            next.extend(self.graph.neighbors_directed(at, way).filter(|node| seen.insert(node.index())));
        }
        seen
    }
}

/// Inside a hold or outage a step that says nothing under `needs` waits for all that stand before it there.
fn in_line(check: &Checker<'_>, waits: &mut Waits) {
    let doc = check.doc;
    let mut open: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, step) in doc.steps.iter().enumerate() {
        let Some(around) = step.within else { continue };
        let front = open.entry(around).or_default();
        if step.needs.is_none() {
            waits[index].extend(front.iter().map(|&on| Wait { on, span: step.name.span, data: false }));
            front.clear();
        }
        front.push(index);
    }
}

/// Full needs and the graph. A need that crosses the border of a hold or outage is a need of all that is crossed: what
/// encloses the waiting step begins after it, and what encloses the step waited for has ended.
fn connect(check: &mut Checker<'_>, waits: &Waits) -> (Vec<BTreeSet<usize>>, Graph) {
    let doc = check.doc;
    let mut needs = vec![BTreeSet::new(); doc.steps.len()];
    let mut graph = Graph::with_capacity(2 * doc.steps.len(), 4 * doc.steps.len());
    for _ in 0..2 * doc.steps.len() {
        graph.add_node(());
    }
    for (index, step) in doc.steps.iter().enumerate() {
        graph.add_edge(begin(index), end(index), ());
        if let Some(around) = step.within {
            graph.add_edge(begin(around), begin(index), ());
            graph.add_edge(end(index), end(around), ());
        }
    }
    for (index, waits) in waits.iter().enumerate() {
        for wait in waits {
            let (waiting, ending) = (&doc.steps[index], &doc.steps[wait.on]);
            if ending.finally && !waiting.finally {
                let message = format!(
                    "step `{}` waits for `{}`, which runs at the end",
                    waiting.name.value, ending.name.value
                );
                let fault = check.error(codes::AFTER_THE_END, wait.span, message);
                check.push(fault.help("`finally` runs when everything else has ended"));
                continue;
            }
            if waiting.finally && !ending.finally {
                continue;
            }
            let outer: Vec<usize> = doc.around(index).collect();
            let ended: Vec<usize> = std::iter::once(wait.on)
                .chain(doc.around(wait.on).take_while(|at| !outer.contains(at) && *at != index))
                .collect();
            let shared = doc.around(wait.on).find(|at| outer.contains(at));
            let waiters = std::iter::once(index)
                .chain(outer.iter().copied().take_while(|at| Some(*at) != shared && *at != wait.on));
            for waiter in waiters {
                for &on in &ended {
                    if needs[waiter].insert(on) {
                        graph.add_edge(end(on), begin(waiter), ());
                    }
                }
            }
        }
    }
    (needs, graph)
}

/// Reports every circle; true where there is one.
fn circles(check: &mut Checker<'_>, waits: &Waits, graph: &Graph) -> bool {
    let mut found = false;
    for part in tarjan_scc(graph) {
        let of: BTreeSet<usize> = part.iter().map(|node| node.index() / 2).collect();
        if part.len() > 1 {
            found = true;
            circle(check, waits, graph, &part, &of);
        }
    }
    found
}

/// Names one shortest way round through the first step of the circle.
fn circle(check: &mut Checker<'_>, waits: &Waits, graph: &Graph, part: &[NodeIndex], of: &BTreeSet<usize>) {
    let Some(start) = part.iter().copied().min() else { return };
    let inside: std::collections::HashSet<NodeIndex> = part.iter().copied().collect();
    let mut from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut next = VecDeque::from([start]);
    'search: while let Some(at) = next.pop_front() {
        for node in graph.neighbors_directed(at, Direction::Incoming).filter(|node| inside.contains(node)) {
            if node == start {
                from.insert(start, at);
                break 'search;
            }
            if let std::collections::hash_map::Entry::Vacant(entry) = from.entry(node) {
                entry.insert(at);
                next.push_back(node);
            }
        }
    }
    let mut way: Vec<usize> = Vec::new();
    let mut at = start;
    while let Some(&before) = from.get(&at) {
        way.push(before.index() / 2);
        at = before;
        if at == start || way.len() > 2 * of.len() {
            break;
        }
    }
    way.reverse();
    way.dedup();
    let first = way.first().copied().unwrap_or(start.index() / 2);
    if way.len() > 1 && way.last() == Some(&first) {
        way.pop();
    }
    let mut names: Vec<String> =
        way.iter().take(NAMED).map(|&step| format!("`{}`", check.name(step))).collect();
    if way.len() > NAMED {
        names.push(format!("… {} more …", way.len() - NAMED));
    }
    names.push(format!("`{}`", check.name(first)));
    let next = way.get(1).copied().unwrap_or(first);
    let belongs = |step: usize| step == first || check.doc.around(step).any(|around| around == first);
    let said = (0..waits.len())
        .filter(|&step| belongs(step))
        .flat_map(|step| &waits[step])
        .find(|wait| wait.on == next);
    let span = said.map_or(check.doc.steps[first].name.span, |wait| wait.span);
    let message = match way.len() {
        0 | 1 => format!("step `{}` waits for itself", check.name(first)),
        _ => format!("these steps wait for one another: {}", names.join(" → ")),
    };
    let mut fault = check.error(codes::CYCLE, span, message);
    for &step in way.iter().skip(1).take(3) {
        fault = fault.related(check.source().place(check.doc.steps[step].name.span), "on the way round");
    }
    check.push(fault.help("remove one of the needs or references on the way round"));
}

/// Kahn's order; among those that could run the first in the text, `finally` last.
fn line(check: &Checker<'_>, graph: &Graph) -> Vec<usize> {
    let steps = &check.doc.steps;
    let mut missing: Vec<usize> =
        graph.node_indices().map(|node| graph.edges_directed(node, Direction::Incoming).count()).collect();
    let rank = |node: usize| Reverse((steps[node / 2].finally, node / 2, node % 2));
    let mut ready: BinaryHeap<_> = (0..missing.len()).filter(|&node| missing[node] == 0).map(rank).collect();
    let mut line = Vec::with_capacity(steps.len());
    while let Some(Reverse((_, step, side))) = ready.pop() {
        if side == 0 {
            line.push(step);
        }
        for node in graph.neighbors(NodeIndex::new(2 * step + side)) {
            missing[node.index()] -= 1;
            if missing[node.index()] == 0 {
                ready.push(rank(node.index()));
            }
        }
    }
    line
}
