//! A run as plain lines, one for each event that is worth telling: what reaches a log file. It must not draw.

use super::figures::{amount, date_time, duration, gauge, short, time};
use super::model::Model;
use cutwater_core::answer::{Answer, Probed};
use cutwater_core::event::{Event, Outcome, Record, Way};
use cutwater_core::fault::escaped;
use cutwater_core::figures::span;
use cutwater_core::names::StepName;
use cutwater_core::plan::Body;
use std::collections::HashMap;

/// Progress of one step is told at most this often, in milliseconds.
const PROGRESS_EVERY_MS: i64 = 10_000;

/// Tells one event after the other.
#[derive(Debug, Default)]
pub struct Plain {
    model: Model,
    told: HashMap<StepName, i64>,
    gauged: HashMap<StepName, i64>,
}

impl Plain {
    /// The line for an event, if it is worth one; without a line break.
    pub fn line(&mut self, record: &Record) -> Option<String> {
        self.model.apply(record);
        let words = self.words(record)?;
        Some(format!("{}  {}", time(record.at), words.lines().map(escaped).collect::<Vec<_>>().join(" ")))
    }

    fn words(&mut self, record: &Record) -> Option<String> {
        Some(match &record.event {
            Event::Created { run, plan, by, faults, .. } => {
                let faults = if *faults { "; fault hooks are allowed on this machine" } else { "" };
                format!("run {run}: plan {} of {}, by {by}{faults}", short(&plan.hash), plan.name)
            }
            Event::Owned { epoch, pid, by, .. } if epoch.0 > 1 => format!("taken up by {by} (process {pid})"),
            Event::Scheduled { opens, closes, .. } => {
                let schedule = self.model.state.as_ref().and_then(|state| state.schedule.as_ref())?;
                let latest = |step| format!("`{step}` by {}", date_time(schedule.latest(step)));
                let starts: Vec<String> = schedule.needs.keys().map(latest).collect();
                format!(
                    "the window opens {} and closes {}; latest safe start: {}",
                    date_time(*opens),
                    date_time(*closes),
                    starts.join(", ")
                )
            }
            Event::Intended { step, way: Way::Apply, attempt: 1, .. } => format!("{step}: begins"),
            Event::Intended { step, way: Way::Apply, attempt, .. } => {
                format!("{step}: begins attempt {attempt}")
            }
            Event::Intended { step, way: Way::Undo, .. } => format!("{step}: is undone"),
            Event::Progressed { step, done, total, unit } => {
                return self.progress(record.at, step, *done, *total, unit);
            }
            Event::Gauged { step, name, value } => return self.gauge(record.at, step, name, *value),
            Event::Used { step, what } => return denied(step, what),
            Event::Said { level, .. } if level == "debug" => return None,
            Event::Said { step, level, text } if level == "info" => format!("{step}: {text}"),
            Event::Said { step, level, text } => format!("{step}: {level}: {text}"),
            Event::Answered { step, way, answer, .. } => self.answered(step, *way, answer),
            Event::Probed { step, found, .. } => format!("{step}: {}", probed(found)),
            Event::Settled { step, applied, by, because } => {
                let what = if *applied { "it happened" } else { "it did not happen" };
                format!("{step}: {by} decided that {what}{}", after(because))
            }
            Event::Skipped { step, because } => format!("{step}: skipped{}", after(because)),
            Event::Armed { pid } => format!("the guard stands (process {pid})"),
            Event::GuardActed { what } => format!("the guard acted: {what}"),
            Event::OutageBegan { step } => format!("{step}: outage begins, at most {}", self.limit(step)),
            Event::OutageEnded { step, downtime_ms } => {
                format!(
                    "{step}: outage over after {}",
                    duration(i64::try_from(*downtime_ms).unwrap_or(i64::MAX))
                )
            }
            Event::HoldConfirmed { step } => format!("{step}: unbroken after the last inner step"),
            Event::HoldBroken { step, why } => format!("{step}: hold broken{}", after(why)),
            Event::Releasing { step, .. } => format!("{step}: is given back"),
            Event::LimitPassed { step } => format!("{step}: the limit of {} has passed", self.limit(step)),
            Event::Crossed { step } => {
                format!("{step}: point of no return; from here the run only goes forward")
            }
            Event::Asked { step, message, .. } => return Some(self.asked(step, message)),
            Event::Approved { step, by, .. } => format!("{step}: approved by {by}"),
            Event::Declined { step, by } => format!("{step}: not approved: {by}"),
            Event::Commanded { what, by } => format!("{what}, says {by}"),
            Event::Rehearsal { with_outage: false } => {
                "a rehearsal: outages are left out, and all else is undone at the end".to_owned()
            }
            Event::Rehearsal { with_outage: true } => {
                "a rehearsal: it stops before the point of no return, and all is undone".to_owned()
            }
            Event::Rehearsed { because } => format!("rehearsed; now it is undone{}", after(because)),
            Event::TurnedBack { because, .. } => format!("turning back{}", after(because)),
            Event::Stuck { step, why } => format!("{step}: needs a person{}", after(why)),
            Event::Ended { outcome, because } => format!("{}{}", outcome_words(*outcome), after(because)),
            Event::Owned { .. } | Event::Intended { .. } | Event::Checkpointed { .. } => return None,
        })
    }

