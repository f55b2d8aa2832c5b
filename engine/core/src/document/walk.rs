//! From tree to typed parts, strictly: every wrong kind, unknown key and missing key becomes a fault, and the walk goes
//! on. It must not know which keys there are.

use super::node::{Entry, Node, What};
use super::source::{Source, Span, Spanned};
use crate::fault::{Code, Fault, Faults, codes, nearest};

/// Gathers faults on the way through a document.
pub(super) struct Walk<'a> {
    pub source: &'a Source,
    pub faults: Faults,
}

/// The keys of one mapping, taken one by one; what is left at the end does not belong there.
pub(super) struct Fields<'n> {
    entries: Vec<Option<&'n Entry>>,
    /// The mapping, for what is missing in it.
    pub span: Span,
}

impl Walk<'_> {
    pub fn error(&self, code: Code, span: Span, message: impl Into<String>) -> Fault {
        Fault::error(code, &self.source.file, message).at(self.source.place(span))
    }

    pub fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub fn wrong_kind(&mut self, what: &str, expected: &str, node: &Node) {
        let fault =
            self.error(codes::WRONG_KIND, node.span, format!("{what} is {expected}, not {}", node.kind()));
        self.push(fault);
    }

    /// The keys of a mapping; a fault and none where it is something else.
    pub fn fields<'n>(&mut self, what: &str, node: &'n Node) -> Option<Fields<'n>> {
        match &node.what {
            What::Map(entries) => {
                // A mapping over many lines is shown by its first.
                Some(Fields { entries: entries.iter().map(Some).collect(), span: self.head(node.span) })
            }
            _ => {
                self.wrong_kind(what, "a mapping", node);
                None
            }
        }
    }

    /// The first line of a span.
    pub fn head(&self, span: Span) -> Span {
        match self.source.text.get(span.range()).and_then(|text| text.find('\n')) {
            Some(end) => Span::new(span.range().start..span.range().start + end),
            None => span,
        }
    }

    /// A text. A number or boolean that was not quoted is told how to become one.
    pub fn text(&mut self, what: &str, node: &Node) -> Option<Spanned<String>> {
        match &node.what {
            What::Text(text) => Some(Spanned::new(text.clone(), node.span)),
            What::Bool(_) | What::Number(_) => {
                let written = self.source.text.get(node.span.range()).unwrap_or_default();
                let fault = self.error(
                    codes::WRONG_KIND,
                    node.span,
                    format!("{what} is a text, not {}", node.kind()),
                );
                self.push(fault.help(format!("put it in quotes: \"{written}\"")));
                None
            }
            _ => {
                self.wrong_kind(what, "a text", node);
                None
            }
        }
    }

    /// A list of texts; those that are none are reported and left out.
    pub fn texts(&mut self, what: &str, node: &Node) -> Vec<Spanned<String>> {
        match &node.what {
            What::List(items) => {
                items.iter().filter_map(|item| self.text(&format!("an entry of {what}"), item)).collect()
            }
            What::Text(text) => {
                let fault = self.error(
                    codes::WRONG_KIND,
                    node.span,
                    format!("{what} is a list of texts, not a text"),
                );
                self.push(fault.help(format!("write [{text}]")));
                Vec::new()
            }
            _ => {
                self.wrong_kind(what, "a list of texts", node);
                Vec::new()
            }
        }
    }

    /// A whole number that is not negative.
    pub fn count(&mut self, what: &str, node: &Node) -> Option<u32> {
        if let What::Number(number) = &node.what
            && let Some(count) = number.as_u64().and_then(|count| u32::try_from(count).ok())
        {
            return Some(count);
        }
        let fault =
            self.error(codes::WRONG_KIND, node.span, format!("{what} is a whole number, and not negative"));
        self.push(fault);
        None
    }

    pub fn flag(&mut self, what: &str, node: &Node) -> Option<bool> {
        match &node.what {
            What::Bool(flag) => Some(*flag),
            _ => {
                self.wrong_kind(what, "true or false", node);
                None
            }
        }
    }

    /// Whether a name is `[a-z][a-z0-9-]*` with at most 64 characters; a fault where it is not.
    pub fn name(&mut self, what: &str, name: &Spanned<String>) {
        let text = name.value.as_str();
        let legal = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !legal {
            let short: String = text.chars().take(80).collect();
            let fault = self.error(codes::BAD_NAME, name.span, format!("`{short}` is no name for {what}"));
            self.push(
                fault.help(
                    "a name is lower-case letters, digits and `-`, a letter first, at most 64 characters",
                ),
            );
        }
    }

    /// Reports what is left of a mapping, with the nearest of `known`; `later` are keys that this version knows of but
    /// does not carry out.
    pub fn finish(&mut self, fields: Fields<'_>, what: &str, known: &[&str], later: &[&str]) {
        for entry in fields.entries.into_iter().flatten() {
            let key = entry.key.value.as_str();
            let fault = if later.contains(&key) {
                self.error(
                    codes::NOT_YET,
                    entry.key.span,
                    format!("`{key}` is not supported by this version"),
                )
                .help("leave it out, or use a newer Cutwater")
            } else {
                self.error(codes::UNKNOWN_KEY, entry.key.span, format!("{what} has no `{key}`"))
                    .help_names(key, known.iter().copied())
            };
            self.push(fault);
        }
    }
}

impl<'n> Fields<'n> {
    /// Takes a key, if it is there.
    pub fn take(&mut self, key: &str) -> Option<&'n Entry> {
        self.entries.iter_mut().find(|entry| entry.is_some_and(|entry| entry.key.value == key))?.take()
    }

    /// Takes a key that must be there; a fault where it is not.
    pub fn need(&mut self, walk: &mut Walk<'_>, what: &str, key: &str) -> Option<&'n Entry> {
        let found = self.take(key);
        if found.is_none() {
            let fault = walk.error(codes::MISSING_KEY, self.span, format!("{what} has no `{key}`"));
            walk.push(fault.help(format!("add `{key}:`")));
        }
        found
    }

    /// Whether a key is (still) there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().flatten().any(|entry| entry.key.value == key)
    }

    /// Whether a key is (still) there that is nearly this one.
    pub fn has_nearly(&self, key: &str) -> bool {
        self.entries.iter().flatten().any(|entry| nearest(&entry.key.value, [key]).is_some())
    }

    /// The first key.
    pub fn first(&self) -> Option<&'n Entry> {
        self.entries.first().copied().flatten()
    }
}
