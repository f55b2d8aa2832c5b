//! Facts about planning.

use super::*;
use crate::plan::Body;
use crate::sample::{World, action, checked, facts, repeated, sample, step};
use crate::{check::CheckedStep, describe::Undo, effect::Effect};
use proptest::prelude::*;
use serde_json::json;

fn failure(checked: Checked, world: &mut World) -> PlanningFailure {
    plan(checked, &facts(), world).expect_err("it cannot be planned")
}

#[test]
fn only_checks_that_wait_for_no_change_run_for_real() {
    let mut world = World::default();
    let plan = plan(checked(), &facts(), &mut world).expect("a plan");
    let checks: Vec<&String> = world.asked.iter().filter(|asked| asked.starts_with("check ")).collect();
    assert_eq!(checks, [r#"check room {"vg":"vg00","volumes":["dat"]}"#]);
    assert!(world.asked.iter().any(|asked| asked.starts_with("preview same ")), "a later check is previewed");
    let undone: Vec<&str> = world
        .asked
        .iter()
        .filter(|asked| asked.contains(" undo "))
        .filter_map(|asked| asked.split(' ').nth(1))
        .collect();
    assert_eq!(undone, ["calm", "snap", "copy", "stop", "last", "start"], "what has an undo");
    assert_eq!(plan.steps.len(), 12);
}

#[test]
fn what_is_not_known_stays_a_hole_through_the_steps() {
    let plan = sample();
    let last = plan.step(&"last".into()).expect("a step");
    assert_eq!(last.with["base"], "${{ steps.copy.base }}", "the expression stays in the plan");
    let tidy = plan.step(&"tidy".into()).expect("a step");
    assert_eq!(
        tidy.shown.effects[0].detail["args"],
        json!(["-y", "vg00/dat-cutwater"]),
        "a predicted output flows on"
    );
    let copy = plan.step(&"copy".into()).expect("a step");
    assert_eq!(copy.shown.output.unknown.get("/base").map(String::as_str), Some("copy"));
}

#[test]
fn inner_steps_see_a_hold_taken_and_later_ones_released() {
    let mut document = checked();
    document.steps[2].step.with = json!({ "vg": "${{ has(steps.calm.lsn) || has(steps.calm.label) ? 'vg00' : 'vg00' }}", "origin": "dat", "size": "64MiB" });
    document.steps[3].step.with = json!({ "from": "/dev/vg00/x", "to": "${{ has(steps.calm.lsn) ? '/dev/vg00/taken' : '/dev/vg01/new' }}" });
    let mut world = World::default();
    plan(document, &facts(), &mut world).expect("a plan");
    let seen = |name: &str| {
        world
            .asked
            .iter()
            .find(|asked| asked.starts_with(&format!("preview {name} ")))
            .cloned()
            .unwrap_or_default()
    };
    assert!(seen("snap").contains(r#""vg":null"#), "inside, `lsn` is a hole: {}", seen("snap"));
    assert!(seen("copy").contains("/dev/vg01/new"), "after it, there is no `lsn`: {}", seen("copy"));
}

#[test]
fn a_for_each_becomes_its_instances_and_one_that_gathers() {
    let plan = plan(repeated(), &facts(), &mut World::default()).expect("a plan");
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["room", "snap[0]", "snap[1]", "snap", "tidy"]);
    assert!(matches!(&plan.steps[3].body, Body::Gather { of, at_most: Some(2) } if of.len() == 2));
    assert_eq!(
        plan.steps[2].shown.effects[0].detail["args"][6],
        "vg00/wal".to_owned().as_str().replace("vg00/wal", "cutwater.\u{e000}run\u{e001}.snap[1]")
    );
    assert_eq!(plan.steps[4].shown.effects[0].detail["args"][1], "vg00/dat-cutwater");
    let mut unknown = repeated();
    unknown.steps[1].step.needs.clear();
    unknown.steps.insert(
        1,
        CheckedStep {
            step: step(
                "copy",
                action("block.sync", Undo::Discards),
                &[],
                json!({ "from": "/dev/vg00/a", "to": "/dev/vg01/new" }),
            ),
            for_each: None,
        },
    );
    if let Some(each) = &mut unknown.steps[2].for_each {
        each.over = json!("${{ steps.copy.bytes }}");
    }
    let failure = failure(unknown, &mut World::default());
    assert!(failure.to_string().contains("only known after `copy`"), "{failure}");
}

#[test]
fn every_independent_refusal_is_told_at_once_and_nothing_that_depends_on_one() {
    let failure = failure(checked(), &mut World { refuse: vec!["copy", "calm"], ..World::default() });
    let steps: Vec<String> = failure.faults.iter().map(|fault| fault.place().0.to_string()).collect();
    assert_eq!(steps, ["calm"]);
    let mut document = checked();
    document.steps[3].step.needs.clear();
    document.steps[3].step.with = json!({ "from": "/dev/vg00/a", "to": "/dev/vg01/new" });
    let failure = self::failure(document, &mut World { refuse: vec!["copy", "calm"], ..World::default() });
    assert_eq!(failure.faults.len(), 2);
    assert!(failure.is_refusal());
}

#[test]
fn what_is_shown_must_be_granted() {
    let failure = failure(checked(), &mut World { writes: Some("/etc/passwd"), ..World::default() });
    assert_eq!(failure.to_string(), "step `cross` (db) writes `/etc/passwd`, which no `write` grants");
    assert!(!failure.is_refusal());
    let mut facts = facts();
    facts.grants.insert("block".into(), Grants { read: vec!["/dev/vg00/*".into()], ..Grants::default() });
    let failure = plan(checked(), &facts, &mut World::default()).expect_err("nothing may be written");
    assert!(
        failure.to_string().contains("step `copy` (block) writes `/dev/vg01/new`, which no `write` grants"),
        "{failure}"
    );
}

#[test]
fn an_input_that_does_not_fit_is_told_with_its_place() {
    let mut document = checked();
    document.steps[3].step.with = json!({ "from": "${{ inputs.vg }}", "to": "${{ inputs.target }}" });
    let failure = failure(document, &mut World::default());
    assert!(
        failure.to_string().starts_with("step `copy`: at `with:/from`: `vg00` is no device"),
        "{failure}"
    );
}

#[test]
fn what_a_plan_changes_is_locked_by_name_and_identity() {
    let locks: Vec<String> = sample().locks.into_iter().collect();
    assert_eq!(
        locks,
        [
            "device:/dev/vg01/new",
            "file:/etc/pg_hba.conf",
            "identity:vg-uuid-1",
            "lvm:vg00",
            "postgres:/run/postgresql/.s.PGSQL.5432 as postgres",
            "service:postgresql@15-main",
        ]
    );
}

#[test]
fn a_false_condition_leaves_a_step_unasked() {
    let mut document = checked();
    document.steps.truncate(4);
    document.steps[3].step.condition = Some("inputs.vg == 'other'".into());
    let mut world = World::default();
    let plan = plan(document, &facts(), &mut world).expect("a plan");
    assert!(plan.steps[3].shown.effects.is_empty());
    assert!(!world.asked.iter().any(|asked| asked.contains("copy")));
}

#[test]
fn drift_is_told_in_words_and_holes_admit_what_the_input_then_holds() {
    let mut copy = step("tidy", action("lvm.remove", Undo::None), &[], json!({}));
    let effect = |volume: &str| Effect {
        kind: "run".into(),
        detail: json!({ "program": "lvremove", "args": ["-y", volume] }),
    };
    copy.shown = Shown { effects: vec![effect("\u{e000}/volume\u{e001}")], ..Shown::default() };
    let input = json!({ "volume": "vg00/snap" });
    let fresh = |effects: Vec<Effect>| Shown { effects, ..Shown::default() };
    assert_eq!(drift(&copy, &fresh(vec![effect("vg00/snap")]), &input), Ok(()));
    assert_eq!(
        drift(&copy, &fresh(vec![effect("vg00/dat")]), &input),
        Err("effect 1 was `$ lvremove -y ‹volume›` in the plan and is `$ lvremove -y vg00/dat` now"
            .to_owned())
    );
    assert_eq!(
        drift(&copy, &fresh(vec![effect("vg00/snap"), effect("vg00/dat")]), &input),
        Err("`$ lvremove -y vg00/dat` would be done now, and the plan did not show it".to_owned())
    );
    assert_eq!(
        drift(&copy, &fresh(vec![]), &input),
        Err("the plan showed `$ lvremove -y ‹volume›`, which would not be done now".to_owned())
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn two_plans_of_the_same_state_have_the_same_hash(seed: u64, free in 0_u64..1000) {
        let again = plan(checked(), &facts(), &mut World { free, shuffle: Some(seed), ..World::default() }).expect("a plan");
        prop_assert_eq!(again.hash, sample().hash);
    }

    #[test]
    fn another_state_has_another_hash(which in 0_usize..6) {
        let mut document = checked();
        let mut facts = facts();
        match which {
            0 => document.document.push('#'),
            1 => { document.inputs.insert("target".into(), json!("/dev/vg01/other")); facts.grants.entry("block".into()).or_default().write.push("/dev/vg01/*".into()); }
            2 => facts.policy.push('x'),
            3 => { if let Some(plugin) = facts.catalog.get_mut("block") { plugin.digest.push('x') } }
            4 => facts.grants.entry("lvm".into()).or_default().on.push("vg00/*".into()),
            _ => document.steps[9].step.retry.times = 2,
        }
        let other = plan(document, &facts, &mut World { free: 7, ..World::default() }).expect("a plan");
        prop_assert_ne!(other.hash, sample().hash);
    }
}
