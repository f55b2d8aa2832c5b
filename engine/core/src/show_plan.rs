//! The plan as text for people: every command, statement and write to come, step by step, and what would take it back.
//! Foreign texts cannot move a cursor. It must not know the terminal: no colour, no width.

mod effect;

pub use effect::{line, lines};

use crate::figures::{bytes, plain, span};
use crate::names::StepName;
use crate::plan::{Body, OnFailure, Plan, PlanStep};
use crate::planning::after_mark;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How long a value is shown.
const VALUE: usize = 160;

/// The whole plan, ending with its hash and a line break.
pub fn text(plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|step| (&step.name, step)).collect();
    let after_mark = after_mark(&plan.steps.iter().collect::<Vec<_>>());
    let mut page = Page { out: String::new(), plan, steps, after_mark };
    page.head();
    let mut number = 0;
    for step in &plan.steps {
        page.step(step, &mut number);
    }
    page.foot();
    page.out
}

struct Page<'a> {
    out: String,
    plan: &'a Plan,
    steps: BTreeMap<&'a StepName, &'a PlanStep>,
    after_mark: BTreeSet<StepName>,
}

impl Page<'_> {
    fn head(&mut self) {
        let plan = self.plan;
        self.put(0, &plain(&plan.name));
        if !plan.summary.is_empty() {
            self.put(1, &plain(&plan.summary));
        }
        if !plan.inputs.is_empty() {
            self.gap("inputs");
            let width = plan.inputs.keys().map(|name| name.chars().count()).max().unwrap_or(0);
            let mut names: Vec<&String> = plan.inputs.keys().collect();
            names.sort_unstable();
            for name in names {
                let value = plan.inputs.get(name).map(value).unwrap_or_default();
                self.put(1, &format!("{:width$}  {value}", plain(name)));
            }
        }
        if let Some(window) = &plan.window {
            self.gap("window");
            self.put(1, &plain(&format!("{} to {}, {}", window.opens, window.closes, window.timezone)));
        }
        self.gap("steps");
    }

    fn step(&mut self, step: &PlanStep, number: &mut usize) {
        let depth = self.depth(step);
        *number += 1;
        let mut head = format!("{:>3}  {}{}", number, "│ ".repeat(depth), plain(step.name.as_str()));
        let _ = write!(head, "  {}", what(&step.body));
        if step.mark {
            head.push_str("  ◆ POINT OF NO RETURN");
        }
        if step.finally {
            head.push_str("  at the end, whatever comes");
        }
        self.put(0, &head);
        let margin = format!("     {}  ", "│ ".repeat(depth));
        let before: Vec<&str> = self.shown_needs(step);
        if !before.is_empty() {
            self.line(&margin, "", &format!("after {}", plain(&before.join(", "))));
        }
        if let Some(condition) = &step.condition {
            self.line(&margin, "", &format!("if {}", plain(condition)));
        }
        if let (Body::Check { .. }, Value::Object(_)) = (&step.body, &step.shown.output.value) {
            self.line(&margin, "", &format!("found {}", value(&step.shown.output.value)));
        }
        for effect in &step.shown.effects {
            for text in lines(step, effect) {
                self.line(&margin, "", &text);
            }
        }
        let back = if matches!(step.body, Body::Hold { .. }) { "release" } else { "undo" };
        let back_shown = (!self.after_mark.contains(&step.name)).then_some(&step.undo_shown);
        for effect in back_shown.iter().flat_map(|shown| &shown.effects) {
            for (index, text) in lines(step, effect).iter().enumerate() {
                self.line(&margin, if index == 0 { back } else { "" }, text);
            }
        }
        for note in &step.shown.notes {
            self.line(&margin, "note", &plain(note));
        }
        for note in back_shown.iter().flat_map(|shown| &shown.notes) {
            self.line(&margin, &format!("{back} note"), &plain(note));
        }
        if let Some(words) = estimate(&step.shown.estimate) {
            self.line(&margin, "about", &words);
        }
    }

    /// What it waits for, without what its enclosing step, the steps beside it in the same group, or its other needs
    /// say already.
    fn shown_needs<'s>(&self, step: &'s PlanStep) -> Vec<&'s str> {
        let of = |name: &StepName| self.steps.get(name).copied();
        let own = |name: &StepName| {
            let outer = step.within.as_ref().and_then(&of);
            let said = outer.is_some_and(|outer| outer.needs.contains(name) || &outer.name == name);
            let sibling = step.within.is_some() && of(name).is_some_and(|other| other.within == step.within);
            !said && !sibling
        };
        let implied = |name: &StepName| {
            let inside = of(name).and_then(|step| step.within.as_ref());
            let mut others = step.needs.iter().filter(|other| *other != name);
            others.any(|other| {
                inside == Some(other) || of(other).is_some_and(|other| other.needs.contains(name))
            })
        };
        step.needs.iter().filter(|name| own(name) && !implied(name)).map(StepName::as_str).collect()
    }

    fn foot(&mut self) {
        let plan = self.plan;
        let failure = match plan.on_failure {
            OnFailure::Undo => "everything is undone, in reverse order",
            OnFailure::Pause => "the run waits for a person; holds and outages are given back",
            OnFailure::Keep => "what was done stays; holds and outages are given back",
        };
        self.gap("if a step fails");
        let mark = plan.steps.iter().find(|step| step.mark);
        match mark {
            Some(mark) => {
                self.put(1, &format!("before `{}`: {failure}", plain(mark.name.as_str())));
                self.put(
                    1,
                    &format!(
                        "from `{}` on: nothing is undone, the run goes forward",
                        plain(mark.name.as_str())
                    ),
                );
            }
            None => self.put(1, failure),
        }
        if !plan.locks.is_empty() {
            self.gap("no other run may touch");
            for lock in &plan.locks {
                self.put(1, &plain(lock));
            }
        }
        self.gap(&format!("hash {}", plan.hash));
    }

    fn depth(&self, step: &PlanStep) -> usize {
        let mut depth = 0;
        let mut around = step.within.as_ref();
        while let Some(outer) = around.and_then(|name| self.steps.get(name)) {
            depth += 1;
            around = outer.within.as_ref();
        }
        depth
    }

    fn line(&mut self, margin: &str, label: &str, text: &str) {
        let label = if label.is_empty() { String::new() } else { format!("{label}: ") };
        self.put(0, &format!("{margin}{label}{text}"));
    }

    fn gap(&mut self, title: &str) {
        self.out.push('\n');
        self.put(0, title);
    }

    fn put(&mut self, depth: usize, text: &str) {
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }
}

