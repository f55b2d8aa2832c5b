//! The graph as Mermaid text, which GitHub and many editors draw. It must not know where nodes will stand.

use super::{Graph, Shape};
use crate::figures::plain;
use std::fmt::Write;

/// A flowchart.
pub fn mermaid(graph: &Graph) -> String {
    let mut out = String::from("flowchart TD\n");
    inside(graph, None, 1, &mut out);
    for (from, to) in &graph.arrows {
        put(&mut out, 1, &format!("n{from} --> n{to}"));
    }
    let classes = [
        ("check", Shape::Check, "stroke-dasharray:4 3"),
        ("approve", Shape::Approve, "stroke:#8b5cf6,stroke-width:2px"),
        ("hold", Shape::Hold, "stroke:#0d9488,stroke-width:2px,stroke-dasharray:6 4"),
        ("outage", Shape::Outage, "stroke:#d97706,stroke-width:2px"),
    ];
    for (name, shape, style) in classes {
        class(graph, &mut out, name, style, |at| graph.nodes[at].shape == shape);
    }
    class(graph, &mut out, "mark", "stroke:#dc2626,stroke-width:3px", |at| graph.nodes[at].mark);
    out
}

fn inside(graph: &Graph, around: Option<usize>, depth: usize, out: &mut String) {
    for at in graph.inside(around) {
        let node = &graph.nodes[at];
        let label = format!("{}<br/><small>{}</small>", escaped(&node.name), escaped(&node.what));
        if graph.is_box(at) {
            put(
                out,
                depth,
                &format!("subgraph n{at}[\"{} · {}\"]", escaped(&node.name), escaped(&node.what)),
            );
            put(out, depth + 1, "direction TB");
            inside(graph, Some(at), depth + 1, out);
            put(out, depth, "end");
            continue;
        }
        let shape = match (node.mark, node.shape) {
            (true, _) => format!("{{{{\"{label}<br/><b>point of no return</b>\"}}}}"),
            (false, Shape::Approve) => format!("([\"{label}\"])"),
            (false, Shape::Gather) => format!("[/\"{label}\"/]"),
            (false, _) => format!("[\"{label}\"]"),
        };
        put(out, depth, &format!("n{at}{shape}"));
    }
}

fn class(graph: &Graph, out: &mut String, name: &str, style: &str, is: impl Fn(usize) -> bool) {
    let members: Vec<String> =
        (0..graph.nodes.len()).filter(|at| is(*at)).map(|at| format!("n{at}")).collect();
    if !members.is_empty() {
        put(out, 1, &format!("classDef {name} {style}"));
        put(out, 1, &format!("class {} {name}", members.join(",")));
    }
}

/// Mermaid's own entities: `#` begins one, and HTML is understood inside labels.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in plain(text).chars() {
        match c {
            '#' | '"' | '<' | '>' | '&' | '`' | '\\' | ';' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

fn put(out: &mut String, depth: usize, line: &str) {
    out.push_str(&"    ".repeat(depth));
    out.push_str(line);
    out.push('\n');
}
