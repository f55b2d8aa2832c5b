//! From a document's text to its plan and pictures, with a previewer that knows nothing but the schemas.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{GOOD, HOLD, catalog, checked, deep, given, target};
use cutwater_core::answer::{Answer, Refusal};
use cutwater_core::check::{Checked, Given};
use cutwater_core::effect::{Effect, Shown};
use cutwater_core::grant::Grants;
use cutwater_core::graph::{Graph, dot, mermaid, svg};
use cutwater_core::partial::Partial;
use cutwater_core::plan::{Plan, PlanStep};
use cutwater_core::planning::{Facts, PlanningFailure, Previewer, plan};
use cutwater_core::show_plan;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Answers each check with a value of its output's type, and each preview with one statement and an unknown output.
struct Schemas;

fn example(schema: &Value) -> Value {
    if let Some(words) = schema.get("enum") {
        return words[0].clone();
    }
    let name = match &schema["type"] {
        Value::Array(names) => names[0].as_str(),
        name => name.as_str(),
    };
    match (name, schema["format"].as_str()) {
        (Some("object"), _) => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            Value::Object(fields.map(|(name, of)| (name.clone(), example(of))).collect::<Map<_, _>>())
        }
        (Some("array"), _) => json!([example(&schema["items"])]),
        (Some("integer" | "number"), _) => json!(1),
        (Some("boolean"), _) => json!(true),
        (_, Some("bytes")) => json!("64MiB"),
        (_, Some("device")) => json!("/dev/vg00/dat"),
        (_, Some("path")) => json!("/srv/postgresql"),
        (_, Some("duration")) => json!("30m"),
        _ => json!("x"),
    }
}

impl Previewer for Schemas {
    fn check(&mut self, step: &PlanStep, _input: Value, _grants: &Grants) -> Answer {
        let (plugin, action) = step.body.uses().unwrap();
        Answer::Changed { output: example(&catalog()[plugin].steps[action].output) }
    }

    fn preview(&mut self, step: &PlanStep, input: Partial, _: &Grants, undo: bool) -> Result<Shown, Refusal> {
        let verb = if undo { "take back" } else { "do" };
        let detail = json!({ "verb": format!("{verb} {}", step.name), "input": input.value });
        let effects = vec![Effect { kind: "test".into(), detail }];
        Ok(Shown { effects, output: Partial::after(""), ..Shown::default() })
    }
}

fn planned(checked: Checked) -> Result<Plan, PlanningFailure> {
    deep(move || {
        let facts = Facts { catalog: catalog(), grants: checked.grants.clone(), ..Facts::default() };
        plan(checked, &facts, &mut Schemas)
    })
}

#[test]
fn shipped_like_documents_can_be_planned_shown_and_drawn() {
    for (text, given) in [(GOOD, target()), (HOLD, given(&[]))] {
        let checked =
            checked(text, &given).unwrap_or_else(|faults| panic!("{}", common::shown(&faults, text)));
        let steps: Vec<String> = checked.steps.iter().map(|step| step.step.name.to_string()).collect();
        let plan = planned(checked.clone()).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(plan.hash, planned(checked).unwrap().hash);
        let graph = Graph::of_plan(&plan);
        let pages = [show_plan::text(&plan), mermaid(&graph), dot(&graph), svg(&graph)];
        for step in &steps {
            for page in &pages {
                assert!(page.contains(step.as_str()), "{step}");
            }
        }
        assert!(pages[0].ends_with(&format!("hash {}\n", plan.hash)));
    }
}

#[test]
fn ten_thousand_steps_are_planned_shown_and_drawn_in_seconds() {
    let mut text = "cutwater: 1\nname: many\ngrants:\n  service: { units: [x] }\nsteps:\n".to_owned();
    for step in 0..10_000 {
        let needs = if step % 10 == 0 { String::new() } else { format!(", needs: [s{}]", step - 1) };
        text.push_str(&format!("  s{step}: {{ uses: postgres.checkpoint{needs} }}\n"));
    }
    let text =
        text.replace("service: { units: [x] }", "postgres: { connect: [{ unix: /run/s, as: postgres }] }");
    let checked = checked(&text, &Given::default())
        .unwrap_or_else(|faults| panic!("{}", common::shown(&faults, &text)));
    let began = Instant::now();
    let plan = planned(checked).unwrap_or_else(|failure| panic!("{failure}"));
    show_plan::text(&plan);
    let graph = Graph::of_plan(&plan);
    svg(&graph);
    mermaid(&graph);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
