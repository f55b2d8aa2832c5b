//! A YAML document as a tree in which everything knows its place. It must not know what a workflow is.

use super::source::{Span, Spanned};
use serde_json::{Map, Number, Value};

/// One value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub what: What,
    /// Where it stands; where an alias stands, the alias.
    pub span: Span,
}

/// The kinds of value, by YAML 1.2's core schema.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text; keys are unique.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match &self.what {
            What::Null => "nothing",
            What::Bool(_) => "a boolean",
            What::Number(number) if number.is_f64() => "a number",
            What::Number(_) => "an integer",
            What::Text(_) => "a text",
            What::List(_) => "a list",
            What::Map(_) => "a mapping",
        }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.what {
            What::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value under a key, where it is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.what {
            What::Map(entries) => {
                entries.iter().find(|entry| entry.key.value == key).map(|entry| &entry.value)
            }
            _ => None,
        }
    }

    /// The same without places.
    pub fn to_json(&self) -> Value {
        match &self.what {
            What::Null => Value::Null,
            What::Bool(flag) => Value::Bool(*flag),
            What::Number(number) => Value::Number(number.clone()),
            What::Text(text) => Value::String(text.clone()),
            What::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            What::Map(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.value.clone(), entry.value.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// The node at a JSON pointer (RFC 6901).
    pub fn at(&self, pointer: &str) -> Option<&Node> {
        pointer.split('/').skip(1).try_fold(self, |at, part| {
            let part = part.replace("~1", "/").replace("~0", "~");
            match &at.what {
                What::Map(_) => at.get(&part),
                What::List(items) => items.get(part.parse::<usize>().ok()?),
                _ => None,
            }
        })
    }

    /// The node at a JSON pointer (RFC 6901) as far as it leads: an absent last part gives what should hold it.
    pub fn nearest(&self, pointer: &str) -> &Node {
        let mut at = self;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let below = match &at.what {
                What::Map(_) => at.get(&part),
                What::List(items) => part.parse().ok().and_then(|index: usize| items.get(index)),
                _ => None,
            };
            match below {
                Some(node) => at = node,
                None => break,
            }
        }
        at
    }

    /// How many lists and mappings stand in one another; what is read is bounded to [`super::DEEPEST`].
    pub fn depth(&self) -> usize {
        match &self.what {
            What::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            What::Map(entries) => 1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Calls `each` with every text below, itself included.
    pub fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a str, Span)) {
        match &self.what {
            What::Text(text) => each(text, self.span),
            What::List(items) => items.iter().for_each(|item| item.texts(each)),
            What::Map(entries) => entries.iter().for_each(|entry| entry.value.texts(each)),
            What::Null | What::Bool(_) | What::Number(_) => {}
        }
    }
}
