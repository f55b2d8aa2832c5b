//! Plain scalars by YAML 1.2.2's core schema (10.3.2). It must not know where they stand.

use super::node::What;
use serde_json::Number;

/// What an unquoted scalar stands for. `yes`, `on` and `012` are what they look like in YAML 1.2: texts and twelve.
/// Infinities and not-a-number have no place in JSON and stay texts.
pub fn plain(text: &str) -> What {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return What::Null,
        "true" | "True" | "TRUE" => return What::Bool(true),
        "false" | "False" | "FALSE" => return What::Bool(false),
        _ => {}
    }
    match number(text) {
        Some(number) => What::Number(number),
        None => What::Text(text.to_owned()),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+')).map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with('+')).map(Number::from);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let integer =
            text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
        if let Ok(number) = integer {
            return Some(number);
        }
    }
    let only = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !unsigned.chars().all(only) || !unsigned.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_are_read_as_yaml_1_2_reads_them() {
        let cases = [
            ("12", json!(12)),
            ("-7", json!(-7)),
            ("012", json!(12)),
            ("0x1f", json!(31)),
            ("0o17", json!(15)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("18446744073709551615", json!(u64::MAX)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            (".inf", json!(".inf")),
            ("02:00", json!("02:00")),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            ("~", json!(null)),
            ("True", json!(true)),
        ];
        for (text, expected) in cases {
            let node = super::super::node::Node { what: plain(text), span: Default::default() };
            assert_eq!(node.to_json(), expected, "{text}");
        }
    }
}
