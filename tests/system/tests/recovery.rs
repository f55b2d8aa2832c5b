//! The main job struck in its outage: the engine killed, the machine's power cut, before the point of no return and right
//! after it. Nobody helps: the guard takes the killed engine's run over, the boot goes on with the one that lost power.
//! `make prove` runs the ignored ones, too: a kill at each event of the outage.
//! It must not know how a run recovers.

#![expect(clippy::unwrap_used, reason = "a test")]

use cutwater_lab::scratch;
use cutwater_system::{MainJob, Struck};
use std::time::Duration;

const OLD: &str = "/dev/mapper/vg00-dat";
const NEW: &str = "/dev/mapper/vg01-new";

/// Until the machine is struck: a first pass and half an outage, with room for a slow machine.
const STRUCK: Duration = Duration::from_secs(8 * 60);
/// The limit of these outages (strike.sh), and what the way back and the clients' reconnecting may take beyond it.
const DOWN_AT_MOST_MS: f64 = 120_000.0 + 60_000.0;

/// Where a strike falls, as the journal writes it down.
fn intended(step: &str) -> String {
    format!(r#""event":"intended","step":"{step}","way":"apply""#)
}

fn answered(step: &str) -> String {
    format!(r#""event":"answered","step":"{step}","way":"apply""#)
}

fn crossed() -> String {
    r#""event":"crossed""#.into()
}

/// The old side serves again, nothing is left, nothing is lost, and whatever Cutwater says agrees.
fn is_undone(struck: &Struck) {
    let said = struck.words();
    assert_eq!(struck.status, 4, "{said}");
    assert_eq!(struck.outcome().unwrap(), "undone", "{said}");
    assert_eq!(struck.read("mounted").unwrap(), OLD, "{said}");
    serves_without_loss(struck);
}

/// The new side serves, nothing is left, nothing is lost.
fn is_done(struck: &Struck) {
    let said = struck.words();
    assert_eq!(struck.status, 0, "{said}");
    assert_eq!(struck.outcome().unwrap(), "done", "{said}");
    assert_eq!(struck.read("mounted").unwrap(), NEW, "{said}");
    serves_without_loss(struck);
}

fn serves_without_loss(struck: &Struck) {
    let said = struck.words();
    assert_eq!(struck.read("left").unwrap(), "", "left behind\n{said}");
    let witness = struck.witness().unwrap();
    assert_eq!(witness["lost"].as_array().map(Vec::len), Some(0), "lost transactions: {witness:#}\n{said}");
    assert!(witness["acked_after"].as_u64().unwrap() >= 100, "writes do not flow: {witness:#}\n{said}");
}

/// As the clients saw it, who lived on: writes flowed again within the limit and the way back.
fn was_down_for_a_short_time(struck: &Struck) {
    let down = struck.witness().unwrap()["longest_gap_ms"].as_f64().unwrap();
    assert!(down < DOWN_AT_MOST_MS, "{down} ms\n{}", struck.words());
}

/// Whoever owned the run after the killed engine was the guard itself: it became the take-over.
fn the_guard_took_over(struck: &Struck) {
    let owners = struck.owners().unwrap();
    assert_eq!(owners.len(), 2, "{}", struck.words());
    assert_eq!(owners[1], struck.guard().unwrap(), "{}", struck.words());
}

/// Sabotage: the guard not told of the outage, or told too late (nobody goes on with the run); an undo left out; the
/// probe of the step that was struck left out (the unknown mount stays); a run that turns back after the mark.
#[test]
fn a_killed_engine_is_taken_over_by_its_guard_backwards_before_the_mark_and_forwards_after_it() {
    let folder = scratch("killed").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let struck = job.killed(&[("back", &intended("on")), ("forth", &crossed())]).unwrap();
    let [back, forth] = struck.as_slice() else { panic!("two strikes were asked for") };
    is_undone(back);
    the_guard_took_over(back);
    is_done(forth);
    the_guard_took_over(forth);
    was_down_for_a_short_time(back);
    was_down_for_a_short_time(forth);
}

/// Sabotage: an intent or the mark that is not durable before its effect; the fence of the service not persistent (the
/// boot starts a half-moved database); the boot's hook left out.
#[test]
fn a_power_cut_is_undone_by_the_next_boot_before_the_mark_and_finished_by_it_after_the_mark() {
    let folder = scratch("power").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    job.power_cut("back", &intended("last"), None, STRUCK).unwrap();
    job.power_cut("forth", &crossed(), Some("back"), STRUCK).unwrap();
    is_undone(&job.struck("back").unwrap());
    is_done(&job.booted_after("forth").unwrap());
}

/// Steps of the outage before the mark, in order; checks among them, for an engine may die in one as well.
const OUTAGE: [&str; 13] = [
    "fence",
    "bar",
    "drain",
    "before",
    "stop",
    "off",
    "last",
    "same",
    "old-fenced",
    "on",
    "start",
    "sound",
    "persist",
];

/// Before the mark each strike ends where it began, so one machine takes them all.
#[test]
#[ignore = "exhaustive: make prove runs it"]
fn a_kill_at_any_event_of_the_outage_before_the_mark_is_undone() {
    let folder = scratch("each-back").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let places: Vec<(String, String)> = OUTAGE
        .iter()
        .flat_map(|step| [(format!("at-{step}"), intended(step)), (format!("after-{step}"), answered(step))])
        .collect();
    for few in places.chunks(4) {
        let strikes: Vec<(&str, &str)> = few.iter().map(|(n, p)| (n.as_str(), p.as_str())).collect();
        for struck in job.killed(&strikes).unwrap() {
            is_undone(&struck);
            the_guard_took_over(&struck);
            was_down_for_a_short_time(&struck);
        }
    }
}

/// After the mark the new side is there to stay: a machine for each.
#[test]
#[ignore = "exhaustive: make prove runs it"]
fn a_kill_at_any_event_of_the_outage_after_the_mark_is_finished() {
    for (name, place) in [
        ("crossed", crossed()),
        ("at-cross", intended("cross")),
        ("after-cross", answered("cross")),
        ("at-serve", intended("serve")),
    ] {
        let folder = scratch("each-forth").unwrap();
        let job = MainJob::new(folder.path()).unwrap();
        is_done(&job.killed(&[(name, &place)]).unwrap()[0]);
    }
}

/// Nothing is down any more: nobody needs to hurry, and a person's `resume` goes on.
#[test]
#[ignore = "exhaustive: make prove runs it"]
fn a_kill_after_the_outage_is_finished_by_whoever_resumes() {
    for step in ["free", "tidy"] {
        for (name, place) in
            [(format!("at-{step}"), intended(step)), (format!("after-{step}"), answered(step))]
        {
            let folder = scratch("each-resumed").unwrap();
            let job = MainJob::new(folder.path()).unwrap();
            is_done(&job.resumed(&name, &place).unwrap());
        }
    }
}
