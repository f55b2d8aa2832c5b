//! The graph in Graphviz's language. It must not know where nodes will stand.

use super::{Graph, Shape};
use crate::figures::plain;

/// A directed graph in which boxes are clusters.
pub fn dot(graph: &Graph) -> String {
    let mut out = format!("digraph \"{}\" {{\n", escaped(&graph.title));
    put(&mut out, 1, "compound=true; rankdir=TB; fontname=\"sans-serif\";");
    put(&mut out, 1, "node [shape=box style=rounded fontname=\"sans-serif\" fontsize=11];");
    put(&mut out, 1, "edge [arrowsize=0.7 color=\"#64748b\"];");
    inside(graph, None, 1, &mut out);
    for (from, to) in &graph.arrows {
        let mut more = Vec::new();
        if graph.is_box(*from) {
            more.push(format!("ltail=cluster{from}"));
        }
        if graph.is_box(*to) {
            more.push(format!("lhead=cluster{to}"));
        }
        let more = if more.is_empty() { String::new() } else { format!(" [{}]", more.join(" ")) };
        put(&mut out, 1, &format!("n{} -> n{}{more};", leaf(graph, *from, true), leaf(graph, *to, false)));
    }
    out.push_str("}\n");
    out
}

fn inside(graph: &Graph, around: Option<usize>, depth: usize, out: &mut String) {
    for at in graph.inside(around) {
        let node = &graph.nodes[at];
        let label = format!("{}\\n{}", escaped(&node.name), escaped(&node.what));
        if graph.is_box(at) {
            let look = if node.shape == Shape::Hold {
                "style=\"rounded,dashed\" color=\"#0d9488\""
            } else {
                "style=rounded color=\"#d97706\""
            };
            put(out, depth, &format!("subgraph cluster{at} {{"));
            put(out, depth + 1, &format!("label=\"{label}\"; {look};"));
            if graph.inside(Some(at)).next().is_none() {
                put(out, depth + 1, &format!("n{at} [label=\"\" shape=point];"));
            }
            inside(graph, Some(at), depth + 1, out);
            put(out, depth, "}");
            continue;
        }
        let look = match (node.mark, node.shape) {
            (true, _) => " color=\"#dc2626\" penwidth=2.5 xlabel=\"point of no return\"",
            (false, Shape::Approve) => " shape=oval color=\"#8b5cf6\"",
            (false, Shape::Check) => " style=\"rounded,dashed\"",
            _ => "",
        };
        put(out, depth, &format!("n{at} [label=\"{label}\"{look}];"));
    }
}

/// The node that stands for a box at an arrow's end: its last or first inner one.
fn leaf(graph: &Graph, at: usize, last: bool) -> usize {
    let mut inner = graph.inside(Some(at));
    match if last { inner.last() } else { inner.next() } {
        Some(inner) if inner > at => leaf(graph, inner, last),
        _ => at,
    }
}

fn escaped(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn put(out: &mut String, depth: usize, line: &str) {
    out.push_str(&"  ".repeat(depth));
    out.push_str(line);
    out.push('\n');
}
