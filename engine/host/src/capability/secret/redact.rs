//! Keeps the secrets that a call has read out of everything it says. It must not know where secrets come from.

use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// Shorter secrets are not looked for: they would blank out half of every text.
const SHORTEST: usize = 4;

/// The secrets known to one call. Clones share them.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<Mutex<Vec<(String, String)>>>,
}

impl Redactor {
    /// From here on `value` is shown as `[secret NAME]`.
    pub fn learn(&self, name: &str, value: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for value in [value, value.trim()] {
            if value.len() >= SHORTEST && !known.iter().any(|(_, other)| other == value) {
                known.push((name.to_owned(), value.to_owned()));
            }
        }
        known.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    }

    /// The text without secrets.
    pub fn clean(&self, text: &str) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for (name, value) in known.iter() {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), &format!("[secret {name}]"));
            }
        }
        text
    }

    /// The value without secrets, keys included.
    pub fn clean_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.clean(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.clean_value(item)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(key, value)| (self.clean(&key), self.clean_value(value))).collect()
            }
            other => other,
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_known_secret_never_shows_in_text_keys_or_values() {
        let redactor = Redactor::default();
        redactor.learn("db", "hunter22");
        redactor.learn("long", "hunter22-and-more\n");
        assert_eq!(redactor.clean("x hunter22 y"), "x [secret db] y");
        assert_eq!(redactor.clean("hunter22-and-more"), "[secret long]");
        let shown = redactor.clean_value(json!({"hunter22": ["a", {"b": "hunter22!"}], "n": 1}));
        assert_eq!(shown, json!({"[secret db]": ["a", {"b": "[secret db]!"}], "n": 1}));
    }

    #[test]
    fn a_secret_too_short_to_hide_is_left_alone() {
        let redactor = Redactor::default();
        redactor.learn("pin", "1");
        assert_eq!(redactor.clean("11 rows"), "11 rows");
    }
}
