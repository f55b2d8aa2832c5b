//! What outages and the mark are expected to take, when they may begin by it, and what a person is told.
#![allow(clippy::unwrap_used, reason = "a test")]

use cutwater_core::answer::{Answer, Failure};
use cutwater_core::describe::Undo;
use cutwater_core::effect::{Effect, Shown};
use cutwater_core::event::{Event, Need, Outcome, Record, Way};
use cutwater_core::names::{Epoch, RunId, Seq, StepName};
use cutwater_core::plan::{Body, OnFailure, PLAN_FORMAT, Plan, PlanStep, Retry};
use cutwater_core::state::{Gate, RunState, Schedule, needs};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn step(name: &str, body: Body, needs: &[&str], within: Option<&str>, seconds: Option<u64>) -> PlanStep {
    let estimate = seconds.map_or(Value::Null, |seconds| json!({ "seconds": seconds }));
    PlanStep {
        name: name.into(),
        within: within.map(StepName::from),
        body,
        needs: needs.iter().map(|n| StepName::from(*n)).collect(),
        condition: None,
        each: None,
        with: json!({}),
        retry: Retry::default(),
        timeout_ms: None,
        mark: name == "cross",
        finally: false,
        shown: Shown { estimate, ..Shown::default() },
        undo_shown: Shown::default(),
        line: 0,
    }
}

fn action() -> Body {
    Body::Action { plugin: "test".into(), action: "do".into(), undo: Undo::Restores, watch: false }
}

/// A copy of ten minutes, then an outage of a stop (2 s), a last pass of `last` seconds, and the mark (1 s).
fn plan(last: Option<u64>) -> Plan {
    Plan {
        format: PLAN_FORMAT,
        name: "move".into(),
        summary: String::new(),
        document: String::new(),
        inputs: Default::default(),
        on_failure: OnFailure::Undo,
        window: None,
        locks: BTreeSet::new(),
        steps: vec![
            step("copy", action(), &[], None, Some(600)),
            step("down", Body::Outage { limit_ms: 60_000 }, &["copy"], None, None),
            step("stop", action(), &[], Some("down"), Some(2)),
            step("last", action(), &["stop"], Some("down"), last),
            step("cross", action(), &["last"], Some("down"), Some(1)),
            step("tidy", action(), &["down"], None, Some(3_600)),
        ],
        grants: Default::default(),
        components: Default::default(),
        policy: String::new(),
        hash: "0123456789abcdef".into(),
    }
}

fn of(found: &std::collections::BTreeMap<StepName, Need>, step: &str) -> (u64, u64, u64) {
    let need = found[&StepName::from(step)];
    (need.lead_ms, need.forward_ms, need.back_ms)
}

struct Story(Vec<Record>);

impl Story {
    fn new(plan: Plan) -> Self {
        let created = Event::Created {
            format: 1,
            run: RunId::from("r"),
            plan: Box::new(plan),
            by: "t".into(),
            faults: false,
        };
        let mut story = Self(Vec::new());
        story.add(0, created);
        story.add(0, Event::Owned { epoch: Epoch(1), pid: 1, boot: "b".into(), by: "t".into() });
        story
    }

    fn add(&mut self, at: i64, event: Event) -> &mut Self {
        let seq = Seq(self.0.len() as u64 + 1);
        self.0.push(Record { seq, at, event });
        self
    }

    fn intended(&mut self, at: i64, name: &str, way: Way, undo: &[&str]) -> &mut Self {
        let run = |args: &&str| Effect { kind: "run".into(), detail: json!({ "program": args, "args": [] }) };
        self.add(
            at,
            Event::Intended {
                step: name.into(),
                way,
                attempt: 1,
                input: json!({}),
                effects: Vec::new(),
                undo: undo.iter().map(run).collect(),
            },
        )
    }

    fn answered(&mut self, at: i64, name: &str, way: Way, answer: Answer) -> &mut Self {
        self.add(at, Event::Answered { step: name.into(), way, attempt: 1, answer })
    }

    fn did(&mut self, name: &str, from: i64, to: i64) -> &mut Self {
        let answer = Answer::Changed { output: json!({}) };
        self.intended(from, name, Way::Apply, &[&format!("back-{name}")]).answered(
            to,
            name,
            Way::Apply,
            answer,
        )
    }
}

/// The last pass took 20 s then, and taking back nothing was ever needed.
fn earlier(plan: Plan) -> Vec<Record> {
    let mut story = Story::new(plan);
    story.did("copy", 0, 100_000);
    story.add(100_000, Event::OutageBegan { step: "down".into() });
    story.did("stop", 100_000, 103_000).did("last", 103_000, 123_000);
    story.add(123_000, Event::Crossed { step: "cross".into() });
    story.did("cross", 123_000, 124_000);
    story.add(124_000, Event::OutageEnded { step: "down".into(), downtime_ms: 24_000 });
    story.did("tidy", 124_000, 125_000);
    story.add(125_000, Event::Ended { outcome: Outcome::Done, because: String::new() });
    story.0
}

/// Sabotage: what comes behind the outage counted; a step's time counted once where it must be undone, too; the mark
/// counted among what is undone.
#[test]
fn without_earlier_runs_the_previews_are_added_up() {
    let found = needs(&plan(Some(30)), &[]);
    assert_eq!(of(&found, "down"), (600_000, 33_000, 32_000));
    assert_eq!(of(&found, "cross"), (632_000, 1_000, 32_000));
}

