//! What is covered, with what can be given back, until when. Pure: the time is told, never asked for.

use super::words::Kept;
use std::collections::BTreeMap;

/// Everything under the guard's eyes; `T` is what gives a thing back.
#[derive(Debug)]
pub struct Covers<T> {
    covers: BTreeMap<String, Cover<T>>,
}

#[derive(Debug)]
struct Cover<T> {
    until: u64,
    kept: BTreeMap<Kept, T>,
}

impl<T> Default for Covers<T> {
    fn default() -> Self {
        Self { covers: BTreeMap::new() }
    }
}

impl<T> Covers<T> {
    /// Covers `step` until `until` (ms); what it keeps already stays.
    pub fn cover(&mut self, step: &str, until: u64) {
        let cover = self.covers.entry(step.to_owned()).or_insert(Cover { until, kept: BTreeMap::new() });
        cover.until = until;
    }

    /// Keeps something for a covered step. False: the step is not covered.
    pub fn keep(&mut self, step: &str, what: Kept, by: T) -> bool {
        match self.covers.get_mut(step) {
            Some(cover) => {
                cover.kept.insert(what, by);
                true
            }
            None => false,
        }
    }

    /// Drops something that is given back.
    pub fn give(&mut self, step: &str, what: &Kept) {
        if let Some(cover) = self.covers.get_mut(step) {
            cover.kept.remove(what);
        }
    }

    /// Drops a step with all it keeps.
    pub fn uncover(&mut self, step: &str) {
        self.covers.remove(step);
    }

    /// Whether nothing is covered.
    pub fn is_empty(&self) -> bool {
        self.covers.is_empty()
    }

    /// The earliest time at which the guard must act.
    pub fn earliest(&self) -> Option<u64> {
        self.covers.values().map(|cover| cover.until).min()
    }

    /// The covered steps whose time has passed at `now`.
    pub fn overdue(&self, now: u64) -> Vec<String> {
        self.covers.iter().filter(|(_, cover)| cover.until <= now).map(|(step, _)| step.clone()).collect()
    }

    /// The covered steps.
    pub fn steps(&self) -> Vec<String> {
        self.covers.keys().cloned().collect()
    }

    /// Everything kept, to be given back: file systems first, for a writer that waits holds the most.
    pub fn take_all(&mut self) -> Vec<(Kept, T)> {
        let mut all: Vec<_> = self.covers.values_mut().flat_map(|c| std::mem::take(&mut c.kept)).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_of_all_covers_counts_and_can_be_set_anew() {
        let mut covers = Covers::<()>::default();
        covers.cover("a", 100);
        covers.cover("b", 50);
        assert_eq!((covers.earliest(), covers.overdue(60)), (Some(50), vec!["b".into()]));
        covers.cover("b", 200);
        assert_eq!((covers.earliest(), covers.overdue(60)), (Some(100), vec![]));
        covers.uncover("a");
        assert_eq!(covers.earliest(), Some(200));
    }

    #[test]
    fn mounts_are_given_back_before_streams_and_only_what_is_still_kept() {
        let mut covers = Covers::default();
        covers.cover("a", 1);
        assert!(covers.keep("a", Kept::Stream(1), 'x'));
        assert!(covers.keep("a", Kept::Mount("/a".into()), 'y'));
        assert!(covers.keep("a", Kept::Mount("/b".into()), 'z'));
        assert!(!covers.keep("b", Kept::Stream(2), 'w'));
        covers.cover("a", 2);
        covers.give("a", &Kept::Mount("/b".into()));
        let all = covers.take_all();
        assert_eq!(all, [(Kept::Mount("/a".into()), 'y'), (Kept::Stream(1), 'x')]);
    }
}
