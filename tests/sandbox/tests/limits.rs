//! The hostile plugin takes all the time, memory and words it can get, panics, and does not listen.

use cutwater_core::answer::{Answer, Probed};
use cutwater_core::grant::Grants;
use cutwater_core::policy::Policy;
use cutwater_driver::ports::{Outcome, Report, StepRunner, Verb};
use cutwater_sandbox::{Bench, Heard};
use serde_json::json;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

fn bench() -> Bench {
    Bench::new(Policy::default())
}

fn still_works(bench: &Bench) {
    assert_eq!(bench.apply(json!([["random", "32"]]), &Grants::default(), &[]).told(), ["ok 32"]);
}

#[test]
fn a_guest_that_never_ends_is_unknown_in_apply_and_refused_in_a_preview() {
    let bench = bench();
    let mut call = bench.call(json!([["loop"]]), &Grants::default(), &[]);
    call.timeout_ms = Some(200);
    let began = Instant::now();
    let heard = bench.make(call);
    assert!(
        heard.unknown().is_some_and(|why| why.contains("within the time that a stop leaves")),
        "{heard:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(10));
    let refused = bench.preview(json!([["loop"]]), &Grants::default()).unwrap_err();
    assert!(refused.contains("ended without an answer"), "{refused}");
    let mut probe = bench.call(json!([["loop"]]), &Grants::default(), &[]);
    (probe.verb, probe.timeout_ms) = (Verb::Probe(Default::default()), Some(100));
    assert!(matches!(bench.make(probe).outcome, Some(Outcome::Probed(Probed::CannotTell { .. }))));
    still_works(&bench);
}

#[test]
fn a_guest_that_is_told_to_stop_hears_it_and_one_that_does_not_listen_is_ended() {
    let bench = bench();
    let call = bench.call(json!([["sleep", "600000"], ["save", "half"]]), &Grants::default(), &[]);
    let (id, (reports, inbox)) = (call.id, channel());
    bench.runner.start(call, reports);
    bench.runner.stop(id);
    let heard = Heard::until_done(&inbox);
    assert_eq!(heard.told(), ["stopping", "ok "], "{heard:?}");
    assert_eq!(heard.saved, [json!("half")], "there is time for a checkpoint");
    let mut deaf = bench.call(json!([["deaf"]]), &Grants::default(), &[]);
    deaf.timeout_ms = Some(50);
    assert!(bench.make(deaf).unknown().is_some());
    still_works(&bench);
}

#[test]
fn a_guest_that_takes_all_memory_is_ended_and_nothing_else_is() {
    let bench = bench();
    let heard = bench.apply(json!([["bomb"]]), &Grants::default(), &[]);
    assert!(heard.unknown().is_some(), "{heard:?}");
    still_works(&bench);
}

#[test]
fn a_flood_of_words_is_cut_and_large_or_deep_answers_are_not_taken() {
    let bench = bench();
    let flood = bench.apply(json!([["flood", "3000"]]), &Grants::default(), &[]);
    assert_eq!(flood.told(), ["ok "]);
    let bytes: usize = flood.said.iter().map(String::len).sum();
    assert!((1_000_000..1_100_000).contains(&bytes), "{bytes}");
    assert!(flood.said.last().unwrap().contains("the rest is dropped"));
    let large = bench.apply(json!([["large", "2000000"]]), &Grants::default(), &[]);
    assert!(large.unknown().is_some_and(|why| why.contains("at most 1048576 are taken")), "{large:?}");
    let deep = bench.apply(json!([["deep", "200"]]), &Grants::default(), &[]);
    assert!(deep.unknown().is_some_and(|why| why.contains("nests deeper than 64")), "{deep:?}");
    let random = bench.apply(json!([["random", "100000"]]), &Grants::default(), &[]);
    assert!(random.unknown().is_some_and(|why| why.contains("random bytes")), "{random:?}");
    still_works(&bench);
}

#[test]
fn a_panic_is_unknown_and_its_words_reach_the_log() {
    let bench = bench();
    let heard =
        bench.apply(json!([["save", "before"], ["panic", "the roof is on fire"]]), &Grants::default(), &[]);
    assert!(heard.unknown().is_some(), "{heard:?}");
    assert!(
        heard.said.iter().any(|text| text.contains("the roof is on fire") && text.contains("lib.rs")),
        "{heard:?}"
    );
    assert_eq!(heard.saved, [json!("before")]);
    still_works(&bench);
}

fn pause(
    bench: &Bench,
    tries: serde_json::Value,
) -> (cutwater_driver::ports::CallId, std::sync::mpsc::Receiver<Report>) {
    let mut call = bench.call(tries, &Grants::default(), &[]);
    (call.action, call.verb) = ("pause".into(), Verb::Take);
    let (id, (reports, inbox)) = (call.id, channel());
    bench.runner.start(call, reports);
    let taken = Heard::until_done(&inbox);
    assert!(matches!(taken.outcome, Some(Outcome::Taken(Ok(_)))), "{taken:?}");
    (id, inbox)
}

fn intact(
    bench: &Bench,
    hold: &(cutwater_driver::ports::CallId, std::sync::mpsc::Receiver<Report>),
) -> Result<(), String> {
    bench.runner.intact(hold.0);
    match Heard::until_done(&hold.1).outcome {
        Some(Outcome::Intact(intact)) => intact,
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn a_hold_lives_between_its_calls_and_is_given_back_by_the_same_instance() {
    let bench = bench();
    let hold = pause(&bench, json!([["run", "true"]]));
    assert_eq!(intact(&bench, &hold), Ok(()));
    assert_eq!(intact(&bench, &hold), Err("denied".into()));
    bench.runner.release(hold.0, cutwater_core::answer::Ending::Limit);
    assert_eq!(Heard::until_done(&hold.1).told(), ["2 Limit"]);
}

#[test]
fn a_hold_whose_instance_died_is_broken_and_its_release_is_unknown() {
    let bench = bench();
    for deadly in [json!([["panic", "gone"]]), json!([["loop"]])] {
        let hold = pause(&bench, deadly);
        assert_eq!(intact(&bench, &hold), Ok(()));
        assert!(intact(&bench, &hold).is_err());
        bench.runner.release(hold.0, cutwater_core::answer::Ending::Failed);
        let released = Heard::until_done(&hold.1);
        assert!(released.unknown().is_some(), "{released:?}");
        assert!(released.stirred, "its death is told");
        let mut orphan = bench.call(json!([]), &Grants::default(), &[]);
        (orphan.action, orphan.verb) = ("pause".into(), Verb::ReleaseOrphan);
        assert!(matches!(bench.make(orphan).outcome, Some(Outcome::Answer(_))));
    }
}

/// Sabotage: an answer that is taken as it comes.
#[test]
fn an_answer_that_is_not_of_the_steps_own_schema_is_no_success() {
    let bench = bench();
    let heard = bench.apply(json!([["lie"]]), &Grants::default(), &[]);
    let Some(Outcome::Answer(Answer::Failed(failure))) = &heard.outcome else { panic!("{heard:?}") };
    assert!(failure.message.contains("output/lie") && !failure.again, "{failure:?}");
    still_works(&bench);
}
