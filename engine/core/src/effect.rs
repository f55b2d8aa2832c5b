//! The things to come that a preview shows, and the comparison of what was shown with what is asked for at run time.
//! It must not know how an effect is carried out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Opens the name of an input place inside a text: the value there stands in for U+E000 POINTER U+E001 once known.
pub const HOLE_OPENS: char = '\u{e000}';
/// Closes it.
pub const HOLE_CLOSES: char = '\u{e001}';

/// One thing to come: kind `run`, `sql`, `write`, `remove`, `block`, `freeze`, `opaque`, and its detail (see sdk/wit).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What kind of thing.
    pub kind: String,
    /// Its particulars, by kind.
    pub detail: Value,
}

/// What a step would do, and what it would give.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// What would be done, in order.
    pub effects: Vec<Effect>,
    /// The output as far as it is known beforehand.
    pub output: crate::partial::Partial,
    /// {seconds?, bytes?, text?}; never part of the hash.
    #[serde(default)]
    pub estimate: Value,
    /// Words for the reader of the plan.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Effect {
    /// Whether `actual`, shown again with all inputs known, is this effect outside its holes: each hole that names a
    /// place of `input` with a text or number there must hold just that; any other hole admits any text without a line break.
    pub fn admits(&self, actual: &Effect, input: &Value) -> bool {
        self.kind == actual.kind && value_admits(&self.detail, &actual.detail, input)
    }
}

fn value_admits(shown: &Value, actual: &Value, input: &Value) -> bool {
    match (shown, actual) {
        (Value::String(s), actual) if s.contains(HOLE_OPENS) => text_admits(s, &as_text(actual), input),
        (Value::Array(s), Value::Array(a)) => {
            s.len() == a.len() && s.iter().zip(a).all(|(s, a)| value_admits(s, a, input))
        }
        (Value::Object(s), Value::Object(a)) => object_admits(s, a, input),
        (s, a) => s == a,
    }
}

fn object_admits(shown: &Map<String, Value>, actual: &Map<String, Value>, input: &Value) -> bool {
    shown.len() == actual.len()
        && shown.iter().all(|(key, s)| actual.get(key).is_some_and(|a| value_admits(s, a, input)))
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A shown text with more pieces than this, or an actual one longer than this many bytes where a hole is open, admits
/// nothing: both come from plugins, and comparing must neither recurse nor take for ever.
const MOST_PIECES: usize = 256;
const LONGEST_OPEN: usize = 64 << 10;

/// Cuts the shown text into fixed pieces and holes; a hole whose value is known must match it, another takes any text
/// without control characters.
fn text_admits(shown: &str, actual: &str, input: &Value) -> bool {
    let mut pieces: Vec<Option<String>> = Vec::new();
    let mut rest = shown;
    while let Some(start) = rest.find(HOLE_OPENS) {
        if start > 0 {
            pieces.push(Some(rest[..start].to_owned()));
        }
        let after = &rest[start + HOLE_OPENS.len_utf8()..];
        let Some(end) = after.find(HOLE_CLOSES) else { return false };
        pieces.push(match input.pointer(&after[..end]) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(number @ Value::Number(_)) => Some(number.to_string()),
            _ => None,
        });
        rest = &after[end + HOLE_CLOSES.len_utf8()..];
    }
    if !rest.is_empty() {
        pieces.push(Some(rest.to_owned()));
    }
    matches_pieces(&pieces, actual)
}

/// Follows all ways at once: after each piece, the places in the text where that piece can have ended.
fn matches_pieces(pieces: &[Option<String>], text: &str) -> bool {
    let open = pieces.iter().any(Option::is_none);
    if pieces.len() > MOST_PIECES || (open && text.len() > LONGEST_OPEN) {
        return false;
    }
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for piece in pieces {
        let mut next = vec![false; text.len() + 1];
        match piece {
            Some(fixed) => {
                let starts = (0..=text.len()).filter(|&at| ends[at]);
                for at in starts.filter(|&at| text[at..].starts_with(fixed.as_str())) {
                    next[at + fixed.len()] = true;
                }
            }
            None => {
                let mut inside = false;
                for (at, c) in text.char_indices() {
                    inside = (inside || ends[at]) && !c.is_control();
                    next[at + c.len_utf8()] = inside;
                }
            }
        }
        ends = next;
    }
    ends[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(args: Value) -> Effect {
        Effect { kind: "run".into(), detail: json!({ "program": "lvremove", "args": args }) }
    }

    #[test]
    fn a_hole_with_a_known_value_admits_just_that_value() {
        let shown = run(json!(["-y", "\u{e000}/volume\u{e001}"]));
        let input = json!({ "volume": "vg00/snap" });
        assert!(shown.admits(&run(json!(["-y", "vg00/snap"])), &input));
        assert!(!shown.admits(&run(json!(["-y", "vg00/dat"])), &input));
        assert!(!shown.admits(&run(json!(["-y", "vg00/snap", "vg00/dat"])), &input));
    }

    #[test]
    fn a_hole_of_derived_value_keeps_the_fixed_text_around_it() {
        let shown = run(json!(["size=\u{e000}~\u{e001}b"]));
        assert!(shown.admits(&run(json!(["size=4096b"])), &json!({})));
        assert!(!shown.admits(&run(json!(["size=4096"])), &json!({})));
        assert!(!shown.admits(&run(json!(["size=1\n2b"])), &json!({})));
    }

    #[test]
    fn hostile_texts_are_compared_quickly_or_not_at_all() {
        let holes = |count: usize| run(json!(["\u{e000}~\u{e001}a".repeat(count)]));
        let long = "a".repeat(60_000);
        assert!(holes(100).admits(&run(json!([long])), &json!({})));
        assert!(!holes(100).admits(&run(json!([format!("{long}b")])), &json!({})));
        assert!(!holes(100_000).admits(&run(json!(["a".repeat(1 << 20)])), &json!({})));
        let shown = run(json!(["ä\u{e000}~\u{e001}ö\u{e000}~\u{e001}"]));
        assert!(shown.admits(&run(json!(["äüöü"])), &json!({})));
        assert!(!shown.admits(&run(json!(["äüö"])), &json!({})), "a hole holds at least one character");
    }
}
