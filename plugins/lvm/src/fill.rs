//! How full a snapshot's store is, how fast it fills, and when it would overflow. Pure arithmetic; it must not know LVM's
//! programs.

use cutwater_lvm2::sizing;
use std::collections::VecDeque;

/// Over how long a rate is taken, in milliseconds.
const SPAN_MS: u64 = 30_000;
/// Looks that are closer to one another than this tell no rate.
const APART_MS: u64 = 250;

/// One store, from look to look.
#[derive(Debug, Clone, Default)]
pub struct Fill {
    /// Bytes of the store.
    pub size: u64,
    /// Bytes of it that are in use.
    pub used: u64,
    /// Bytes beyond which it cannot grow.
    most: u64,
    /// Bytes that are of no use any more: the last chunk, and one that would list it.
    last: u64,
    /// When, and how much was in use; the oldest first.
    looks: VecDeque<(u64, u64)>,
}

impl Fill {
    /// Takes in a look, at `now` milliseconds, of a snapshot of an origin this large.
    pub fn look(&mut self, now: u64, (used, size): (u64, u64), chunk: u64, origin: u64) {
        (self.used, self.size, self.last) = (used, size, 2 * chunk);
        self.most = if chunk == 0 { 0 } else { sizing::most(chunk, origin) };
        while self.looks.front().is_some_and(|(at, had)| now - at > SPAN_MS || *had > used) {
            self.looks.pop_front();
        }
        self.looks.push_back((now, used));
    }

    /// Bytes a second: since the look before, or over the last half minute, whichever is more. None after one look.
    pub fn rate(&self) -> Option<f64> {
        let &(now, used) = self.looks.back()?;
        let before = || self.looks.iter().filter(|(at, _)| now - at >= APART_MS);
        let since = |&(at, had): &(u64, u64)| (used - had) as f64 * 1000.0 / (now - at) as f64;
        Some(f64::max(since(before().next()?), since(before().next_back()?)))
    }

    /// Milliseconds until it overflows, at that rate; none while that is not in sight.
    pub fn until_overflow(&self) -> Option<u64> {
        if self.size >= self.most {
            return None;
        }
        let left = self.size.saturating_sub(self.used).saturating_sub(self.last);
        match self.rate() {
            _ if left == 0 => Some(0),
            Some(rate) if rate > 0.0 => Some((left as f64 * 1000.0 / rate) as u64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn looked(looks: &[(u64, u64)], size: u64) -> Fill {
        let mut fill = Fill::default();
        for &(at, used) in looks {
            fill.look(at, (used * MIB, size * MIB), 16 << 10, 1 << 30);
        }
        fill
    }

    #[test]
    fn one_look_tells_no_rate_and_two_tell_when_it_overflows() {
        assert_eq!(looked(&[(0, 10)], 64).until_overflow(), None);
        let fill = looked(&[(0, 10), (1_000, 12)], 64);
        assert_eq!(fill.rate(), Some(2.0 * MIB as f64));
        // 52 MiB but for two chunks, at 2 MiB a second.
        assert_eq!(fill.until_overflow(), Some(25_984));
    }

    /// Sabotage: the mean alone, by which a burst after a quiet half minute is seen too late; the last look alone, by which a
    /// steady load with pauses is.
    #[test]
    fn the_faster_of_the_last_look_and_the_last_half_minute_counts() {
        let burst = looked(&[(0, 1), (10_000, 1), (20_000, 1), (21_000, 5)], 64);
        assert_eq!(burst.rate(), Some(4.0 * MIB as f64));
        let pause = looked(&[(0, 0), (10_000, 20), (11_000, 20)], 64);
        assert!(pause.rate().unwrap() > 1.8 * MIB as f64);
        let long_ago = looked(&[(0, 0), (1_000, 20), (40_000, 20), (41_000, 20)], 64);
        assert_eq!((long_ago.rate(), long_ago.until_overflow()), (Some(0.0), None));
    }

    #[test]
    fn a_full_store_overflows_now_and_one_as_large_as_can_be_used_never() {
        assert_eq!(looked(&[(0, 64)], 64).until_overflow(), Some(0));
        assert_eq!(looked(&[(0, 10), (1_000, 900)], 1026).until_overflow(), None);
    }

    #[test]
    fn what_a_merge_empties_is_no_rate_below_nothing() {
        assert_eq!(looked(&[(0, 60), (1_000, 20), (2_000, 20)], 64).rate(), Some(0.0));
    }
}
