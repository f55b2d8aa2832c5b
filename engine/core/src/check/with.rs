//! What a step is given, against the plugin's own schema: missing, unknown, wrong type, each at its place. It must not
//! know plugins.

use super::checker::Checker;
use crate::document::Span;
use crate::document::node::{Entry, Node, What};
use crate::expr::Env;
use crate::fault::codes;
use crate::schema::{Fields, Type};

/// One value that a step is given.
pub(super) struct With<'c, 'a, 'e> {
    pub check: &'c mut Checker<'a>,
    pub env: &'e Env,
    /// Where the step is named, for what is missing.
    pub at: Span,
}

impl With<'_, '_, '_> {
    /// Checks the whole of `with`.
    pub fn whole(&mut self, of: &Type, with: Option<&Node>) {
        match with {
            Some(node) if node.what != What::Null => self.place(of, node, &mut "with".to_owned()),
            _ => {
                if let Type::Object(fields) = of {
                    self.missing(fields, &[], self.at, "with");
                }
            }
        }
    }

    /// Checks one place; `path` names it in messages. Nesting is bounded by the reader of the text.
    pub fn place(&mut self, of: &Type, node: &Node, path: &mut String) {
        match (of, &node.what) {
            (of, What::Text(text)) if text.contains("${{") => self.expression(of, text, node.span, path),
            (Type::Nullable(_) | Type::Any, What::Null) => {}
            (Type::Nullable(of), _) => self.place(of, node, path),
            (Type::Any, What::List(items)) => self.items(&Type::Any, items, path),
            (Type::Array(of), What::List(items)) => self.items(of, items, path),
            (Type::Any, What::Map(entries)) => {
                for entry in entries {
                    self.below(&Type::Any, entry, path);
                }
            }
            (Type::Object(fields), What::Map(entries)) => self.object(fields, entries, node.span, path),
            (of, _) => {
                for (_, words) in of.accepts(&node.to_json()).err().unwrap_or_default() {
                    let fault = self.check.error(codes::WRONG_TYPE, node.span, format!("`{path}`: {words}"));
                    self.check.push(fault);
                }
            }
        }
    }

    fn items(&mut self, of: &Type, items: &[Node], path: &mut String) {
        let length = path.len();
        for (index, item) in items.iter().enumerate() {
            path.push_str(&format!("[{index}]"));
            self.place(of, item, path);
            path.truncate(length);
        }
    }

    fn below(&mut self, of: &Type, entry: &Entry, path: &mut String) {
        let length = path.len();
        path.push('.');
        path.push_str(&entry.key.value);
        self.place(of, &entry.value, path);
        path.truncate(length);
    }

    fn object(&mut self, fields: &Fields, entries: &[Entry], span: Span, path: &mut String) {
        for entry in entries {
            match (fields.named.get(&entry.key.value), &fields.rest) {
                (Some(field), _) if !field.required && entry.value.what == What::Null => {}
                (Some(field), _) => self.below(&field.of, entry, path),
                (None, Some(rest)) => self.below(rest, entry, path),
                (None, None) => {
                    let key = &entry.key;
                    let message = format!("`{path}` has no `{}` here", key.value);
                    let fault = self.check.error(codes::UNKNOWN_FIELD, key.span, message);
                    let known = fields.named.keys().map(String::as_str);
                    let fault = fault.help_names(&key.value, known);
                    self.check.push(fault);
                    self.below(&Type::Any, entry, path);
                }
            }
        }
        let at = if path.len() > "with".len() { first_line(self.check, span) } else { self.at };
        self.missing(fields, entries, at, path);
    }

    fn missing(&mut self, fields: &Fields, entries: &[Entry], at: Span, path: &str) {
        for (name, field) in &fields.named {
            let there = entries.iter().any(|entry| &entry.key.value == name);
            if field.required && field.default.is_none() && !there {
                let message = format!("`{path}` lacks `{name}`");
                let fault = self.check.error(codes::MISSING_FIELD, at, message);
                self.check.push(fault.help(format!("add `{name}:`, {}", article(&field.of))));
            }
        }
    }

    fn expression(&mut self, of: &Type, text: &str, span: Span, path: &str) {
        let Some(found) = self.check.type_of(text, span, self.env, false) else { return };
        if found.fits(of) {
            return;
        }
        let fault =
            self.check.error(codes::WRONG_TYPE, span, format!("`{path}` is {of}, and this gives {found}"));
        let absent = matches!(&found, Type::Nullable(inner) if inner.fits(of));
        self.check.push(if absent {
            fault.help("it may be absent: say what stands for it then, as in `has(x) ? x : y`")
        } else {
            fault
        });
    }
}

fn first_line(check: &Checker<'_>, span: Span) -> Span {
    match check.source().text.get(span.range()).and_then(|text| text.find('\n')) {
        Some(end) => Span::new(span.range().start..span.range().start + end),
        None => span,
    }
}

fn article(of: &Type) -> String {
    let name = of.to_string();
    let an = name.starts_with(['a', 'e', 'i', 'o', 'u']);
    match of {
        Type::Enum(_) => format!("one of {name}"),
        Type::Any => name,
        _ => format!("{} {name}", if an { "an" } else { "a" }),
    }
}
