//! The checker on a good document: what it makes of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use common::{GOOD, HOLD, catalog, checked, deep, given, shown, target};
use cutwater_core::check::{Checked, CheckedStep, check_text};
use cutwater_core::plan::Body;
use serde_json::json;

fn good() -> Checked {
    checked(GOOD, &target()).unwrap_or_else(|faults| panic!("{}", shown(&faults, GOOD)))
}

fn step<'a>(checked: &'a Checked, name: &str) -> &'a CheckedStep {
    checked.steps.iter().find(|step| step.step.name.as_str() == name).unwrap()
}

fn needs(checked: &Checked, name: &str) -> Vec<String> {
    step(checked, name).step.needs.iter().map(|need| need.as_str().to_owned()).collect()
}

#[test]
fn the_good_document_has_nothing_wrong_and_nothing_to_warn_of() {
    let checked = good();
    assert!(checked.warnings.is_empty(), "{}", shown(&checked.warnings, GOOD));
    assert_eq!(checked.name, "postgres-move-volume");
    assert_eq!(checked.inputs["mount"], json!("/srv/postgresql"));
    assert_eq!(checked.window, None);
    assert_eq!(checked.locks.iter().collect::<Vec<_>>(), ["volume-vg00-dat"]);
    assert_eq!(checked.grants["block"].write, ["/dev/vg01/new"]);
    assert_eq!(checked.grants["lvm"].on, ["vg00/dat*"]);
}

#[test]
fn data_needs_and_the_order_inside_an_outage_become_needs() {
    let checked = good();
    assert_eq!(needs(&checked, "snap"), ["flush", "room"]);
    assert_eq!(needs(&checked, "copy"), ["snap"]);
    assert_eq!(needs(&checked, "stop"), ["fence"]);
    assert_eq!(needs(&checked, "last"), ["copy", "off", "snap"]);
    assert_eq!(
        needs(&checked, "down"),
        ["agree", "copy", "flush", "snap"],
        "what inner steps need is there before"
    );
    assert_eq!(
        needs(&checked, "tidy"),
        ["cross", "down", "snap"],
        "an inner step counts once its outage has ended"
    );
    assert!(needs(&checked, "report").is_empty());
}

#[test]
fn steps_stand_in_an_order_in_which_they_could_run() {
    let checked = good();
    let place = |name: &str| checked.steps.iter().position(|step| step.step.name.as_str() == name).unwrap();
    for step in &checked.steps {
        for need in &step.step.needs {
            assert!(place(need.as_str()) < place(step.step.name.as_str()));
        }
        if let Some(around) = &step.step.within {
            assert!(place(around.as_str()) < place(step.step.name.as_str()));
        }
    }
    assert_eq!(checked.steps.last().unwrap().step.name.as_str(), "report");
    assert!(checked.steps.last().unwrap().step.finally);
}

#[test]
fn limits_read_inputs_and_bodies_know_their_kind() {
    let mut given = target();
    given.values.insert("down".into(), json!("45s"));
    let checked = checked(GOOD, &given).unwrap();
    assert_eq!(step(&checked, "down").step.body, Body::Outage { limit_ms: 45_000 });
    assert!(matches!(step(&checked, "flush").step.body, Body::Check { .. }));
    assert!(matches!(step(&checked, "snap").step.body, Body::Action { .. }));
    assert_eq!(step(&checked, "copy").step.timeout_ms, Some(7_200_000));
    assert_eq!(step(&checked, "copy").step.retry.wait_ms, 5_000);
    assert!(step(&checked, "cross").step.mark);
    assert_eq!(step(&checked, "copy").step.line, 27);
}

#[test]
fn an_input_can_be_the_window() {
    let mut given = target();
    given.values.insert("window".into(), json!("02:00-04:00 Europe/Berlin"));
    let window = checked(GOOD, &given).unwrap().window.unwrap();
    assert_eq!(
        (window.opens.as_str(), window.closes.as_str(), window.timezone.as_str()),
        ("02:00", "04:00", "Europe/Berlin")
    );
}

#[test]
fn without_inputs_a_document_can_still_be_looked_at() {
    let given = cutwater_core::check::Given { partial: true, ..Default::default() };
    assert!(checked(GOOD, &given).is_ok());
    let faults = checked(GOOD, &common::given(&[])).unwrap_err();
    assert_eq!(faults.faults[0].code.as_str(), "CW0202");
}

#[test]
fn a_text_from_the_command_line_becomes_a_value_of_the_declared_type() {
    let text = "cutwater: 1\nname: x\ninputs:\n  n: { type: integer }\n  on: { type: boolean }\n  l: { type: list, items: device }\nsteps:\n  a: { uses: postgres.checkpoint, if: \"${{ inputs.on && inputs.n > 1 && size(inputs.l) > 0 }}\" }\ngrants:\n  postgres: { connect: [{ host: db, port: 5432 }] }\n";
    let told = given(&[("n", json!("5")), ("on", json!("true")), ("l", json!("[\"/dev/a\"]"))]);
    let checked = checked(text, &told).unwrap_or_else(|faults| panic!("{}", shown(&faults, text)));
    assert_eq!(serde_json::Value::Object(checked.inputs), json!({ "n": 5, "on": true, "l": ["/dev/a"] }));
}

