//! A script that is a list: each fault at its point, and a note of every point that the engine came by. It must not
//! know ports.

use super::{Point, Script, Strike, What, held};
use cutwater_core::names::StepName;
use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

/// Something that strikes at a point, and at as many of the ones after it as it is said to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it strikes first.
    pub at: Point,
    /// What strikes.
    pub strike: Strike,
    /// How often in a row; 1 for once.
    pub times: u32,
}

impl Fault {
    /// Strikes once.
    pub const fn once(at: Point, strike: Strike) -> Self {
        Self { at, strike, times: 1 }
    }

    fn strikes(&self, what: What, step: Option<&StepName>, nth: u32) -> bool {
        self.at.what == what
            && self.at.step.as_ref() == step
            && (self.at.nth..self.at.nth.saturating_add(self.times)).contains(&nth)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.strike)?;
        if self.times > 1 { write!(f, ", {} times", self.times) } else { Ok(()) }
    }
}

/// The faults of one run, counted over all of its engines' lives.
#[derive(Debug, Default)]
pub struct Planned {
    faults: Vec<Fault>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    counts: HashMap<(What, Option<StepName>), u32>,
    points: Vec<Point>,
    struck: Option<usize>,
}

impl Planned {
    /// Strikes at these points.
    pub fn new(faults: Vec<Fault>) -> Self {
        Self { faults, seen: Mutex::default() }
    }

    /// The points that the engine came by after all of the faults had struck; none where one of them never did.
    pub fn points_after(&self) -> Option<Vec<Point>> {
        let seen = held(&self.seen);
        if self.faults.is_empty() {
            return Some(seen.points.clone());
        }
        seen.struck.map(|at| seen.points[at + 1..].to_vec())
    }
}

impl Script for Planned {
    fn strikes(&self, what: What, step: Option<&StepName>) -> Option<Strike> {
        let mut seen = held(&self.seen);
        let count = seen.counts.entry((what, step.cloned())).or_default();
        *count += 1;
        let nth = *count;
        seen.points.push(Point { what, step: step.cloned(), nth });
        let at = self.faults.iter().position(|fault| fault.strikes(what, step, nth))?;
        if at + 1 == self.faults.len() {
            let here = seen.points.len() - 1;
            seen.struck.get_or_insert(here);
        }
        Some(self.faults[at].strike)
    }
}
