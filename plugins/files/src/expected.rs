//! How many passes a copy of what is in use will take, and how long. It must not know rsync.
//!
//! What is copied in a pass is verified one pass later: it agrees unless the source was changed in between. With changes that
//! come at random, every `e` on the average, and a pass of `t`, a pass succeeds with p = e^(-t/e), and 1/p passes are expected.
//! Each reads the source twice: to copy it and to verify it.

use cutwater_sdk::{Duration, Rate};

/// What is known of source and time.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How much there is.
    pub bytes: u64,
    /// How fast it is read and written.
    pub rate: Rate,
    /// The mean time from one change to the next; none where nothing changes.
    pub changes_every: Option<Duration>,
    /// Whether the copy is there but for what has changed since.
    pub goes_on: bool,
}

/// What is to be expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// How many passes.
    pub passes: f64,
    /// How long all of them take.
    pub seconds: f64,
}

/// What is to be expected of a load.
pub fn of(load: Load) -> Expected {
    let once = load.bytes as f64 / load.rate.0.max(1) as f64;
    let passes = load.changes_every.map_or(1.0, |every| (once * 1000.0 / every.0.max(1) as f64).exp());
    let reads = if load.goes_on { 2.0 * passes - 1.0 } else { 2.0 * passes };
    Expected { passes, seconds: once * reads }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(bytes: u64, every: Option<u64>) -> Load {
        Load { bytes, rate: Rate(100 << 20), changes_every: every.map(Duration), goes_on: false }
    }

    /// Sabotage: p for 1/p; a rate that is counted in bits; the verification left out of the time.
    #[test]
    fn a_large_tree_that_often_changes_never_comes_to_an_end() {
        let quiet = of(load(100 << 20, None));
        assert_eq!((quiet.passes, quiet.seconds), (1.0, 2.0));
        let some = of(load(100 << 20, Some(1000)));
        assert!((some.passes - 1f64.exp()).abs() < 1e-9 && (some.seconds - 2.0 * 1f64.exp()).abs() < 1e-9);
        let never = of(load(1 << 40, Some(60_000)));
        assert!(never.passes > 1e70 && never.seconds > 1e70);
        let on = of(Load { goes_on: true, ..load(100 << 20, None) });
        assert_eq!(on.seconds, 1.0);
    }
}
