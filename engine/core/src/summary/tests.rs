//! Figures of runs that ended well, were undone, and stopped.

use super::{State, summary, text};
use crate::event::Event;
use crate::plan::Body;
use crate::sample::{done, stopped, undone};

#[test]
fn a_finished_run_tells_freeze_downtime_and_bytes() {
    let records = done();
    let found = summary(&records);
    assert_eq!((found.freeze_ms, found.downtime_ms, found.downtime_limit_ms), (130, 3_973, Some(60_000)));
    assert_eq!(found.bytes.iter().map(|moved| moved.bytes).collect::<Vec<_>>(), [1 << 30, 6 << 20]);
    assert!(found.left.is_empty() && found.undone.is_empty());
    insta::assert_snapshot!(text(&found));
}

/// Sabotage: the time for which something was lent counted as a freeze.
#[test]
fn what_a_hold_lends_freezes_nobody() {
    let mut records = done();
    let Event::Created { plan, .. } = &mut records[0].event else { panic!("not created") };
    let hold = plan.steps.iter_mut().find_map(|step| match &mut step.body {
        Body::Hold { carries, .. } => Some(carries),
        _ => None,
    });
    *hold.unwrap() = true;
    let found = summary(&records);
    assert_eq!((found.freeze_ms, found.downtime_ms, found.holds.len()), (0, 3_973, 0));
}

#[test]
fn an_undone_run_tells_what_was_taken_back_and_how_long_the_service_was_down() {
    let found = summary(&undone());
    assert_eq!(found.undone, ["last", "stop", "copy", "snap"]);
    assert_eq!(found.downtime_ms, 3_000, "until the service was back");
    assert_eq!(found.left, []);
    assert_eq!(
        found.steps.iter().find(|step| step.name == "same").map(|step| step.state),
        Some(State::Refused)
    );
    insta::assert_snapshot!(text(&found));
}

#[test]
fn a_stopped_run_tells_a_person_what_is_left() {
    let found = summary(&stopped());
    assert_eq!(found.left.len(), 1);
    assert_eq!(found.left[0].what, "the snapshot cannot be removed: it is in use");
    insta::assert_snapshot!(text(&found));
}
