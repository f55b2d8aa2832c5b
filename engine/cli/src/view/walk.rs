//! What a walk over a workflow's faults came to, as a table for people and as JSON. It must not judge.

use cutwater_core::fault::escaped;
use cutwater_core::figures;
use cutwater_core::names::StepName;
use cutwater_driver::simulate::{Case, Column, End, Stage, Trouble, Walked, Wrong};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

/// How many wrongs, and how many waits for a person, are listed one by one.
const LISTED: usize = 20;
/// What stands for the run between steps in the first column.
const THE_RUN: &str = "(the run)";
/// The heads of the columns, two lines each, in the order of [`Column::ALL`].
const HEADS: [[&str; 2]; 12] = [
    ["", "refused"],
    ["part-", "way"],
    ["", "unknown"],
    ["killed", "before"],
    ["after", "intent"],
    ["after", "effect"],
    ["after", "outcome"],
    ["during", "undo"],
    ["hold", "lost"],
    ["guard", "acted"],
    ["limit", "passed"],
    ["", "drift"],
];

/// For people.
pub fn text(stage: &Stage, walked: &Walked, took: Duration) -> String {
    let plan = &stage.shape.plan;
    let mut out = format!("{}: {} steps, nothing was touched\n\n", plan.name, plan.steps.len());
    table(stage, walked, &mut out);
    out.push_str("\nd finished   u undone   p a person is waited for, or told what is left   ! wrong\n");
    let ends = count(walked.singles.iter().chain(&walked.back));
    let _written = writeln!(out, "\neach alone   {:>6} runs: {}", total(&ends), words(&ends));
    if let Some(step) = &walked.turned_back_at {
        let _written = writeln!(
            out,
            "             {:>6} of them on the way back, after `{step}` was refused",
            walked.back.len()
        );
    }
    let _written = writeln!(
        out,
        "in pairs     {:>6} runs: {}; {} pairs are possible{}",
        walked.pairs_tried,
        words(&walked.pairs_ends),
        walked.pairs_possible,
        if walked.pairs_tried < walked.pairs_possible { ", `--pairs all` tries every one" } else { "" }
    );
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let _written = writeln!(out, "in all       {:>6} runs in {}", walked.runs(), figures::time(ms));
    people(walked, &mut out);
    wrongs(walked, &mut out);
    out
}

fn table(stage: &Stage, walked: &Walked, out: &mut String) {
    let mut cells: BTreeMap<(Option<&StepName>, Column), BTreeSet<char>> = BTreeMap::new();
    for case in walked.singles.iter().chain(&walked.back) {
        cells.entry((case.trouble.step.as_ref(), case.trouble.column)).or_default().insert(letter(&case.end));
    }
    let names: Vec<Option<&StepName>> =
        stage.shape.plan.steps.iter().map(|step| Some(&step.name)).chain([None]).collect();
    let first = names.iter().flatten().map(|name| name.as_str().chars().count()).max().unwrap_or(0);
    let first = first.max(THE_RUN.len());
    for (line, label) in ["", "step"].into_iter().enumerate() {
        let heads: Vec<String> = HEADS.iter().map(|head| format!("{:<7}", head[line])).collect();
        let _written = writeln!(out, "{}", format!("{label:<first$}  {}", heads.join(" ")).trim_end());
    }
    for name in names {
        let row: Vec<String> = Column::ALL
            .into_iter()
            .map(|column| {
                let ends = cells.get(&(name, column)).map(|ends| ends.iter().collect::<String>());
                format!("{:<7}", ends.unwrap_or_else(|| "-".to_owned()))
            })
            .collect();
        let label = name.map_or(THE_RUN, StepName::as_str);
        let _written = writeln!(out, "{}", format!("{label:<first$}  {}", row.join(" ")).trim_end());
    }
}

