//! Pictures of runs that ended well, were undone, and stopped.

use super::axis::Axis;
use super::svg;
use crate::event::Event;
use crate::sample::{done, stopped, undone};

#[test]
fn a_finished_run_is_drawn() {
    insta::assert_snapshot!(svg(&done()));
}

#[test]
fn what_went_wrong_is_drawn_too() {
    let picture = svg(&stopped());
    for words in
        ["turned back: ", "undone in 1.0 s", "failed: in use", "refused: the devices differ", ">stopped<"]
    {
        assert!(picture.contains(words), "{words}");
    }
    assert!(svg(&undone()).contains(">undone<"));
}

#[test]
fn a_run_without_events_or_end_is_drawn_as_far_as_it_is() {
    assert!(svg(&[]).starts_with("<svg "));
    for count in 0..done().len() {
        let picture = svg(&done()[..count]);
        assert!(
            picture.ends_with("</svg>\n") && !picture.contains("NaN") && !picture.contains("inf"),
            "{count} events"
        );
    }
}

#[test]
fn names_cannot_leave_their_place_in_the_picture() {
    let mut records = done();
    if let Event::Created { plan, .. } = &mut records[0].event {
        plan.name = "</svg><script>".into();
    }
    assert!(!svg(&records).contains("<script"));
}

#[test]
fn an_outage_of_seconds_stays_visible_beside_a_copy_of_hours() {
    let axis = Axis::new([0, 7_200_000, 7_204_000, 7_205_000], 0.0, 1000.0);
    assert!(axis.at(7_204_000) - axis.at(7_200_000) > 40.0);
    assert!(axis.at(3_600_000) > axis.at(0) && axis.at(7_205_000) > axis.at(7_204_000));
}
