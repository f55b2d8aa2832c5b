//! The walk over a workflow's faults: what it finds in one that is sound, and in ones that are not and that the checker
//! cannot refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use cutwater_core::check::{Given, check_text};
use cutwater_core::describe::Catalog;
use cutwater_core::document::parse_leniently;
use cutwater_core::plan::{Body, Plan};
use cutwater_driver::simulate::{
    Blame, Case, Column, End, Pairs, Stage, Walked, given_or_made_up, plan, walk,
};
use std::collections::BTreeSet;

fn core(name: &str) -> String {
    let path = format!("{}/../core/tests/common/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn walked(text: &str, pairs: usize) -> (Stage, Walked) {
    walked_after(text, pairs, |_| ())
}

/// The plan is changed first, to what the checker would have refused. The core parses expressions by recursion and is
/// entered on a big stack.
fn walked_after(text: &str, pairs: usize, change: fn(&mut Plan)) -> (Stage, Walked) {
    let text = text.to_owned();
    let thread = std::thread::Builder::new().stack_size(cutwater_core::expr::STACK);
    let work = move || {
        let catalog: Catalog = serde_json::from_str(&core("catalog.json")).unwrap();
        let document = parse_leniently(&text, "a.yaml").document.unwrap();
        let given = given_or_made_up(&document, Given::default());
        let checked = check_text(&text, "a.yaml", &catalog, &given, None)
            .unwrap_or_else(|faults| panic!("{}", faults.render(|_| Some(&text), false)));
        let (mut plan, outputs) = plan(&checked, &catalog).unwrap_or_else(|failure| panic!("{failure}"));
        change(&mut plan);
        let stage = Stage::new(plan, outputs);
        let walked = walk(&stage, Pairs::UpTo(pairs));
        (stage, walked)
    };
    thread.spawn(work).unwrap().join().unwrap()
}

/// Everything that was wrong, with the step at fault and what led to it first.
fn found(walked: &Walked) -> BTreeSet<(Blame, String)> {
    let step = |wrong: &cutwater_driver::simulate::Wrong| wrong.step.as_ref().map(ToString::to_string);
    walked.wrongs().map(|(_, wrong)| (wrong.blame, step(wrong).unwrap_or_default())).collect()
}

/// Sabotage: a watch that is begun anew taken for a step that is done twice.
#[test]
fn a_watch_beside_a_sound_workflow_ends_well_whatever_goes_wrong() {
    let eyes =
        "  eyes: { uses: lvm.watch-snapshots, with: { snapshots: [\"${{ steps.snap.id }}\"] } }\n  copy:\n";
    let watched = core("good.yaml").replace("  copy:\n", eyes).replace("lvchange]", "lvchange, lvextend]");
    let (stage, walked) = walked(&watched, 60);
    assert!(stage.shape.plan.steps.iter().any(cutwater_core::plan::PlanStep::watches));
    let wrongs: Vec<&str> = walked.wrongs().map(|(_, wrong)| wrong.words.as_str()).collect();
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}

fn cases<'a>(walked: &'a Walked, step: &str, column: Column) -> Vec<&'a Case> {
    let all = walked.singles.iter().chain(&walked.back);
    all.filter(|c| c.trouble.column == column && c.trouble.step.as_ref().is_some_and(|s| s.as_str() == step))
        .collect()
}

/// Sabotage, each tried: the order of undo not looked at; an unknown answer tried again without a probe; a hold given back
/// only after the undo; an outage that an earlier owner opened gone on with; the mark not durable before its step.
#[test]
fn in_a_sound_workflow_every_fault_at_every_step_ends_finished_undone_or_with_a_person() {
    for name in ["good.yaml", "hold.yaml"] {
        let (stage, walked) = walked(&core(name), 60);
        let wrongs: Vec<String> = walked
            .wrongs()
            .map(|(trouble, wrong)| {
                format!("{} when {}", wrong.words, trouble.map(ToString::to_string).unwrap_or_default())
            })
            .collect();
        assert!(wrongs.is_empty(), "{name}: {}", wrongs.join("\n"));
        assert_eq!(walked.pairs_tried, 60, "{name}");
        for planned in &stage.shape.plan.steps {
            let step = planned.name.as_str();
            let mut wanted = match planned.body {
                Body::Action { .. } => vec![Column::Refused, Column::PartWay, Column::Unknown, Column::Drift],
                Body::Check { .. } => vec![Column::Refused, Column::Unknown],
                Body::Hold { .. } => vec![Column::Refused, Column::HoldLost, Column::Drift, Column::Back],
                _ => vec![],
            };
            if planned.body.uses().is_some() {
                let kills =
                    [Column::BeforeIntent, Column::AfterIntent, Column::AfterEffect, Column::AfterOutcome];
                wanted.extend(kills);
            }
            if planned.within.is_some() && planned.body.uses().is_some() && !planned.mark {
                wanted.extend([Column::Guard, Column::Limit]);
            }
            for column in wanted {
                assert!(
                    !cases(&walked, step, column).is_empty(),
                    "{name}: `{step}` has no {}",
                    column.name()
                );
            }
        }
    }
}

