//! The functions that expressions may call: names, arities, and what they do with values. Types are in `check`.

use super::value::kind;
use crate::schema::{bytes_of, milliseconds_of};
use serde_json::Value;

/// How long a pattern of `matches` may be, in bytes.
const PATTERN: usize = 256;
/// How much memory a compiled pattern may take, in bytes.
const COMPILED: usize = 1 << 18;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Text,
    Int,
    Double,
    Bytes,
    Milliseconds,
    StartsWith,
    EndsWith,
    Contains,
    Matches,
}

impl Function {
    const ALL: [Self; 10] = [
        Self::Size,
        Self::Text,
        Self::Int,
        Self::Double,
        Self::Bytes,
        Self::Milliseconds,
        Self::StartsWith,
        Self::EndsWith,
        Self::Contains,
        Self::Matches,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Text => "string",
            Self::Int => "int",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::Milliseconds => "milliseconds",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Contains => "contains",
            Self::Matches => "matches",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    /// All names, comprehensions too.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::name).chain(["has", "map", "filter", "exists", "all"])
    }

    /// How many arguments it takes, the one before the dot counted.
    pub(super) const fn arity(self) -> usize {
        match self {
            Self::StartsWith | Self::EndsWith | Self::Contains | Self::Matches => 2,
            _ => 1,
        }
    }

    /// Whether it may be written `x.f()`.
    pub(super) const fn is_method(self) -> bool {
        matches!(self, Self::Size | Self::StartsWith | Self::EndsWith | Self::Contains | Self::Matches)
    }

    /// Applies it to known values; the error is one lower-case fragment.
    pub(super) fn apply(self, arguments: &[Value]) -> Result<Value, String> {
        match (self, arguments) {
            (Self::Size, [Value::String(text)]) => Ok(text.chars().count().into()),
            (Self::Size, [Value::Array(items)]) => Ok(items.len().into()),
            (Self::Size, [Value::Object(map)]) => Ok(map.len().into()),
            (Self::Text, [value]) => as_text(value).map(Value::String),
            (Self::Int, [value]) => int(value).map(Value::from),
            (Self::Double, [value]) => double(value).map(Value::from),
            (Self::Bytes, [Value::Number(number)]) if number.is_u64() => Ok(Value::Number(number.clone())),
            (Self::Bytes, [Value::String(text)]) => bytes_of(text.strip_suffix("/s").unwrap_or(text))
                .and_then(|bytes| i64::try_from(bytes).ok())
                .map(Value::from)
                .ok_or_else(|| format!("`{text}` is no amount of bytes such as `512MiB`")),
            (Self::Milliseconds, [Value::String(text)]) => milliseconds_of(text)
                .and_then(|time| i64::try_from(time).ok())
                .map(Value::from)
                .ok_or_else(|| format!("`{text}` is no duration such as `1h30m`")),
            (Self::StartsWith, [Value::String(a), Value::String(b)]) => Ok(a.starts_with(b.as_str()).into()),
            (Self::EndsWith, [Value::String(a), Value::String(b)]) => Ok(a.ends_with(b.as_str()).into()),
            (Self::Contains, [Value::String(a), Value::String(b)]) => Ok(a.contains(b.as_str()).into()),
            (Self::Matches, [Value::String(a), Value::String(b)]) => Ok(pattern(b)?.is_match(a).into()),
            (function, arguments) => {
                let kinds: Vec<&str> = arguments.iter().map(kind).collect();
                Err(format!("`{}` does not take {}", function.name(), kinds.join(" and ")))
            }
        }
    }
}

/// Compiles a pattern of `matches` (RE2's grammar: no look-around, no back-reference, linear time).
pub(super) fn pattern(text: &str) -> Result<regex::Regex, String> {
    if text.len() > PATTERN {
        return Err(format!("the pattern is longer than {PATTERN} bytes"));
    }
    regex::RegexBuilder::new(text)
        .size_limit(COMPILED)
        .dfa_size_limit(COMPILED)
        .nest_limit(32)
        .build()
        .map_err(|_| format!("`{text}` is no regular expression, or too large a one"))
}

/// A value inside a text.
pub(super) fn as_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        other => Err(format!("{} cannot be written as a string", kind(other))),
    }
}

fn int(value: &Value) -> Result<i64, String> {
    let found = match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            number.as_f64().filter(|f| f.is_finite() && f.abs() < 9.2e18).map(|f| f.trunc() as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    found.ok_or_else(|| match value {
        Value::String(text) => format!("`{text}` is no whole number"),
        other => format!("`int` does not take {}", kind(other)),
    })
}

fn double(value: &Value) -> Result<f64, String> {
    let found = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|f: &f64| f.is_finite()),
        _ => None,
    };
    found.ok_or_else(|| format!("`double` does not take {}", kind(value)))
}