/// Sabotage: a step of which nothing is known taken for one that takes no time.
#[test]
fn where_nothing_is_known_of_a_step_the_limit_is_what_the_outage_takes() {
    let found = needs(&plan(None), &[]);
    assert_eq!(of(&found, "down"), (600_000, 60_000, 60_000));
}

/// Sabotage: previews believed more than what was measured; runs with other inputs believed.
#[test]
fn what_earlier_runs_with_the_same_inputs_took_counts_more_than_the_previews() {
    let found = needs(&plan(Some(30)), &[earlier(plan(Some(30)))]);
    assert_eq!(of(&found, "down"), (100_000, 24_000, 23_000));
    let mut other = plan(Some(30));
    other.inputs.insert("volume".into(), "small".into());
    let found = needs(&plan(Some(30)), &[earlier(other)]);
    assert_eq!(of(&found, "down").1, 33_000);
}

/// Sabotage: the last moment shifted by one; a window that is too short waited for.
#[test]
fn the_gate_is_open_up_to_the_last_moment_and_never_where_the_window_is_too_short() {
    let need = Need { lead_ms: 1_000, forward_ms: 40, back_ms: 20 };
    let mut schedule = Schedule { opens: 1_000, closes: 1_100, needs: [("down".into(), need)].into() };
    let down = StepName::from("down");
    assert_eq!((schedule.latest(&down), schedule.start_by()), (1_040, 40));
    assert_eq!(schedule.gate(&down, 999), Gate::Early(1_000));
    assert_eq!(schedule.gate(&down, 1_000), Gate::Open);
    assert_eq!(schedule.gate(&down, 1_040), Gate::Open);
    assert!(matches!(schedule.gate(&down, 1_041), Gate::Late(_)));
    schedule.closes = 1_050;
    assert!(matches!(schedule.gate(&down, 0), Gate::Late(_)), "it would wait for nothing");
}

/// Sabotage: the schedule of an owner that is gone kept; one taken where the plan has no window.
#[test]
fn a_schedule_is_its_owner_s_alone() {
    let mut windowed = plan(None);
    let scheduled = || Event::Scheduled { opens: 1, closes: 2, needs: Default::default() };
    let mut story = Story::new(windowed.clone());
    assert!(RunState::fold(&story.add(0, scheduled()).0).is_err());
    windowed.window =
        Some(cutwater_core::plan::Window { opens: "a".into(), closes: "b".into(), timezone: "c".into() });
    let mut story = Story::new(windowed);
    assert!(RunState::fold(&story.add(0, scheduled()).0).unwrap().schedule.is_some());
    story.add(9, Event::Owned { epoch: Epoch(2), pid: 2, boot: "b".into(), by: "t".into() });
    let state = RunState::fold(&story.0).unwrap();
    assert_eq!((state.schedule, state.owned_at), (None, 9));
}

/// Sabotage: the command to type left out; the effects of doing it shown in place of those of taking it back.
#[test]
fn what_is_stuck_comes_with_what_to_do_by_hand() {
    let mut story = Story::new(plan(None));
    story.did("copy", 0, 10);
    story.add(10, Event::TurnedBack { because: "abort".into(), open_only: false });
    let failure = Failure {
        code: "busy".into(),
        message: "in use".into(),
        left: "all".into(),
        checkpoint: None,
        again: true,
    };
    story.intended(11, "copy", Way::Undo, &[]).answered(12, "copy", Way::Undo, Answer::Failed(failure));
    story.add(13, Event::Stuck { step: "copy".into(), why: "in use".into() });
    let advice = RunState::fold(&story.0).unwrap().advice();
    assert_eq!(
        advice,
        [
            "`copy` is still there: taking it back did not succeed: in use",
            "  by hand: $ back-copy",
            "  then: cutwater settle r copy --not-applied --because \"…\"",
            "  or mend the cause, and let it be tried again (as the plan has it: a policy that was mended since changes nothing): cutwater resume r",
        ]
    );
}

/// Sabotage: what is not known taken for done; the order of failing back turned around.
#[test]
fn both_sides_are_told_behind_the_mark() {
    let mut story = Story::new(plan(None));
    story.did("copy", 0, 10);
    story.add(10, Event::OutageBegan { step: "down".into() });
    story.did("stop", 10, 11).did("last", 11, 12);
    assert_eq!(RunState::fold(&story.0).unwrap().sides(), None);
    story.add(12, Event::Crossed { step: "cross".into() });
    story.intended(12, "cross", Way::Apply, &[]);
    let sides = RunState::fold(&story.0).unwrap().sides().unwrap();
    assert!(sides.new.starts_with("whether `cross` happened is not known"), "{}", sides.new);
    assert!(sides.old.starts_with("as `stop`, `last` left it"), "{}", sides.old);
    let back: Vec<&str> = sides.fail_back.iter().flat_map(|step| &step.lines).map(String::as_str).collect();
    assert_eq!(back, ["$ back-last", "$ back-stop"]);
    story.answered(13, "cross", Way::Apply, Answer::Changed { output: json!({}) });
    let sides = RunState::fold(&story.0).unwrap().sides().unwrap();
    assert!(sides.new.starts_with("`cross` is done"), "{}", sides.new);
}
