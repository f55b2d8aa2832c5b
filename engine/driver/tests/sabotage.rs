//! A test of the tests: with each of these sabotages built in by a fault hook, what judges random runs turns red.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "common/case.rs"]
mod case;
#[path = "common/chance.rs"]
mod chance;
mod common;
#[path = "common/dice.rs"]
mod dice;
#[path = "common/random.rs"]
mod random;

use case::Case;
use chance::Sabotage;
use cutwater_core::plan::{Body, PlanStep};
use cutwater_driver::faults::{Strike, What};

/// How many random plans are tried before a sabotage counts as not noticed.
const AT_MOST: u64 = 2_000;

/// The violations that the first sabotaged run with one shows, or none in all of them.
fn found(sabotage: Sabotage) -> Option<String> {
    (1..=AT_MOST).find_map(|seed| {
        let mut case = Case::new(seed, None);
        case.sabotage = Some(sabotage);
        let kills = case.dice.below(4) as u32;
        case.run(kills).and_then(|finish| case.judge(&finish)).err()
    })
}

fn changes(step: Option<&PlanStep>) -> bool {
    step.is_some_and(|step| matches!(step.body, Body::Action { .. }))
}

fn in_outage(step: Option<&PlanStep>) -> bool {
    changes(step) && step.is_some_and(|step| !step.mark && step.within.is_some())
}

fn is_mark(step: Option<&PlanStep>) -> bool {
    step.is_some_and(|step| step.mark)
}

#[test]
fn each_sabotage_is_noticed() {
    let sabotages: [(&str, Sabotage, &[&str]); 9] = [
        (
            "the mark not synced",
            (
                |what, step| matches!(what, What::Append("crossed" | "intended")) && is_mark(step),
                Strike::NotSynced,
            ),
            &["behind the mark"],
        ),
        (
            "a fence not set, or the final pass skipped",
            (|what, step| what == What::Apply && in_outage(step), Strike::Claimed),
            &["not in effect"],
        ),
        (
            "the outcome written before the effect",
            (|what, step| what == What::Apply && changes(step), Strike::Late),
            &["in effect"],
        ),
        // What nobody knows to be there also keeps the hold from being given back that it lies on.
        (
            "an unknown retried blindly",
            (|what, _| what == What::Probe, Strike::Claimed),
            &["in effect", "never came to an end"],
        ),
        ("a hold not given back", (|what, _| what == What::Release, Strike::Claimed), &["held"]),
        ("a hold given back late", (|what, _| what == What::Release, Strike::Late), &["given back"]),
        ("the guard not armed", (|what, _| what == What::Cover, Strike::Claimed), &["without the guard"]),
        ("an undo skipped", (|what, _| what == What::Undo, Strike::Claimed), &["in effect"]),
        (
            "an intent that is not durable",
            (|what, step| what == What::Append("intended") && changes(step), Strike::NotSynced),
            &["taken back before"],
        ),
    ];
    for (name, sabotage, words) in sabotages {
        let violation = found(sabotage).unwrap_or_else(|| panic!("nothing noticed: {name}"));
        assert!(words.iter().any(|words| violation.contains(words)), "{name}: {violation}");
        println!("{name}: {violation}");
    }
}
