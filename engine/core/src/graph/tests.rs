//! The three pictures of one plan.

use super::{Graph, dot, mermaid, svg};
use crate::plan::Body;
use crate::sample::{checked, sample, step};
use serde_json::Value;

#[test]
fn a_plan_is_drawn_in_three_languages() {
    let graph = Graph::of_plan(&sample());
    insta::assert_snapshot!("mermaid", mermaid(&graph));
    insta::assert_snapshot!("dot", dot(&graph));
    insta::assert_snapshot!("svg", svg(&graph));
}

#[test]
fn arrows_stay_in_one_box_and_say_nothing_twice() {
    let graph = Graph::of_checked(&checked());
    let name = |at: usize| graph.nodes[at].name.as_str();
    let arrows: Vec<String> =
        graph.arrows.iter().map(|(from, to)| format!("{}>{}", name(*from), name(*to))).collect();
    assert_eq!(
        arrows,
        [
            "room>calm",
            "calm>copy",
            "copy>agree",
            "agree>down",
            "down>tidy",
            "stop>last",
            "last>same",
            "same>start",
            "start>cross"
        ]
    );
}

#[test]
fn names_cannot_leave_their_place_in_a_picture() {
    let mut plan = sample();
    plan.name = "</title><script>\u{1b}".into();
    let approve = Body::Approve { message: String::new(), by: vec!["\"];x--><b>".into()], expires_ms: None };
    plan.steps.push(step("a\"]--><b>&'", approve, &[], Value::Null));
    let graph = Graph::of_plan(&plan);
    let picture = svg(&graph);
    assert!(!picture.contains("<script") && !picture.contains("<b>") && !picture.contains('\u{1b}'));
    assert!(!mermaid(&graph).contains("\"]--"));
    assert!(!dot(&graph).contains("a\"]"));
}

#[test]
fn no_two_nodes_stand_on_each_other() {
    let mut plan = sample();
    for index in 0..40_usize {
        let needs: Vec<String> = (0..index)
            .filter(|other| (index * 7 + other * 3) % 5 == 0)
            .map(|other| format!("x{other}"))
            .collect();
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        plan.steps.push(step(&format!("x{index}"), Body::Outage { limit_ms: 1 }, &needs, Value::Null));
    }
    let graph = Graph::of_plan(&plan);
    let layout = super::layout::layout(&graph);
    for (a, one) in layout.rects.iter().enumerate() {
        for (b, other) in layout.rects.iter().enumerate().skip(a + 1) {
            let apart = one.x + one.w <= other.x
                || other.x + other.w <= one.x
                || one.y + one.h <= other.y
                || other.y + other.h <= one.y;
            let inside = graph.nodes[b].within.is_some();
            assert!(apart || inside, "{} and {}", graph.nodes[a].name, graph.nodes[b].name);
        }
    }
}
