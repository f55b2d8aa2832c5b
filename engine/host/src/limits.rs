//! What one call may take of the machine: memory, tables, words. It must not know time; deadlines stand in `instance`.

use wasmtime::{StoreLimits, StoreLimitsBuilder};

/// Memory of one instance.
pub const MEMORY: usize = 64 << 20;
/// Bytes of words (log) and of output (answer) of one call.
pub const OUTPUT: usize = 1 << 20;
/// One line of log.
pub const LINE: usize = 8 << 10;
/// One checkpoint.
pub const CHECKPOINT: usize = 64 << 10;
/// Milliseconds from one report of progress, or of a gauge, to the next.
const PROGRESS_EVERY: u64 = 100;
/// How deep JSON may nest.
pub const DEPTH: usize = 64;

/// The limits of one call's store, and what is left of its words.
pub struct Limits {
    /// What wasmtime asks.
    pub store: StoreLimits,
    words: usize,
    silenced: bool,
    next_progress: u64,
    next_gauge: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let store = StoreLimitsBuilder::new()
            .memory_size(MEMORY)
            .table_elements(20_000)
            .instances(20)
            .tables(20)
            .memories(4)
            .trap_on_grow_failure(true)
            .build();
        Self { store, words: OUTPUT, silenced: false, next_progress: 0, next_gauge: 0 }
    }
}

impl Limits {
    /// As much of `text` as may still be said; none once nothing is left.
    pub fn words<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let most = text.len().min(LINE).min(self.words);
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        self.words -= end;
        (end > 0 || (text.is_empty() && self.words > 0)).then(|| &text[..end])
    }

    /// True the first time it is asked.
    pub fn silenced(&mut self) -> bool {
        !std::mem::replace(&mut self.silenced, true)
    }

    /// Whether progress may be told again at `now`, in milliseconds.
    pub fn progress(&mut self, now: u64) -> bool {
        due(now, &mut self.next_progress)
    }

    /// The same of a gauge.
    pub fn gauge(&mut self, now: u64) -> bool {
        due(now, &mut self.next_gauge)
    }
}

fn due(now: u64, next: &mut u64) -> bool {
    let due = now >= *next;
    if due {
        *next = now + PROGRESS_EVERY;
    }
    due
}

/// Reads JSON that a guest gives. Bounded before any recursive code sees it.
///
/// # Errors
/// Why it is not taken, in words.
pub fn json(what: &str, text: &str, most: usize) -> Result<serde_json::Value, String> {
    if text.len() > most {
        return Err(format!("{what} has {} bytes; at most {most} are taken", text.len()));
    }
    if depth(text) > DEPTH {
        return Err(format!("{what} nests deeper than {DEPTH}"));
    }
    serde_json::from_str(text).map_err(|error| format!("{what} is no JSON: {error}"))
}

/// How deep brackets open, outside of texts.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_when_they_are_used_up() {
        let mut limits = Limits { words: 10, ..Limits::default() };
        assert_eq!(limits.words("äöü"), Some("äöü"));
        assert_eq!(limits.words("ääää"), Some("ää"));
        assert_eq!(limits.words("x"), None);
    }

    /// Sabotage: a gauge that takes the place of progress, or none of the two bounded.
    #[test]
    fn progress_and_a_gauge_are_told_ten_times_a_second_each() {
        let mut limits = Limits::default();
        assert_eq!(
            [0, 50, 100].map(|now| (limits.progress(now), limits.gauge(now))),
            [(true, true), (false, false), (true, true)]
        );
    }

    #[test]
    fn deep_json_is_refused_before_it_is_read() {
        let deep = "[".repeat(100_000);
        assert!(json("the answer", &deep, OUTPUT).unwrap_err().contains("nests deeper"));
        assert!(json("the answer", r#"{"a":"[[[["}"#, OUTPUT).is_ok());
        assert!(json("the answer", "\"xx\"", 3).unwrap_err().contains("at most 3"));
    }
}
