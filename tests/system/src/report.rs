//! The report of a move: what the engine measured, what the client saw, and what the database still knows.

use crate::Moved;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// `outcome`, `exit`, `freeze_ms` and `downtime_ms` (as the engine and as the client saw them), `bytes_copied` (first
/// and final pass), `acked_before`, `acked_after`, `lost_transactions`, and `changed`: what the exception store listed.
pub fn report(moved: &Moved) -> Result<Value> {
    let parse = |name: &str| -> Result<Value> {
        serde_json::from_str(&moved.read(name)?).with_context(|| format!("read {name}"))
    };
    let (summary, witness) = (parse("show.json")?, parse("witness.json")?);
    let output = |step: &str| -> Result<Value> {
        let events = moved.read("events.jsonl")?;
        let events = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut answers =
            events.filter(|e| e["event"] == "answered" && e["step"] == step && e["way"] == "apply");
        Ok(answers.next_back().map(|e| e["answer"]["output"].clone()).unwrap_or_default())
    };
    let last = output("last")?;
    let bytes_of = |step: &str| {
        let passes = summary["bytes"].as_array().into_iter().flatten();
        passes.filter(|pass| pass["step"] == step).find_map(|pass| pass["bytes"].as_u64())
    };
    Ok(json!({
        "outcome": summary["outcome"],
        "exit": moved.exit,
        "freeze_ms": { "engine": summary["freeze_ms"], "client": witness["next_gap_ms"] },
        "downtime_ms": { "engine": summary["downtime_ms"], "client": witness["longest_gap_ms"] },
        "bytes_copied": { "first_pass": bytes_of("copy"), "final_pass": bytes_of("last") },
        "changed": { "chunk": last["chunk"], "chunks": last["chunks"] },
        "acked_before": witness["acked_before"],
        "acked_after": witness["acked_after"],
        "lost_transactions": witness["lost"].as_array().map(Vec::len),
    }))
}
