//! One effect in lines for people: a command as it would be typed, a statement, a write with its content. It must not
//! know the order of steps.

use crate::effect::{Effect, HOLE_CLOSES, HOLE_OPENS};
use crate::expr::Template;
use crate::figures::plain;
use crate::plan::PlanStep;
use crate::planning::place;
use serde_json::Value;

/// How many lines of a file's or statement's text are shown.
const LINES: usize = 60;

/// The effect in one line; holes are shown by their pointer.
pub fn line(effect: &Effect) -> String {
    one(effect, &|pointer| format!("‹{}›", pointer.trim_start_matches('/')))
}

/// The effect in lines, the first one as [`line`], with what a write contains below it. Holes are shown by what they
/// wait for: `‹snap.device›`, `‹known after copy›`.
pub fn lines(step: &PlanStep, effect: &Effect) -> Vec<String> {
    let named = |pointer: &str| hole(step, pointer);
    let mut all = vec![one(effect, &named)];
    let body = match effect.kind.as_str() {
        "write" => effect.detail.get("content").and_then(Value::as_str),
        "run" => effect.detail.get("stdin").and_then(Value::as_str),
        _ => None,
    };
    let content: Vec<&str> = body.map(|text| text.lines().collect()).unwrap_or_default();
    all.extend(content.iter().take(LINES).map(|text| format!("  | {}", filled(text, &named))));
    if content.len() > LINES {
        all.push(format!("  | … {} more lines", content.len() - LINES));
    }
    all
}

fn one(effect: &Effect, named: &dyn Fn(&str) -> String) -> String {
    let detail = &effect.detail;
    let text = |name: &str| detail.get(name).map(|value| filled(&as_text(value), named));
    let or = |name: &str| text(name).unwrap_or_else(|| "?".to_owned());
    match effect.kind.as_str() {
        "run" => {
            let user = text("as").map(|user| format!("(as {user}) ")).unwrap_or_default();
            let mut words = vec![quoted(&or("program"))];
            if let Some(Value::Array(args)) = detail.get("args") {
                words.extend(args.iter().map(|arg| quoted(&filled_raw(&as_text(arg), named))));
            }
            let input = if detail.get("stdin").is_some() { " <<" } else { "" };
            format!("{user}$ {}{input}", words.join(" "))
        }
        "sql" => {
            let at = detail.get("address").map(|address| filled(&place(address), named)).unwrap_or_default();
            format!("sql> {}  -- at {at}", or("text"))
        }
        "write" if detail.get("folder") == Some(&Value::Bool(true)) => {
            format!("make the folder {}", or("path"))
        }
        "write" => {
            let count =
                detail.get("content").and_then(Value::as_str).map_or(0, |content| content.lines().count());
            format!("write {} ({count} {})", or("path"), if count == 1 { "line" } else { "lines" })
        }
        "remove" => format!("remove {}", or("path")),
        "freeze" => format!("freeze {}", or("at")),
        "opaque" => {
            let at = detail.get("address").map(|address| filled(&place(address), named)).unwrap_or_default();
            format!("open a stream to {at} whose content cannot be shown")
        }
        "block" => block(&or("verb"), detail, named),
        kind => format!("{} {}", plain(kind), filled(&detail.to_string(), named)),
    }
}

fn block(verb: &str, detail: &Value, named: &dyn Fn(&str) -> String) -> String {
    let text = |name: &str| {
        detail.get(name).map(|value| filled(&as_text(value), named)).unwrap_or_else(|| "?".to_owned())
    };
    let known = match verb {
        "erase" => format!("erase the first and last MiB of {}", text("to")),
        "resync" => {
            format!("copy {} → {}, only the chunks that {} lists", text("from"), text("to"), text("store"))
        }
        verb => format!("{verb} {} → {}", text("from"), text("to")),
    };
    let others = detail.as_object().into_iter().flatten();
    let others = others.filter(|(name, value)| {
        !["verb", "from", "to", "store"].contains(&name.as_str())
            && !value.is_null()
            && **value != Value::Bool(false)
    });
    let mut more: Vec<String> = others
        .map(|(name, value)| match value {
            Value::Bool(true) => plain(name),
            value if name == "at-most" && value.is_u64() => {
                format!("at most {}/s", crate::figures::bytes(value.as_u64().unwrap_or(0)))
            }
            value => format!("{} {}", plain(name), filled(&as_text(value), named)),
        })
        .collect();
    more.sort_unstable();
    if more.is_empty() { known } else { format!("{known} ({})", more.join(", ")) }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A word as a shell would read it back.
fn quoted(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,‹›~".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        return word.to_owned();
    }
    let spelled = plain(word);
    if spelled == word {
        format!("'{}'", word.replace('\'', "'\\''"))
    } else {
        let twice = word.replace('\\', "\\\\").replace('\'', "\\'");
        format!("$'{}'", plain(&twice))
    }
}

fn filled(text: &str, named: &dyn Fn(&str) -> String) -> String {
    plain(&filled_raw(text, named))
}

fn filled_raw(text: &str, named: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(HOLE_OPENS) {
        out.push_str(before);
        let Some((pointer, behind)) = after.split_once(HOLE_CLOSES) else {
            out.push('‹');
            rest = after;
            continue;
        };
        out.push_str(&named(pointer));
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// What a hole waits for: the place that the input reads there, else the step after which it is known.
fn hole(step: &PlanStep, pointer: &str) -> String {
    let at = pointer.trim_start_matches('~');
    if at == "run" {
        return "‹run›".to_owned();
    }
    // A hole may lie below the text that reads it: the nearest place above it that holds a text is the one.
    let mut above = at;
    let source = loop {
        match step.with.pointer(above) {
            Some(Value::String(text)) => break Some(text),
            _ => match above.rsplit_once('/') {
                Some((shorter, _)) => above = shorter,
                None => break None,
            },
        }
    };
    let Some(template) = source.and_then(|text| Template::parse(text).ok()) else {
        return format!("‹{}›", at.trim_start_matches('/'));
    };
    let references = template.references();
    let steps: Vec<&str> = references
        .iter()
        .filter(|reference| reference.root == "steps")
        .filter_map(|reference| reference.path.first().map(String::as_str))
        .collect();
    match (references.as_slice(), steps.as_slice()) {
        ([only], [_]) if !pointer.starts_with('~') => {
            format!("‹{}{}›", only.path.join("."), at[above.len()..].replace('/', "."))
        }
        (_, [.., last]) => format!("‹known after {last}›"),
        _ => format!("‹{}›", at.trim_start_matches('/')),
    }
}
