//! `cutwater simulate` of every shipped workflow: whatever goes wrong, nothing stays frozen, down, doubled or half-done.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Place, cutwater, files, with_secrets};
use serde_json::Value;

/// Sabotage: `needs: [fence]` for the mark of a shipped workflow, or `on-failure: keep`.
#[test]
fn every_shipped_workflow_ends_well_whatever_goes_wrong() {
    let place = Place::new();
    let own = with_secrets(&place);
    let shipped = files("workflows", ".yaml");
    assert!(shipped.len() >= 2, "{shipped:?}");
    for file in shipped {
        let name = file.display().to_string();
        let said = cutwater(&place.path(""), &own, &["simulate", &name, "--pairs", "60", "--json"]);
        let value: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((said.code, &value["wrong"]), (0, &Value::Array(vec![])), "{name}");
        let ends = &value["singles"]["ends"];
        for end in ["finished", "undone", "person"] {
            assert!(ends[end].as_u64().unwrap() > 0, "{name}: no run ends {end}");
        }
        let every = value["cases"].as_array().unwrap();
        assert!(every.len() as u64 > 10 * value["steps"].as_u64().unwrap(), "{name}: {} cases", every.len());
        println!("{name}: {} runs in {} ms", value["runs"], value["ms"]);
    }
}
