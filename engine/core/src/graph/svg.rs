//! The graph as a picture that needs nothing else: no font, no script, no style from outside. It must not know how
//! places are found.

use super::layout::{Layout, Rect, layout};
use super::{Graph, Shape};
use crate::figures::xml;
use std::fmt::Write;

/// Room around the picture, and for its title.
const MARGIN: f64 = 28.0;
const HEAD: f64 = 52.0;
/// How many characters of a name are shown.
const LETTERS: usize = 26;

const STYLE: &str = "\
text{font-family:ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1e293b}\
.bg{fill:#ffffff}.title{font-size:17px;font-weight:600}.name{font-size:13px;font-weight:600}.what{font-size:11px;fill:#64748b}\
.node{fill:#f8fafc;stroke:#94a3b8;stroke-width:1.2}.check{stroke-dasharray:4 3}.approve{fill:#f5f3ff;stroke:#8b5cf6;stroke-width:1.6}\
.gather{fill:#f1f5f9}.hold{fill:#14b8a6;fill-opacity:.07;stroke:#0d9488;stroke-width:1.6;stroke-dasharray:7 4}\
.outage{fill:#f59e0b;fill-opacity:.08;stroke:#d97706;stroke-width:1.6}.mark{fill:#fef2f2;stroke:#dc2626;stroke-width:2.4}\
.note{font-size:10px;font-weight:600;fill:#dc2626;letter-spacing:.04em}.arrow{fill:none;stroke:#94a3b8;stroke-width:1.4}.head{fill:#94a3b8}\
@media (prefers-color-scheme:dark){text{fill:#e2e8f0}.bg{fill:#0f172a}.what{fill:#94a3b8}.node{fill:#1e293b;stroke:#64748b}\
.approve{fill:#2e1065;stroke:#a78bfa}.mark{fill:#450a0a;stroke:#f87171}.note{fill:#f87171}.arrow{stroke:#64748b}.head{fill:#64748b}}";

/// The picture.
pub fn svg(graph: &Graph) -> String {
    let layout = layout(graph);
    let title = graph.title.chars().count() as f64 * 9.5;
    let width = layout.width.max(title).max(240.0) + 2.0 * MARGIN;
    let height = layout.height + HEAD + MARGIN;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n\
         <title>{0}</title>\n<style>{STYLE}</style>\n<rect class=\"bg\" width=\"100%\" height=\"100%\" rx=\"10\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"34\">{0}</text>\n",
        xml(&graph.title)
    );
    let left = (width - layout.width) / 2.0;
    let _ = writeln!(out, "<g transform=\"translate({left:.1} {HEAD})\">");
    boxes(graph, &layout, &mut out);
    for points in &layout.arrows {
        arrow(points, &mut out);
    }
    for at in (0..graph.nodes.len()).filter(|at| !graph.is_box(*at)) {
        node(graph, at, layout.rects[at], &mut out);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn boxes(graph: &Graph, layout: &Layout, out: &mut String) {
    for at in (0..graph.nodes.len()).filter(|at| graph.is_box(*at)) {
        let (node, Rect { x, y, w, h }) = (&graph.nodes[at], layout.rects[at]);
        let class = if node.shape == Shape::Hold { "hold" } else { "outage" };
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"12\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\"><tspan class=\"name\">{}</tspan><tspan class=\"what\" dx=\"8\">{}</tspan></text>",
            x + 14.0,
            y + 22.0,
            cut(&node.name, LETTERS),
            cut(&node.what, 48),
        );
    }
}

fn node(graph: &Graph, at: usize, Rect { x, y, w, h }: Rect, out: &mut String) {
    let node = &graph.nodes[at];
    let class = match (node.mark, node.shape) {
        (true, _) => "node mark",
        (false, Shape::Check) => "node check",
        (false, Shape::Approve) => "node approve",
        (false, Shape::Gather) => "node gather",
        _ => "node",
    };
    let round = if node.shape == Shape::Approve { h / 2.0 } else { 8.0 };
    let middle = x + w / 2.0;
    let _ = write!(
        out,
        "<g><title>{} {}</title><rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"{round:.0}\"/>\
         <text class=\"name\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text class=\"what\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text></g>",
        xml(&node.name),
        xml(&node.what),
        y + 20.0,
        cut(&node.name, LETTERS),
        y + 36.0,
        cut(&node.what, 32),
    );
    if node.mark {
        let _ = write!(
            out,
            "<text class=\"note\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">POINT OF NO RETURN</text>",
            y + h + 14.0
        );
    }
    out.push('\n');
}

/// A smooth line through the points, with a head at its end.
fn arrow(points: &[(f64, f64)], out: &mut String) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
    let _ = write!(out, "<path class=\"arrow\" d=\"M{:.1} {:.1}", first.0, first.1);
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let end = if std::ptr::eq(&pair[1], last) { to.1 - 5.0 } else { to.1 };
        let bend = (to.1 - from.1) / 2.0;
        let _ = write!(
            out,
            "C{:.1} {:.1} {:.1} {:.1} {:.1} {end:.1}",
            from.0,
            from.1 + bend,
            to.0,
            to.1 - bend,
            to.0
        );
    }
    let (x, y) = *last;
    let _ = writeln!(out, "\"/><path class=\"head\" d=\"M{x:.1} {y:.1}l-4.5 -8h9z\"/>");
}

fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return xml(text);
    }
    xml(&format!("{}…", text.chars().take(letters - 1).collect::<String>()))
}