/// Sabotage: everything reported as undone; the mark's refusal taken for a clean end; an end of one fault shown for another.
#[test]
fn how_a_run_ends_depends_on_where_the_fault_strikes() {
    let (_, walked) = walked(&core("good.yaml"), 0);
    let ends = |step: &str, column| -> BTreeSet<&End> {
        cases(&walked, step, column).into_iter().map(|case| &case.end).collect()
    };
    assert_eq!(ends("snap", Column::Refused), [&End::Undone].into());
    assert_eq!(ends("agree", Column::Refused), [&End::Undone].into(), "nobody answers");
    assert_eq!(ends("snap", Column::AfterEffect), [&End::Finished].into());
    assert_eq!(ends("stop", Column::AfterEffect), [&End::Undone].into(), "an outage is not gone on with");
    assert_eq!(ends("cross", Column::AfterIntent), [&End::Finished].into(), "only forward");
    let refused = ends("cross", Column::Refused);
    assert!(
        refused.iter().all(|end| matches!(end, End::Person(why) if why.contains("`cross`"))),
        "{refused:?}"
    );
    let back = ends("stop", Column::Back);
    assert!(back.contains(&End::Undone), "{back:?}");
    let stuck = |end: &&End| matches!(end, End::Person(why) if why.contains("`stop` needs a person"));
    assert!(back.iter().any(stuck), "an undo that never succeeds: {back:?}");
    assert_eq!(walked.turned_back_at.as_ref().unwrap().as_str(), "persist");
}

const HEAD: &str = "cutwater: 1
name: bad
grants:
  service:  { units: [db] }
  lvm:      { run: [lvcreate, lvremove, lvchange], on: [vg00/*] }
  postgres: { connect: [{ unix: /run/postgresql/.s.PGSQL.5432, as: postgres }], write: [/etc/postgresql/15/main/pg_hba.conf] }
";

/// Sabotage: the mark counted as the new side's beginning only where the run ends; steps beside the mark not looked at.
#[test]
fn a_mark_that_does_not_wait_for_what_stops_the_old_side_is_named() {
    let text = format!(
        "{HEAD}steps:
  down:
    outage: {{ limit: 60s }}
    steps:
      fence: {{ uses: service.fence, with: {{ unit: db }} }}
      stop:  {{ uses: service.stop, with: {{ unit: db }} }}
      cross: {{ uses: postgres.admit, with: {{ who: everyone }}, point-of-no-return: true }}
"
    );
    let (_, walked) = walked_after(&text, 0, |plan| {
        let cross = plan.steps.iter_mut().find(|step| step.mark).unwrap();
        cross.needs = ["fence".into()].into();
    });
    let found = found(&walked);
    assert!(found.contains(&(Blame::TwoWriters, "stop".into())), "{found:?}");
    assert!(!found.iter().any(|(_, step)| step == "fence"), "{found:?}");
}

/// Sabotage: an outage without a step that stops anything taken for one whose steps are all in effect.
#[test]
fn an_outage_that_stops_nothing_before_its_mark_is_named_though_nothing_goes_wrong() {
    let text = format!(
        "{HEAD}steps:
  down:
    outage: {{ limit: 60s }}
    steps:
      cross: {{ uses: postgres.admit, with: {{ who: everyone }}, point-of-no-return: true }}
"
    );
    let (_, walked) = walked(&text, 0);
    assert_eq!(walked.calm.len(), 1, "{:?}", walked.calm);
    assert_eq!(found(&walked), [(Blame::TwoWriters, "cross".into())].into());
}

/// Sabotage: `on-failure: keep` taken for undone because the outage was given back.
#[test]
fn what_on_failure_keep_leaves_behind_is_named() {
    let text = format!(
        "{HEAD}on-failure: keep
steps:
  snap: {{ uses: lvm.snapshot, with: {{ vg: vg00, origin: dat, size: 1GiB }} }}
  down:
    outage: {{ limit: 60s }}
    needs: [snap]
    steps:
      stop:  {{ uses: service.stop, with: {{ unit: db }} }}
      start: {{ uses: postgres.start, with: {{ admit: only-cutwater }} }}
"
    );
    let (_, walked) = walked(&text, 0);
    let found = found(&walked);
    assert!(found.contains(&(Blame::HalfDone, "snap".into())), "{found:?}");
    assert!(!found.iter().any(|(blame, _)| matches!(blame, Blame::Down | Blame::Defect)), "{found:?}");
}
