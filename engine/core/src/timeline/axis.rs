//! The stretched axis: from a time to a place. It must not know what is drawn.

/// How much a piece's width grows with its length; 1 would be a plain axis.
const POWER: f64 = 0.4;
/// How far apart labels stand at least.
const LABEL: f64 = 68.0;

/// The axis.
#[derive(Debug)]
pub(super) struct Axis {
    /// Times at which something begins or ends, in order, each with its place.
    stops: Vec<(i64, f64)>,
    left: f64,
    right: f64,
}

impl Axis {
    /// Through all these times, from `left` to `right`.
    pub(super) fn new(times: impl IntoIterator<Item = i64>, left: f64, right: f64) -> Self {
        let mut times: Vec<i64> = times.into_iter().collect();
        times.sort_unstable();
        times.dedup();
        let width = |pair: &[i64]| ((pair[1] - pair[0]) as f64).powf(POWER);
        let total: f64 = times.windows(2).map(width).sum();
        let mut x = left;
        let mut stops = Vec::with_capacity(times.len());
        stops.extend(times.first().map(|first| (*first, left)));
        for pair in times.windows(2) {
            x += width(pair) / total * (right - left);
            stops.push((pair[1], x));
        }
        Self { stops, left, right }
    }

    /// The place of a time.
    pub(super) fn at(&self, time: i64) -> f64 {
        let after = self.stops.partition_point(|(stop, _)| *stop <= time);
        match (after.checked_sub(1).and_then(|before| self.stops.get(before)), self.stops.get(after)) {
            (Some((_, x)), None) => *x,
            (None, _) => self.left,
            (Some((from, a)), Some((to, b))) => a + (b - a) * ((time - from) as f64 / (to - from) as f64),
        }
    }

    /// Stops that are far enough apart to be labelled; the first and the last always.
    pub(super) fn labels(&self) -> Vec<(i64, f64)> {
        let mut found: Vec<(i64, f64)> = Vec::new();
        for (time, x) in &self.stops {
            if found.last().is_none_or(|(_, last)| x - last >= LABEL)
                && (self.right - x >= LABEL || found.is_empty())
            {
                found.push((*time, *x));
            }
        }
        found.extend(self.stops.last().filter(|_| self.stops.len() > 1));
        found
    }
}