/// What a person is waited for, with the steps for which that is so.
fn people(walked: &Walked, out: &mut String) {
    let mut waits: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in walked.singles.iter().chain(&walked.back) {
        let End::Person(why) = &case.end else { continue };
        let (step, what) = why.strip_prefix('`').and_then(|rest| rest.split_once("` ")).unwrap_or(("", why));
        let steps = waits.entry(what).or_default();
        if !step.is_empty() && !steps.contains(&step) {
            steps.push(step);
        }
    }
    if waits.is_empty() {
        return;
    }
    out.push_str("\nwhat a person is waited for, or told:\n");
    for (what, steps) in waits.iter().take(LISTED) {
        let _written = match steps.is_empty() {
            true => writeln!(out, "  {}", escaped(what)),
            false => writeln!(out, "  {} ({})", escaped(what), steps.join(", ")),
        };
    }
    more(waits.len(), out);
}

fn wrongs(walked: &Walked, out: &mut String) {
    let mut all: BTreeMap<&Wrong, (usize, Option<&Trouble>)> = BTreeMap::new();
    for (trouble, wrong) in walked.wrongs() {
        all.entry(wrong).or_insert((0, trouble)).0 += 1;
    }
    if all.is_empty() {
        out.push_str("\nnothing stays frozen, down, doubled or half-done\n");
        return;
    }
    out.push_str("\nwrong:\n");
    for (wrong, (runs, trouble)) in all.iter().take(LISTED) {
        let step = wrong.step.as_ref().map_or(THE_RUN, StepName::as_str);
        let _written = writeln!(out, "  {step}: {}: {}", wrong.blame.words(), escaped(&wrong.words));
        let first = trouble.map_or_else(|| "nothing goes wrong".to_owned(), ToString::to_string);
        let _written = writeln!(
            out,
            "    in {runs} {}; first when {}",
            if *runs == 1 { "run" } else { "runs" },
            escaped(&first)
        );
    }
    more(all.len(), out);
}

fn more(count: usize, out: &mut String) {
    if count > LISTED {
        let _written = writeln!(out, "  and {} more; `--json` has all of them", count - LISTED);
    }
}

fn letter(end: &End) -> char {
    match end {
        End::Finished => 'd',
        End::Undone => 'u',
        End::Person(_) => 'p',
        End::Wrong => '!',
    }
}

fn count<'a>(cases: impl Iterator<Item = &'a Case>) -> [usize; 4] {
    let mut ends = [0; 4];
    for case in cases {
        ends[case.end.place()] += 1;
    }
    ends
}

fn total(ends: &[usize; 4]) -> usize {
    ends.iter().sum()
}

fn words([finished, undone, person, wrong]: &[usize; 4]) -> String {
    format!("{finished} finished, {undone} undone, {person} with a person, {wrong} wrong")
}

/// For programs: `{workflow, steps, singles: {runs, ends}, pairs: {…}, cases: [{step, fault, strikes, end, for?}], wrong: […]}`.
pub fn json(stage: &Stage, walked: &Walked, took: Duration) -> Value {
    let cases: Vec<Value> = walked.singles.iter().chain(&walked.back).map(case).collect();
    let wrong: Vec<Value> = walked
        .wrongs()
        .map(|(trouble, wrong)| {
            json!({ "step": wrong.step, "is": wrong.blame.words(), "words": wrong.words,
                "strikes": trouble.map(strikes) })
        })
        .collect();
    json!({
        "workflow": stage.shape.plan.name,
        "steps": stage.shape.plan.steps.len(),
        "turned-back-at": walked.turned_back_at,
        "singles": { "runs": cases.len(), "on-the-way-back": walked.back.len(),
            "ends": ends(&count(walked.singles.iter().chain(&walked.back))) },
        "pairs": { "runs": walked.pairs_tried, "possible": walked.pairs_possible,
            "ends": ends(&walked.pairs_ends) },
        "runs": walked.runs(),
        "ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "cases": cases,
        "wrong": wrong,
    })
}

fn ends([finished, undone, person, wrong]: &[usize; 4]) -> Value {
    json!({ "finished": finished, "undone": undone, "person": person, "wrong": wrong })
}

fn case(case: &Case) -> Value {
    let end = ["finished", "undone", "person", "wrong"][case.end.place()];
    let mut value = json!({
        "step": case.trouble.step,
        "fault": case.trouble.column.name(),
        "strikes": strikes(&case.trouble),
        "end": end,
    });
    if let End::Person(why) = &case.end {
        value["for"] = json!(why);
    }
    value
}

fn strikes(trouble: &Trouble) -> Vec<String> {
    trouble.faults.iter().map(ToString::to_string).collect()
}
