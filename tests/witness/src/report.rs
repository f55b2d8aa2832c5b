//! What the witness says in the end, and the longest time for which no write was acknowledged.
//!
//! Must not know: where rows and records came from.

use serde::Serialize;

use crate::{Record, Records};

/// A time without an acknowledged write, over all clients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gap {
    /// How long it was.
    pub ms: f64,
    /// The last acknowledged write before it, in nanoseconds since 1970.
    pub started_unix_ns: i64,
    /// The first one after it, or the moment at which the witness was stopped.
    pub ended_unix_ns: i64,
}

/// The answer of `witness verify`, printed as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Transactions that were acknowledged.
    pub acked: usize,
    /// Those of them that the database has.
    pub found: usize,
    /// Client and number of those that it has not.
    pub lost: Vec<(i32, i64)>,
    /// How many were acknowledged before the given instant; all if none was given.
    pub acked_before: usize,
    /// How many after it.
    pub acked_after: usize,
    /// Of those with a lost answer, how many are there.
    pub unknown_present: usize,
    /// Of those with a lost answer, how many are not.
    pub unknown_absent: usize,
    /// The longest gap, in milliseconds; null with fewer than two acknowledged writes.
    pub longest_gap_ms: Option<f64>,
    /// The longest gap beside that one, in milliseconds.
    pub next_gap_ms: Option<f64>,
    /// The last acknowledged write before the longest gap, in nanoseconds since 1970.
    pub gap_started_unix_ns: Option<i64>,
    /// The end of the longest gap.
    pub gap_ended_unix_ns: Option<i64>,
    /// The first acknowledged write.
    pub first_ack_unix_ns: Option<i64>,
    /// The last acknowledged write.
    pub last_ack_unix_ns: Option<i64>,
}

impl Records {
    /// The longest time without an acknowledged write within one run of the witness, up to its
    /// orderly stop. Time between two runs does not count: nobody asked then.
    pub fn longest_gap(&self) -> Option<Gap> {
        self.gaps().into_iter().next()
    }

    /// All such times, longest first.
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = self.0.iter().flat_map(|run| gaps(run)).collect();
        gaps.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        gaps
    }
}

fn gaps(run: &[Record]) -> Vec<Gap> {
    let mut acked: Vec<(i64, i64)> = Vec::new();
    let mut stopped: Option<(i64, i64)> = None;
    for record in run {
        match record {
            Record::Acked(ack) => acked.push((ack.monotonic_ns, ack.unix_ns)),
            Record::Stopped { monotonic_ns, unix_ns } => {
                stopped = stopped.max(Some((*monotonic_ns, *unix_ns)));
            }
            Record::Unknown { .. } => {}
        }
    }
    acked.sort_unstable();
    acked.extend(stopped);
    acked
        .windows(2)
        .map(|pair| Gap {
            #[expect(clippy::cast_precision_loss, reason = "a gap is far below 2^53 ns")]
            ms: (pair[1].0 - pair[0].0) as f64 / 1e6,
            started_unix_ns: pair[0].1,
            ended_unix_ns: pair[1].1,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ack;

    fn acked(monotonic_ms: i64) -> Record {
        let monotonic_ns = monotonic_ms * 1_000_000;
        Record::Acked(Ack { client: 1, n: monotonic_ms, monotonic_ns, unix_ns: 5_000_000_000 + monotonic_ns })
    }

    #[test]
    fn the_gap_is_between_acks_of_any_client_in_the_order_of_time() {
        let records = Records(vec![vec![acked(300), acked(40), acked(10), acked(100)]]);
        let gap = records.longest_gap().unwrap();
        assert_eq!(gap.ms, 200.0);
        assert_eq!(gap.started_unix_ns, 5_100_000_000);
    }

    #[test]
    fn a_service_that_never_came_back_is_down_until_the_witness_stops() {
        let stop = Record::Stopped { monotonic_ns: 9_000_000_000, unix_ns: 14_000_000_000 };
        let gap = Records(vec![vec![acked(10), acked(20), stop]]).longest_gap().unwrap();
        assert_eq!(gap.ms, 8980.0);
        assert_eq!(gap.ended_unix_ns, 14_000_000_000);
    }

    #[test]
    fn the_time_between_two_runs_is_no_gap() {
        let gap = Records(vec![vec![acked(1), acked(2)], vec![acked(9000), acked(9003)]]).longest_gap();
        assert_eq!(gap.unwrap().ms, 3.0);
    }
}
