//! What a view knows of a run: the folded state and what is no part of it (progress, last words). It must not draw.

use cutwater_core::event::{Event, Record};
use cutwater_core::names::StepName;
use cutwater_core::state::RunState;
use std::collections::{BTreeMap, HashMap};

/// How far a step is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Of `total`.
    pub done: u64,
    /// 0: not known.
    pub total: u64,
    /// bytes, rows, …
    pub unit: String,
    /// Amounts and when they were told, the oldest of the last [`SPAN_MS`] first.
    told: Vec<(i64, u64)>,
}

/// Over how long a rate is taken, in milliseconds.
const SPAN_MS: i64 = 5_000;

/// A run as its events so far tell it.
#[derive(Debug, Default)]
pub struct Model {
    /// None before the first event, and after one that cannot follow.
    pub state: Option<RunState>,
    /// Steps that told how far they are, in their present attempt.
    pub progress: HashMap<StepName, Progress>,
    /// Figures that go up and down, of steps in their present attempt; those that have a value.
    pub gauges: HashMap<StepName, BTreeMap<String, f64>>,
    /// The time of the last event.
    pub at: i64,
}

impl Model {
    /// Takes the next event. One that cannot follow is for the engine to refuse; a view keeps what it has.
    pub fn apply(&mut self, record: &Record) {
        self.at = record.at;
        match &record.event {
            Event::Progressed { step, done, total, unit } => {
                self.progressed(record.at, step, (*done, *total), unit)
            }
            Event::Gauged { step, name, value } => {
                let of_step = self.gauges.entry(step.clone()).or_default();
                match value {
                    Some(value) => of_step.insert(name.clone(), *value),
                    None => of_step.remove(name),
                };
            }
            Event::Intended { step, .. } | Event::Answered { step, .. } => {
                self.progress.remove(step);
                self.gauges.remove(step);
            }
            _ => {}
        }
        match &mut self.state {
            Some(state) => {
                let _ours_to_show_only = state.apply(record);
            }
            None => self.state = RunState::fold(std::slice::from_ref(record)).ok(),
        }
    }

    fn progressed(&mut self, at: i64, step: &StepName, (done, total): (u64, u64), unit: &str) {
        let progress = self.progress.entry(step.clone()).or_insert_with(|| Progress {
            done,
            total,
            unit: unit.to_owned(),
            told: Vec::new(),
        });
        progress.told.retain(|(told, amount)| at - told <= SPAN_MS && *amount <= done);
        progress.told.push((at, done));
        (progress.done, progress.total) = (done, total);
        if progress.unit != unit {
            progress.unit = unit.to_owned();
        }
    }
}

impl Progress {
    /// Units a second, once it is known.
    pub fn rate(&self) -> Option<f64> {
        let ((first, from), (last, to)) = (self.told.first()?, self.told.last()?);
        (last - first >= 500).then(|| (to - from) as f64 * 1000.0 / (last - first) as f64)
    }

    /// Milliseconds left, where total and rate are known.
    pub fn left_ms(&self) -> Option<i64> {
        let rate = self.rate().filter(|rate| *rate > 0.0)?;
        let left = self.total.checked_sub(self.done).filter(|_| self.total > 0)?;
        Some((left as f64 * 1000.0 / rate) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: a figure kept that has no value any more, or that is of an attempt before.
    #[test]
    fn a_gauge_shows_its_last_value_and_goes_with_its_attempt() {
        let mut model = Model::default();
        let step = StepName::new("watch");
        let mut shown = |event: Event| {
            model.apply(&Record { seq: cutwater_core::names::Seq(1), at: 0, event });
            model.gauges.get(&step).and_then(|of_step| of_step.get("minutes until overflow")).copied()
        };
        let gauged =
            |value| Event::Gauged { step: step.clone(), name: "minutes until overflow".into(), value };
        assert_eq!(shown(gauged(Some(6.4))), Some(6.4));
        assert_eq!(shown(gauged(Some(0.5))), Some(0.5));
        assert_eq!(shown(gauged(None)), None);
        assert_eq!(shown(gauged(Some(6.4))), Some(6.4));
        let answer = cutwater_core::answer::Answer::Changed { output: serde_json::Value::Null };
        let way = cutwater_core::event::Way::Apply;
        assert_eq!(shown(Event::Answered { step: step.clone(), way, attempt: 1, answer }), None);
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let mut model = Model::default();
        let step = StepName::new("copy");
        for (at, done) in [(0, 0), (1000, 900), (20_000, 1000), (21_000, 1010)] {
            model.progressed(at, &step, (done, 2000), "bytes");
        }
        let progress = &model.progress[&step];
        assert_eq!(progress.rate(), Some(10.0));
        assert_eq!(progress.left_ms(), Some(99_000));
    }
}
