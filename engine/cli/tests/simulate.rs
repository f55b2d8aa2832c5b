//! `cutwater simulate`: the table and the JSON, the exit status, and that nothing is touched.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::{Place, Said};
use serde_json::Value;

const HEAD: &str = "cutwater: 1
name: demo
inputs:
  unit: { type: string }
grants:
  service: { units: [\"${{ inputs.unit }}\"] }
";

/// An outage in which the old side is stopped before the mark, and one in which it is not.
fn place() -> Place {
    let place = Place::new();
    let stops = "      fence: { uses: service.fence, with: { unit: \"${{ inputs.unit }}\" } }
      stop: { uses: service.stop, with: { unit: \"${{ inputs.unit }}\" } }
";
    let outage = |stops: &str| {
        format!(
            "{HEAD}steps:
  is: {{ uses: service.status, with: {{ unit: \"${{{{ inputs.unit }}}}\" }} }}
  agree: {{ approve: Stop it?, by: [dba], expires: 30m, needs: [is] }}
  down:
    outage: {{ limit: 20s }}
    needs: [agree]
    steps:
{stops}      start: {{ uses: service.start, with: {{ unit: \"${{{{ inputs.unit }}}}\" }}, point-of-no-return: true }}
  lift: {{ uses: service.unfence, needs: [down], with: {{ unit: \"${{{{ inputs.unit }}}}\" }} }}
"
        )
    };
    place.file("good.yaml", outage(stops));
    place.file("bad.yaml", outage(""));
    place
}

/// The time that it took is another each time.
fn timeless(said: &Said) -> String {
    let line = |line: &str| match line.split_once(" runs in ") {
        Some((before, _)) => format!("{before} runs in TIME\n"),
        None => format!("{line}\n"),
    };
    Said { code: said.code, out: said.out.lines().map(line).collect(), err: said.err.clone() }.golden()
}

/// Sabotage: an end shown in another step's row; a column left out; the counts not those of the runs.
#[test]
fn a_sound_workflow_is_shown_as_a_table_and_nothing_is_touched() {
    let place = place();
    let said = place.cutwater(&["simulate", "good.yaml", "--pairs", "100"]);
    assert_eq!(said.code, 0, "{said:?}");
    insta::assert_snapshot!("simulate-good", timeless(&said));
    assert!(!place.path("root/var/lib/cutwater/journal.db").exists());
}

/// Sabotage: a workflow at fault left with 0; the step not named.
#[test]
fn a_workflow_at_fault_leaves_with_3_and_names_the_step() {
    let said = place().cutwater(&["simulate", "bad.yaml", "--pairs", "0"]);
    assert_eq!(said.code, 3, "{said:?}");
    insta::assert_snapshot!("simulate-bad", timeless(&said));
}

/// Sabotage: cases without their fault, or ends that are not counted.
#[test]
fn the_json_has_every_case_with_its_end() {
    let place = place();
    let said = place.cutwater(&["simulate", "good.yaml", "--pairs", "10", "--json"]);
    let value: Value = serde_json::from_str(&said.out).unwrap();
    let cases = value["cases"].as_array().unwrap();
    let ends = value["singles"]["ends"].as_object().unwrap();
    assert_eq!(ends.values().filter_map(Value::as_u64).sum::<u64>(), cases.len() as u64);
    assert_eq!(value["pairs"]["runs"], 10);
    assert_eq!(value["wrong"], serde_json::json!([]));
    let refused = |case: &&Value| case["step"] == "start" && case["fault"] == "refused";
    let refused = cases.iter().find(refused).unwrap();
    assert_eq!(
        (refused["end"].as_str(), refused["for"].as_str()),
        (Some("person"), Some("`start` was refused: refused"))
    );
    let bad = place.cutwater(&["simulate", "bad.yaml", "--pairs", "0", "--json"]);
    let value: Value = serde_json::from_str(&bad.out).unwrap();
    assert_eq!(value["wrong"][0]["step"], "start");
    assert_eq!(value["wrong"][0]["is"], "two writers");
}

/// Sabotage: a number of pairs that is none taken for the default.
#[test]
fn a_count_of_pairs_that_is_none_is_wrong_usage() {
    let said = place().cutwater(&["simulate", "good.yaml", "--pairs", "many"]);
    assert_eq!(said.code, 2, "{said:?}");
}
