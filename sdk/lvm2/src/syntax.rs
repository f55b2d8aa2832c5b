//! The syntax of LVM's metadata: sections in braces, `key = value`, lists, comments. It must not know what keys mean.

use crate::{Damage, senseless};
use std::collections::BTreeMap;

/// How deep sections may nest; LVM's own need four.
const DEEPEST: usize = 16;

/// What stands behind a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(i64),
    Text(String),
    List(Vec<Value>),
    Section(Section),
}

/// What stands between braces.
pub type Section = BTreeMap<String, Value>;

/// Reads a whole text.
pub fn parse(text: &str) -> Result<Section, Damage> {
    let mut reader = Reader { rest: text };
    let section = reader.section(0)?;
    match reader.peek() {
        None => Ok(section),
        Some(_) => Err(reader.wrong("a brace too many")),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn wrong(&self, why: &str) -> Damage {
        let near: String = self.rest.chars().take(20).collect();
        senseless("the metadata's text", format!("{why} before `{}`", near.escape_debug()))
    }

    /// The next sign, past blanks and comments.
    fn peek(&mut self) -> Option<char> {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix('#') {
                Some(comment) => self.rest = comment.find('\n').map_or("", |end| &comment[end..]),
                None => return self.rest.chars().next(),
            }
        }
    }

    fn takes(&mut self, sign: char) -> bool {
        if self.peek() == Some(sign) {
            self.rest = &self.rest[sign.len_utf8()..];
            return true;
        }
        false
    }

    fn word(&mut self) -> Result<&'a str, Damage> {
        self.peek();
        let legal = |c: char| c.is_ascii_alphanumeric() || "_-+.".contains(c);
        let end = self.rest.find(|c| !legal(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.wrong("a word is missing"));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    fn section(&mut self, depth: usize) -> Result<Section, Damage> {
        if depth > DEEPEST {
            return Err(self.wrong("sections nest too deep"));
        }
        let mut section = Section::new();
        while let Some(sign) = self.peek() {
            if sign == '}' {
                break;
            }
            let key = self.word()?.to_owned();
            let value = if self.takes('{') {
                let inner = self.section(depth + 1)?;
                if !self.takes('}') {
                    return Err(self.wrong("a closing brace is missing"));
                }
                Value::Section(inner)
            } else if self.takes('=') {
                self.value()?
            } else {
                return Err(self.wrong("neither a value nor a section"));
            };
            section.insert(key, value);
        }
        Ok(section)
    }

    fn value(&mut self) -> Result<Value, Damage> {
        if self.takes('[') {
            let mut list = Vec::new();
            while !self.takes(']') {
                list.push(self.single()?);
                if !self.takes(',') && self.peek() != Some(']') {
                    return Err(self.wrong("a list does not end"));
                }
            }
            return Ok(Value::List(list));
        }
        self.single()
    }

    fn single(&mut self) -> Result<Value, Damage> {
        if self.takes('"') {
            return self.text().map(Value::Text);
        }
        let word = self.word()?;
        word.parse().map(Value::Number).map_err(|_| self.wrong("a number is missing"))
    }

    fn text(&mut self) -> Result<String, Damage> {
        let mut text = String::new();
        let mut signs = self.rest.char_indices();
        while let Some((at, sign)) = signs.next() {
            match sign {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => text.extend(signs.next().map(|(_, escaped)| escaped)),
                sign => text.push(sign),
            }
        }
        Err(self.wrong("a text does not end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_lists_texts_and_comments_are_read() {
        let section = parse("# head\nvg { # c\n id = \"a\\\"b\"\n seqno = 7\n tags = [\"x\", \"y\"]\n none = []\n pv0 { dev-1 = 3 } }\n").unwrap();
        let Some(Value::Section(vg)) = section.get("vg") else { panic!("{section:?}") };
        assert_eq!(vg["id"], Value::Text("a\"b".into()));
        assert_eq!(vg["seqno"], Value::Number(7));
        assert_eq!(vg["tags"], Value::List(vec![Value::Text("x".into()), Value::Text("y".into())]));
        assert_eq!(vg["none"], Value::List(vec![]));
    }

    #[test]
    fn what_is_cut_off_or_nests_without_end_is_refused() {
        for text in
            ["vg {", "vg { id = \"a", "vg { a = [1, 2", "vg }", "vg = ", "= 3", &"a {".repeat(100_000)]
        {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(20)]);
        }
    }
}