/// Sabotage: the texts of the list passed over, or granted without a look at them.
#[test]
fn a_list_of_inputs_grants_each_of_its_texts() {
    let text = "cutwater: 1\nname: x\ninputs:\n  disks: { type: list, items: string }\n  n: { type: list, items: integer, default: [] }\ngrants:\n  block: { read: [/dev/a], write: [\"${{ inputs.disks }}\", /dev/c] }\nsteps:\n  copy: { uses: block.sync, with: { from: /dev/a, to: /dev/c } }\n";
    let told = |disks: serde_json::Value| checked(text, &given(&[("disks", disks)]));
    let good = told(json!(["/dev/d", "/dev/e"])).unwrap();
    assert_eq!(good.grants["block"].write, ["/dev/d", "/dev/e", "/dev/c"]);
    let faults = told(json!(["/dev/../d", "/dev/e/..", "/dev/f"])).unwrap_err();
    let said = shown(&faults, text);
    assert_eq!(said.matches("CW0403").count() + said.matches("CW0204").count(), 2, "{said}");
    let numbers = text.replace("{{ inputs.disks }}", "{{ inputs.n }}");
    let faults = checked(&numbers, &given(&[("disks", json!([]))])).unwrap_err();
    let said = shown(&faults, &numbers);
    assert!(said.contains("`write` is string, and this gives list of integer"), "{said}");
}

#[test]
fn inside_a_hold_its_taken_output_is_read_and_outside_its_released_one() {
    let good = checked(HOLD, &given(&[])).unwrap_or_else(|faults| panic!("{}", shown(&faults, HOLD)));
    assert!(good.warnings.is_empty(), "{}", shown(&good.warnings, HOLD));
    assert_eq!(needs(&good, "restored"), ["quiet", "sound"]);
    assert_eq!(needs(&good, "sound"), ["still"]);
    assert_eq!(needs(&good, "quiet"), ["room"]);
    assert_eq!(step(&good, "snap").for_each.as_ref().unwrap().at_most, Some(2));

    let swapped = HOLD
        .replace("steps.quiet.start", "steps.quiet.LABEL")
        .replace("steps.quiet.label", "steps.quiet.start");
    let swapped = swapped.replace("LABEL", "label");
    let faults = checked(&swapped, &given(&[])).unwrap_err();
    let found: Vec<&str> = faults.faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(found, ["step `quiet` gives no `label`", "step `quiet` gives no `start`"]);
}

/// Sabotage: any step without a way back let through inside a hold that carries; or one of the run's own anywhere.
#[test]
fn inside_a_hold_that_carries_the_run_may_throw_away_what_it_made_and_nothing_else() {
    let text = |inside: &str| {
        format!(
            "cutwater: 1\nname: x\ngrants:\n  lvm: {{ run: [lvremove], on: [vg00/*] }}\n  fs: {{ freeze: [/srv/wal] }}\n  \
             service: {{ units: [db] }}\nsteps:\n  lent:\n    hold: fs.frozen\n    with: {{ at: /srv/wal }}\n    limit: 10s\n    \
             steps: {{ {inside} }}\n"
        )
    };
    let remove = "drop: { uses: lvm.remove, with: { volume: vg00/old } }";
    let unfence = "lift: { uses: service.unfence, with: { unit: db } }";
    let found = |inside: &str, carries: bool| {
        let text = text(inside);
        deep(move || {
            let mut catalog = catalog();
            catalog.get_mut("fs").unwrap().steps.get_mut("frozen").unwrap().carries = carries;
            catalog.get_mut("lvm").unwrap().steps.get_mut("remove").unwrap().own_only = true;
            check_text(&text, "workflow.yaml", &catalog, &given(&[]), None)
        })
    };
    let plan = found(remove, true).unwrap_or_else(|faults| panic!("{}", shown(&faults, &text(remove))));
    assert!(step(&plan, "lent").step.body.carries());
    for (inside, carries) in [(remove, false), (unfence, true)] {
        let faults = found(inside, carries).unwrap_err();
        // The document grants more than the one step needs: that is a warning.
        let errors = faults.faults.iter().map(|fault| fault.code.as_str()).filter(|code| *code < "CW09");
        assert_eq!(errors.collect::<Vec<_>>(), ["CW0601"], "{inside}");
    }
}

#[test]
fn a_step_that_may_be_skipped_must_be_asked_for() {
    let text = HOLD.replace("steps.sound != null ? steps.sound.rows : 0", "steps.sound.rows");
    let faults = checked(&text, &given(&[])).unwrap_err();
    assert_eq!(faults.faults.len(), 1, "{}", shown(&faults, &text));
    assert!(faults.faults[0].message.contains("may be nothing"));
}

#[test]
fn what_is_checked_does_not_depend_on_the_order_in_which_it_is_asked() {
    let first = format!("{:?}", good());
    assert!((0..5).all(|_| format!("{:?}", good()) == first));
}
