//! A small world that a scripted runner changes: what is applied, what is held; and the faults that strike it.

use std::collections::{BTreeMap, BTreeSet};

/// A repeatable source of chance (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What is really so, whatever the engine believes.
#[derive(Debug, Default)]
pub struct World {
    /// Changing steps that are in effect, in part or whole.
    pub applied: BTreeSet<String>,
    /// Of those, the ones that are in part.
    pub part_way: BTreeSet<String>,
    /// Holds that are held.
    pub held: BTreeSet<String>,
    /// Steps whose last call ended in a way that demands a probe before the next.
    pub in_doubt: BTreeSet<String>,
    /// Steps that ended well, ever (checks, too).
    pub done: BTreeSet<String>,
    /// Calls of undo, with whether the mark step was in effect then.
    pub undone_behind_the_mark: Vec<String>,
    /// Promises found broken while it happened.
    pub broken: Vec<String>,
    /// How often each step was applied.
    pub applies: BTreeMap<String, u32>,
}
