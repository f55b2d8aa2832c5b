//! The window: when an outage may begin and the mark be crossed, by a clock that the test sets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "common/bench.rs"]
mod bench;
mod common;

use bench::{Bench, Script, outage_with, over, staged};
use cutwater_core::event::{Event, Need, Outcome, Record};
use cutwater_core::names::StepName;
use cutwater_core::plan::{Plan, Window};
use cutwater_driver::engine::Finish;
use std::sync::Arc;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// An outage with the mark as its last step, on the first day of 1970 between one and two o'clock.
fn windowed() -> Plan {
    let mut plan = outage_with(&["stop", "copy", "cross"], true);
    plan.window = Some(Window { opens: "01:00".into(), closes: "02:00".into(), timezone: "UTC".into() });
    plan
}

/// The outage takes ten minutes and its way back five; what remains at the mark takes one.
fn at(now: u64, script: Script) -> Bench {
    let mut bench = staged(windowed(), Script { now, ..script });
    bench.engine.expect(needs());
    bench
}

fn needs() -> std::collections::BTreeMap<StepName, Need> {
    let need = |forward, back| Need { lead_ms: 0, forward_ms: forward * MINUTE, back_ms: back * MINUTE };
    [("down".into(), need(10, 5)), ("cross".into(), need(1, 5))].into()
}

fn began(bench: &Bench) -> Option<u64> {
    let records = bench.journal.records.lock().unwrap();
    let outage = |r: &&Record| matches!(r.event, Event::OutageBegan { .. });
    records.iter().find(outage).map(|record| record.at as u64)
}

fn crossed(bench: &Bench) -> bool {
    bench::events(&bench.journal).iter().any(|event| matches!(event, Event::Crossed { .. }))
}

/// Sabotage: an outage that does not ask the window; a run that does nothing at all before the window opens.
#[test]
fn what_comes_before_the_outage_is_done_at_once_and_the_outage_waits_for_the_window() {
    let mut b = at(HOUR / 2, Script::default());
    assert_eq!(b.engine.run().unwrap(), Finish::Over(Outcome::Done, String::new()));
    assert!(began(&b).unwrap() >= HOUR, "it began at {:?}", began(&b));
    let records = b.journal.records.lock().unwrap();
    let first = records.iter().find(|r| matches!(r.event, Event::Answered { .. })).unwrap();
    assert!((first.at as u64) < HOUR, "`before` waited for the window");
}

/// Sabotage: the window no reason to return; the run turned back because the window is not open yet.
#[test]
fn without_waiting_a_run_that_is_early_returns_and_a_later_owner_goes_on() {
    let mut b = at(HOUR / 2, Script { no_wait: true, ..Script::default() });
    let finish = b.engine.run().unwrap();
    assert_eq!(finish, Finish::Waiting("the window opens in 30 min 0 s".into()));
    let later = Script { now: HOUR + MINUTE, no_wait: true, ..Script::default() };
    let mut b = over(windowed(), later, &b.journal, &b.world);
    b.engine.expect(needs());
    assert_eq!(b.engine.run().unwrap(), Finish::Over(Outcome::Done, String::new()));
}

/// Sabotage: the time that the outage takes left out; the way back left out (14 minutes are enough for the way there).
#[test]
fn an_outage_whose_way_there_and_back_does_not_fit_does_not_begin() {
    for (left, fits) in [(14, false), (16, true)] {
        let mut b = at(2 * HOUR - left * MINUTE, Script::default());
        let finish = b.engine.run().unwrap();
        assert_eq!(began(&b).is_some(), fits, "{left} minutes: {finish:?}");
        if !fits {
            let Finish::Over(Outcome::Undone, why) = finish else { panic!("{finish:?}") };
            assert!(why.contains("only 14 min 0 s of the window are left"), "{why}");
            assert!(b.world.lock().unwrap().applied.is_empty(), "`before` stays");
        }
    }
}

/// Sabotage: the window not asked at the mark; the way back left out there.
#[test]
fn the_mark_is_not_crossed_where_the_way_there_and_back_does_not_fit_any_more() {
    // Inside the outage's own limit all the same: that is not what turns the run back.
    for (copy, fits) in [(0, true), (9_000, false)] {
        let takes = [("copy".to_owned(), copy)].into();
        // 16 minutes are left at the beginning; what remains at the mark needs all but a second of them.
        let mut b = staged(windowed(), Script { now: 2 * HOUR - 16 * MINUTE, takes, ..Script::default() });
        let mut needs = needs();
        needs.insert("cross".into(), Need { lead_ms: 0, forward_ms: MINUTE, back_ms: 15 * MINUTE - 1_000 });
        b.engine.expect(needs);
        let finish = b.engine.run().unwrap();
        assert_eq!(crossed(&b), fits, "{copy}: {finish:?}");
        if !fits {
            let Finish::Over(Outcome::Undone, why) = finish else { panic!("{finish:?}") };
            assert!(why.contains("of the window are left, and `cross`"), "{why}");
            assert!(b.world.lock().unwrap().applied.is_empty());
        }
    }
}

/// Sabotage: an opening of an earlier owner kept; one that has closed taken.
#[test]
fn each_owner_keeps_to_the_first_opening_that_has_not_closed_when_it_takes_the_run() {
    let mut b = at(HOUR / 2, Script { no_wait: true, ..Script::default() });
    b.engine.run().unwrap();
    let late = Script { now: 3 * HOUR, no_wait: true, ..Script::default() };
    let journal = Arc::clone(&b.journal);
    let mut b = over(windowed(), late, &journal, &b.world);
    b.engine.expect(needs());
    assert!(matches!(b.engine.run().unwrap(), Finish::Waiting(_)));
    let openings: Vec<(i64, i64)> = bench::events(&journal)
        .into_iter()
        .filter_map(|event| match event {
            Event::Scheduled { opens, closes, .. } => Some((opens, closes)),
            _ => None,
        })
        .collect();
    let hour = HOUR as i64;
    assert_eq!(openings, [(hour, 2 * hour), (25 * hour, 26 * hour)]);
}

/// Sabotage: a zone that the machine does not know taken for an open window.
#[test]
fn a_window_in_a_zone_that_nobody_knows_stays_shut() {
    let mut plan = windowed();
    plan.window = Some(Window { timezone: "Europe/Atlantis".into(), ..plan.window.unwrap() });
    let mut b = staged(plan, Script { now: HOUR + 1, ..Script::default() });
    let finish = b.engine.run().unwrap();
    assert!(
        matches!(finish, Finish::Over(Outcome::Undone, ref why) if why.contains("Atlantis")),
        "{finish:?}"
    );
    assert_eq!(began(&b), None);
}
