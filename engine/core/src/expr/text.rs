//! Texts that hold `${{ … }}`: where each expression begins and ends, and what the whole is. It must not know CEL.

use super::ast::{Kind, Node};
use super::{Env, ExprFault, ROOTS, Reference, Scope, check, eval, lower};
use crate::partial::Partial;
use crate::schema::Type;
use serde_json::Value;
use std::ops::Range;

/// How many expressions one text may hold.
const EXPRESSIONS: usize = 64;

/// A parsed text: parse it once, then ask what it reads, what type it has, what it gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
    /// Whether the value is the only expression's own, not a text made of the parts.
    bare: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    /// The tree, and where its source begins in the text.
    Expression(Node, usize),
}

impl Template {
    /// Parses a text. One without `${{` stands for itself.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<ExprFault>> {
        let mut parts = Vec::new();
        let mut faults = Vec::new();
        let mut from = 0;
        while let Some(found) = text[from..].find("${{") {
            let opens = from + found;
            if parts.len() > 2 * EXPRESSIONS {
                let message = format!("a text holds at most {EXPRESSIONS} expressions");
                return Err(vec![ExprFault {
                    pointer: String::new(),
                    at: opens..opens + 3,
                    message,
                    help: None,
                }]);
            }
            if opens > from {
                parts.push(Part::Text(text[from..opens].to_owned()));
            }
            let source = opens + 3..closing(text, opens)?;
            match lower::parse(&text[source.clone()]) {
                Ok(node) => parts.push(Part::Expression(node, source.start)),
                Err(found) => faults.extend(found.into_iter().map(|fault| moved(fault, source.start))),
            }
            from = source.end + 2;
        }
        if from < text.len() {
            parts.push(Part::Text(text[from..].to_owned()));
        }
        let bare = matches!(parts.as_slice(), [Part::Expression(..)]);
        if faults.is_empty() { Ok(Self { parts, bare }) } else { Err(faults) }
    }

    /// Parses a condition: CEL with or without `${{ … }}` around it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn condition(text: &str) -> Result<Self, Vec<ExprFault>> {
        if text.contains("${{") {
            let template = Self::parse(text.trim())?;
            if template.bare {
                return Ok(template);
            }
            let message = "a condition is one expression, without text around it".to_owned();
            return Err(vec![ExprFault { pointer: String::new(), at: 0..text.len(), message, help: None }]);
        }
        Ok(Self { parts: vec![Part::Expression(lower::parse(text)?, 0)], bare: true })
    }

    /// Whether it holds no expression.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// What it reads, in reading order.
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        for part in &self.parts {
            if let Part::Expression(node, start) = part {
                collect(node, &mut Vec::new(), *start, &mut found);
            }
        }
        found
    }

    /// The type of its value.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check(&self, env: &Env) -> Result<Type, Vec<ExprFault>> {
        let mut faults = Vec::new();
        let mut only = Type::Text;
        for part in &self.parts {
            let Part::Expression(node, start) = part else { continue };
            let (of, found) = check::check(node, env);
            let clean = found.is_empty();
            faults.extend(found.into_iter().map(|fault| moved(fault, *start)));
            if !self.bare && clean && !check::is_writable(&of) {
                let message = format!("{of} cannot stand inside a text");
                faults.push(moved(
                    ExprFault { pointer: String::new(), at: node.at.clone(), message, help: None },
                    *start,
                ));
            }
            only = of;
        }
        match (faults.is_empty(), self.bare) {
            (false, _) => Err(faults),
            (true, true) => Ok(only),
            (true, false) => Ok(self.constant().map_or(Type::Text, |text| Type::Enum(vec![text]))),
        }
    }

    /// Its value as far as it is known. A text made of parts is unknown as a whole when one of them is.
    ///
    /// # Errors
    /// The first thing that cannot be evaluated.
    pub fn evaluate(&self, scope: &Scope) -> Result<Partial, ExprFault> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(words) => text.push_str(words),
                Part::Expression(node, start) => {
                    let value = eval::evaluate(node, scope).map_err(|fault| moved(fault, *start))?;
                    if self.bare {
                        return Ok(value);
                    }
                    if let Some(step) = value.unknown.values().next() {
                        return Ok(Partial::after(step));
                    }
                    let words = super::function::as_text(&value.value).map_err(|message| {
                        moved(
                            ExprFault { pointer: String::new(), at: node.at.clone(), message, help: None },
                            *start,
                        )
                    })?;
                    text.push_str(&words);
                }
            }
        }
        Ok(Partial::known(Value::String(text)))
    }

    /// The text, when it holds no expression.
    fn constant(&self) -> Option<String> {
        match self.parts.as_slice() {
            [] => Some(String::new()),
            [Part::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }
}

/// Where the `}}` stands that ends the expression opened at `opens`: outside its quotes and its own braces.
fn closing(text: &str, opens: usize) -> Result<usize, Vec<ExprFault>> {
    let source = &text[opens + 3..];
    let mut braces = 0_usize;
    let mut closed: Option<usize> = None;
    for (at, sign) in lower::outside_quotes(source) {
        match sign {
            '{' => braces += 1,
            '}' if braces > 0 => braces -= 1,
            '}' if closed == Some(at) => return Ok(opens + 3 + at - 1),
            '}' => closed = Some(at + 1),
            _ => {}
        }
    }
    let message = "`${{` is not closed by `}}`".to_owned();
    Err(vec![ExprFault { pointer: String::new(), at: opens..opens + 3, message, help: None }])
}

fn moved(mut fault: ExprFault, by: usize) -> ExprFault {
    fault.at = shift(&fault.at, by);
    fault
}

fn shift(at: &Range<usize>, by: usize) -> Range<usize> {
    at.start + by..at.end + by
}

/// Notes the longest constant path at each place that begins at a root; variables of comprehensions hide roots.
fn collect(node: &Node, hidden: &mut Vec<String>, start: usize, found: &mut Vec<Reference>) {
    let path = match &node.kind {
        Kind::Has(of, field) => of.path().map(|mut path| {
            path.push(field);
            path
        }),
        _ => node.path(),
    };
    if let Some((root, path)) = path.as_deref().and_then(<[&str]>::split_first) {
        if ROOTS.contains(root) && !hidden.iter().any(|name| name == root) {
            found.push(Reference {
                root: (*root).to_owned(),
                path: path.iter().map(|name| (*name).to_owned()).collect(),
                at: shift(&span(node), start),
            });
        }
        return;
    }
    if let Kind::Each(each) = &node.kind {
        collect(&each.over, hidden, start, found);
        hidden.push(each.variable.clone());
        for inner in each.keep.iter().chain([&each.body]) {
            collect(inner, hidden, start, found);
        }
        hidden.pop();
        return;
    }
    for child in node.children() {
        collect(child, hidden, start, found);
    }
}

/// From the first to the last byte that belongs to a path.
fn span(node: &Node) -> Range<usize> {
    let mut all = node.at.clone();
    let mut next = node;
    while let Kind::Member(of, _) | Kind::Has(of, _) = &next.kind {
        all = all.start.min(of.at.start)..all.end.max(of.at.end);
        next = of;
    }
    all
}