    fn progress(&mut self, at: i64, step: &StepName, done: u64, total: u64, unit: &str) -> Option<String> {
        let last = self.told.get(step).copied().unwrap_or(i64::MIN);
        if done < total.max(1) && at.saturating_sub(last) < PROGRESS_EVERY_MS {
            return None;
        }
        self.told.insert(step.clone(), at);
        let of = if total > 0 { format!(" of {}", amount(total, unit)) } else { String::new() };
        let progress = self.model.progress.get(step);
        let rate = progress.and_then(|p| p.rate()).map(|r| format!(", {}/s", amount(r as u64, unit)));
        let left = progress.and_then(|p| p.left_ms()).map(|ms| format!(", {} left", duration(ms)));
        Some(format!(
            "{step}: {}{of}{}{}",
            amount(done, unit),
            rate.unwrap_or_default(),
            left.unwrap_or_default()
        ))
    }

    fn gauge(&mut self, at: i64, step: &StepName, name: &str, value: Option<f64>) -> Option<String> {
        let last = self.gauged.get(step).copied().unwrap_or(i64::MIN);
        let value = value.filter(|_| at.saturating_sub(last) >= PROGRESS_EVERY_MS)?;
        self.gauged.insert(step.clone(), at);
        Some(format!("{step}: {}", gauge(name, value)))
    }

    fn answered(&self, step: &StepName, way: Way, answer: &Answer) -> String {
        let took = self
            .model
            .state
            .as_ref()
            .and_then(|state| state.step(step))
            .and_then(|step| step.began.map(|began| duration(step.since - began)))
            .unwrap_or_default();
        let (done, verb) = match way {
            Way::Apply => ("done", "doing it"),
            Way::Undo => ("undone", "undoing it"),
            Way::Release => ("given back", "giving it back"),
        };
        match answer {
            Answer::Changed { .. } | Answer::Unchanged { .. } if self.is_check(step) => {
                format!("{step}: {done} in {took}")
            }
            Answer::Changed { .. } if way == Way::Apply => format!("{step}: {done} in {took}"),
            Answer::Changed { .. } => format!("{step}: {done}"),
            Answer::Unchanged { .. } if way == Way::Apply => format!("{step}: was so already"),
            Answer::Unchanged { .. } => format!("{step}: {done}; nothing of it was left"),
            Answer::Refused(refusal) => {
                format!("{step}: refused ({}){}", refusal.code, after(&refusal.message))
            }
            Answer::Failed(failure) => {
                let left = if failure.left.is_empty() {
                    String::new()
                } else {
                    format!("; left behind: {}", failure.left)
                };
                format!("{step}: {verb} failed ({}){}{left}", failure.code, after(&failure.message))
            }
            Answer::Unknown { why } => format!("{step}: what became of {verb} is not known{}", after(why)),
        }
    }

    fn is_check(&self, step: &StepName) -> bool {
        let planned = self.model.state.as_ref().and_then(|state| state.plan.step(step));
        planned.is_some_and(|planned| matches!(planned.body, Body::Check { .. }))
    }

    fn asked(&self, step: &StepName, message: &str) -> String {
        let Some(state) = &self.model.state else { return format!("{step}: {message}") };
        format!(
            "{step}: {message}  To say yes: cutwater approve {} {step} --plan {}",
            state.run,
            short(&state.plan.hash)
        )
    }

    fn limit(&self, step: &StepName) -> String {
        let planned = self.model.state.as_ref().and_then(|state| state.plan.step(step));
        let limit_ms = planned.and_then(|planned| match planned.body {
            Body::Hold { limit_ms, .. } | Body::Outage { limit_ms } => Some(limit_ms),
            _ => planned.timeout_ms,
        });
        limit_ms.map_or_else(|| "its limit".to_owned(), span)
    }
}

fn after(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn probed(found: &Probed) -> String {
    match found {
        Probed::Applied { .. } => "found that it happened".to_owned(),
        Probed::NotApplied => "found that it did not happen".to_owned(),
        Probed::PartWay { .. } => "found that some of it happened".to_owned(),
        Probed::StillRunning => "it is still happening".to_owned(),
        Probed::CannotTell { why } => format!("cannot tell whether it happened{}", after(why)),
    }
}

/// Only what was denied is worth a line; the rest is in the journal.
fn denied(step: &StepName, what: &serde_json::Value) -> Option<String> {
    what.get("denied").filter(|denied| !denied.is_null() && **denied != serde_json::Value::Bool(false))?;
    Some(format!("{step}: denied: {what}"))
}

/// The end of a run in words.
pub fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Rehearsed => "rehearsed, and everything is undone",
        Outcome::Undone => "everything is undone",
        Outcome::Stopped => "stopped part-way; needs a person",
        Outcome::CutOver => "cut over, clean-up incomplete",
    }
}
