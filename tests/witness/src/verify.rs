//! Asks the database for every row that was acknowledged.
//!
//! Must not know: how the rows were written.

use std::collections::{BTreeSet, HashSet};

use anyhow::{Context, Result};
use postgres::{Config, NoTls};

use crate::{Records, Report};

/// Compares the database with the records. `instant` (nanoseconds since 1970) splits the count of
/// acknowledged transactions, at a cutover for example.
pub fn verify(records: &Records, config: &Config, instant: Option<i64>) -> Result<Report> {
    let clients: BTreeSet<i32> =
        records.acked().map(|ack| ack.client).chain(records.unknown().map(|(client, _)| client)).collect();
    let mut database = config.connect(NoTls).context("connect to the database")?;
    let mut rows: HashSet<(i32, i64)> = HashSet::new();
    for client in clients {
        let answer = database
            .query("select n from ledger where client = $1", &[&client])
            .with_context(|| format!("ask for the rows of client {client}"))?;
        rows.extend(answer.iter().map(|row| (client, row.get::<_, i64>(0))));
    }
    let mut lost: Vec<_> =
        records.acked().map(|ack| (ack.client, ack.n)).filter(|key| !rows.contains(key)).collect();
    lost.sort_unstable();
    let acked = records.acked().count();
    let acked_before =
        records.acked().filter(|ack| instant.is_none_or(|instant| ack.unix_ns < instant)).count();
    let unknown_present = records.unknown().filter(|key| rows.contains(key)).count();
    let gaps = records.gaps();
    let gap = gaps.first();
    Ok(Report {
        acked,
        found: acked - lost.len(),
        lost,
        acked_before,
        acked_after: acked - acked_before,
        unknown_present,
        unknown_absent: records.unknown().count() - unknown_present,
        longest_gap_ms: gap.map(|gap| gap.ms),
        next_gap_ms: gaps.get(1).map(|gap| gap.ms),
        gap_started_unix_ns: gap.map(|gap| gap.started_unix_ns),
        gap_ended_unix_ns: gap.map(|gap| gap.ended_unix_ns),
        first_ack_unix_ns: records.acked().map(|ack| ack.unix_ns).min(),
        last_ack_unix_ns: records.acked().map(|ack| ack.unix_ns).max(),
    })
}