/// What a step is, in a few words.
fn what(body: &Body) -> String {
    match body {
        Body::Check { plugin, action } => plain(&format!("{plugin}.{action} (reads only)")),
        Body::Action { plugin, action, .. } => plain(&format!("{plugin}.{action}")),
        Body::Hold { plugin, action, limit_ms, carries } => {
            let back = if *carries { ", behind what its inner steps made" } else { "" };
            format!(
                "{} (hold, given back after {} at most{back})",
                plain(&format!("{plugin}.{action}")),
                span(*limit_ms)
            )
        }
        Body::Outage { limit_ms } => format!("outage of {} at most", span(*limit_ms)),
        Body::Approve { message, by, expires_ms } => {
            let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(" or ")) };
            let expires = expires_ms.map(|ms| format!(" within {}", span(ms))).unwrap_or_default();
            format!("approval{}{expires}: {}", plain(&by), plain(message))
        }
        Body::Gather { of, at_most } => {
            let at_once = at_most.map(|count| format!(", {count} at once")).unwrap_or_default();
            format!("all of the {} above{at_once}", of.len())
        }
    }
}

/// A value on one line, cut where it is long.
fn value(value: &Value) -> String {
    let text = match value {
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    };
    if text.chars().count() > VALUE {
        format!("{}…", text.chars().take(VALUE).collect::<String>())
    } else {
        text
    }
}

fn estimate(estimate: &Value) -> Option<String> {
    let seconds = estimate.get("seconds").and_then(Value::as_f64).filter(|s| s.is_finite() && *s >= 0.0);
    let parts = [
        seconds.map(|seconds| crate::figures::time((seconds * 1_000.0) as u64)),
        estimate.get("bytes").and_then(Value::as_u64).map(bytes),
        estimate.get("text").and_then(Value::as_str).map(plain),
    ];
    let words: Vec<String> = parts.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests;
