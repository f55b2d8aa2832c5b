//! From CEL source to our tree: bounds first, then the `cel` crate's parser, then a translation that refuses what this
//! program does not understand. It must not know types or values.

use super::ast::{Each, Kind, Node, Operator, Verb};
use super::function::Function;
use super::{DEPTH, ExprFault, NESTING, SOURCE};
use crate::fault::nearest;
use cel::common::ast::{CallExpr, Expr, LiteralValue, SourceInfo, operators};
use cel::parser::ParseErrors;
use cel::{Env, IdedExpr};
use serde_json::Value;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How deep comprehensions may nest.
const COMPREHENSIONS: usize = 2;

/// Parses CEL source. Faults point into it.
pub(super) fn parse(source: &str) -> Result<Node, Vec<ExprFault>> {
    bounds(source).map_err(|fault| vec![fault])?;
    let parser = Env::default().parser().enable_optional_syntax(false).error_recovery_limit(4);
    // The generated parser has `expect`s of its own: whatever reaches one is not CEL.
    let parsed = catch_unwind(AssertUnwindSafe(|| parser.parse_with_source_info(source)));
    let (tree, info) = match parsed {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(errors)) => return Err(syntax(source, &errors)),
        Err(_) => return Err(vec![fault(0..source.len(), "this is no expression")]),
    };
    depth(&tree, source).map_err(|fault| vec![fault])?;
    Lowering { source, info: &info, comprehensions: 0 }.node(&tree).map_err(|fault| vec![fault])
}

/// What must hold before any recursive code sees the source.
fn bounds(source: &str) -> Result<(), ExprFault> {
    if source.len() > SOURCE {
        return Err(fault(
            0..source.len(),
            &format!("the expression has {} bytes, {SOURCE} are allowed", source.len()),
        ));
    }
    if source.trim().is_empty() {
        return Err(fault(0..source.len(), "there is no expression here"));
    }
    // Quotes are not heeded: what opens and closes them is for the parser to say, and it has not seen the source yet.
    let mut open = 0_usize;
    for (at, sign) in source.char_indices() {
        match sign {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > NESTING {
            return Err(fault(at..at + 1, &format!("brackets nest deeper than {NESTING}")));
        }
    }
    Ok(())
}

/// The characters of CEL source that are not inside a string literal, with their places.
pub(super) fn outside_quotes(source: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote: Option<char> = None;
    let mut escaped = false;
    source.char_indices().filter(move |&(_, c)| match quote {
        Some(_) if escaped => {
            escaped = false;
            false
        }
        Some(_) if c == '\\' => {
            escaped = true;
            false
        }
        Some(open) => {
            if c == open {
                quote = None;
            }
            false
        }
        None if c == '"' || c == '\'' => {
            quote = Some(c);
            false
        }
        None => true,
    })
}

/// The parser's own errors, told by their fields: its `Display` panics at far columns.
fn syntax(source: &str, errors: &ParseErrors) -> Vec<ExprFault> {
    errors
        .errors
        .iter()
        .take(1)
        .map(|error| {
            let line = usize::try_from(error.pos.0).unwrap_or(1).max(1);
            let column = usize::try_from(error.pos.1).unwrap_or(1).max(1);
            let before: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
            let mut at = (before + column - 1).min(source.len());
            while !source.is_char_boundary(at) {
                at -= 1;
            }
            let words = error.msg.split(" expecting ").next().unwrap_or_default();
            let words: String = words.chars().filter(|c| !c.is_control()).take(120).collect();
            let end = source[at..].chars().next().map_or(at, |c| at + c.len_utf8());
            fault(at..end, &format!("this is no CEL: {}", lower_first(&words)))
        })
        .collect()
}

fn lower_first(words: &str) -> String {
    let mut letters = words.chars();
    match letters.next() {
        Some(letter) => letter.to_lowercase().chain(letters).collect(),
        None => "it cannot be read".to_owned(),
    }
}

/// Refuses a tree that is too deep, without recursion.
fn depth(tree: &IdedExpr, source: &str) -> Result<(), ExprFault> {
    let mut open: Vec<(&IdedExpr, usize)> = vec![(tree, 1)];
    while let Some((node, depth)) = open.pop() {
        if depth > DEPTH {
            return Err(fault(
                0..source.len(),
                &format!("the expression is more than {DEPTH} operations deep"),
            ));
        }
        match &node.expr {
            Expr::Call(call) => {
                open.extend(call.target.as_deref().into_iter().chain(&call.args).map(|n| (n, depth + 1)))
            }
            Expr::List(list) => open.extend(list.elements.iter().map(|n| (n, depth + 1))),
            Expr::Select(select) => open.push((&select.operand, depth + 1)),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let cel::common::ast::EntryExpr::MapEntry(entry) = &entry.expr {
                        open.push((&entry.key, depth + 1));
                        open.push((&entry.value, depth + 1));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

struct Lowering<'a> {
    source: &'a str,
    info: &'a SourceInfo,
    comprehensions: usize,
}

impl Lowering<'_> {
    fn node(&mut self, of: &IdedExpr) -> Result<Node, ExprFault> {
        let at = self.at(of.id);
        let kind = match &of.expr {
            Expr::Literal(literal) => Kind::Literal(constant(literal, &at)?),
            Expr::Ident(name) => Kind::Name(name.clone()),
            Expr::Select(select) => {
                let operand = self.node(&select.operand)?;
                return Ok(Node {
                    at: self.name_after(at, &select.field),
                    kind: Kind::Member(Box::new(operand), select.field.clone()),
                });
            }
            Expr::List(list) => Kind::List(self.nodes(&list.elements)?),
            Expr::Map(map) => {
                let mut entries = Vec::new();
                for entry in &map.entries {
                    match &entry.expr {
                        cel::common::ast::EntryExpr::MapEntry(entry) if !entry.optional => {
                            entries.push((self.node(&entry.key)?, self.node(&entry.value)?));
                        }
                        _ => return Err(fault(at, "this kind of map entry is not supported")),
                    }
                }
                Kind::Map(entries)
            }
            Expr::Call(call) => return self.call(call, at),
            Expr::Struct(_) => return Err(fault(at, "messages are not supported; write a map")),
            Expr::Comprehension(_) | Expr::Unspecified => return Err(fault(at, "this is not supported")),
        };
        Ok(Node { at, kind })
    }

    fn nodes(&mut self, of: &[IdedExpr]) -> Result<Vec<Node>, ExprFault> {
        of.iter().map(|node| self.node(node)).collect()
    }

    fn call(&mut self, call: &CallExpr, at: Range<usize>) -> Result<Node, ExprFault> {
        if let (Some(operator), [left, right]) = (operator(&call.func_name), call.args.as_slice()) {
            let kind = Kind::Binary(operator, Box::new(self.node(left)?), Box::new(self.node(right)?));
            return Ok(Node { at, kind });
        }
        let kind = match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [of]) => Kind::Not(Box::new(self.node(of)?)),
            (operators::NEGATE, [of]) => Kind::Negate(Box::new(self.node(of)?)),
            (operators::INDEX, [of, index]) => self.index(of, index)?,
            (operators::CONDITIONAL, [a, b, c]) => {
                Kind::If(Box::new(self.node(a)?), Box::new(self.node(b)?), Box::new(self.node(c)?))
            }
            (name, _) => return self.function(name, call, at),
        };
        Ok(Node { at, kind })
    }

    /// A constant name in brackets is a member, so that `steps["first-pass"]` is `steps` and a name.
    fn index(&mut self, of: &IdedExpr, index: &IdedExpr) -> Result<Kind, ExprFault> {
        let of = Box::new(self.node(of)?);
        Ok(match &index.expr {
            Expr::Literal(LiteralValue::String(name)) => Kind::Member(of, name.inner().to_owned()),
            _ => Kind::Index(of, Box::new(self.node(index)?)),
        })
    }

    fn function(&mut self, name: &str, call: &CallExpr, at: Range<usize>) -> Result<Node, ExprFault> {
        let at = self.name_before(at, name);
        match (name, call.target.as_deref(), call.args.as_slice()) {
            ("has", None, [of]) => match &of.expr {
                Expr::Select(select) => {
                    let operand = Box::new(self.node(&select.operand)?);
                    Ok(Node { at, kind: Kind::Has(operand, select.field.clone()) })
                }
                _ => match self.node(of)? {
                    Node { kind: Kind::Member(operand, field), .. } => {
                        Ok(Node { at, kind: Kind::Has(operand, field) })
                    }
                    _ => Err(fault(at, "`has` takes a place, such as `has(steps.copy.base)`")),
                },
            },
            ("map" | "filter" | "exists" | "all", Some(over), arguments) => {
                self.each(name, over, arguments, at)
            }
            (name, target, arguments) => {
                let Some(function) = Function::from_name(name) else {
                    let meant =
                        nearest(name, Function::names()).map(|near| format!("did you mean `{near}`?"));
                    return Err(ExprFault {
                        help: meant,
                        ..fault(at, &format!("there is no function `{name}`"))
                    });
                };
                if target.is_some() && !function.is_method() {
                    return Err(fault(at, &format!("write `{name}(…)`, not `….{name}()`")));
                }
                let mut all = Vec::new();
                for argument in target.into_iter().chain(arguments) {
                    all.push(self.node(argument)?);
                }
                if all.len() != function.arity() {
                    let words = format!("`{name}` takes {}, {} given", count(function.arity()), all.len());
                    return Err(fault(at, &words));
                }
                Ok(Node { at, kind: Kind::Call(function, all) })
            }
        }
    }

    fn each(
        &mut self,
        name: &str,
        over: &IdedExpr,
        arguments: &[IdedExpr],
        at: Range<usize>,
    ) -> Result<Node, ExprFault> {
        let (verb, variable, keep, body) = match (name, arguments) {
            ("map", [variable, body]) => (Verb::Map, variable, None, body),
            ("map", [variable, keep, body]) => (Verb::Map, variable, Some(keep), body),
            ("filter", [variable, body]) => (Verb::Filter, variable, None, body),
            ("exists", [variable, body]) => (Verb::Exists, variable, None, body),
            ("all", [variable, body]) => (Verb::All, variable, None, body),
            _ => {
                return Err(fault(
                    at,
                    &format!("`{name}` takes a name and an expression, as in `list.{name}(x, x.free > 0)`"),
                ));
            }
        };
        let Expr::Ident(variable) = &variable.expr else {
            return Err(fault(self.at(variable.id), "a name for the element stands here"));
        };
        let over = self.node(over)?;
        self.comprehensions += 1;
        if self.comprehensions > COMPREHENSIONS {
            return Err(fault(
                at,
                &format!("`map`, `filter`, `exists` and `all` nest at most {COMPREHENSIONS} deep"),
            ));
        }
        let keep = keep.map(|keep| self.node(keep)).transpose()?;
        let body = self.node(body)?;
        self.comprehensions -= 1;
        let each = Each { verb, over, variable: variable.clone(), keep, body };
        Ok(Node { at, kind: Kind::Each(Box::new(each)) })
    }

    /// The bytes of the token that the parser noted for a node.
    fn at(&self, id: u64) -> Range<usize> {
        let (start, stop) = self.info.offset_for(id).unwrap_or((0, 0));
        self.clamp(start as usize, (stop as usize).saturating_add(1))
    }

    /// The member's name after its dot.
    fn name_after(&self, dot: Range<usize>, name: &str) -> Range<usize> {
        let start = self.source[dot.end..].find(name).map_or(dot.start, |found| dot.end + found);
        self.clamp(start, start + name.len())
    }

    /// The function's name before its bracket.
    fn name_before(&self, bracket: Range<usize>, name: &str) -> Range<usize> {
        let start = self.source[..bracket.start].rfind(name).unwrap_or(bracket.start);
        self.clamp(start, start + name.len())
    }

    fn clamp(&self, start: usize, end: usize) -> Range<usize> {
        let mut start = start.min(self.source.len());
        let mut end = end.clamp(start, self.source.len());
        while !self.source.is_char_boundary(start) {
            start -= 1;
        }
        while !self.source.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }
}

fn constant(literal: &LiteralValue, at: &Range<usize>) -> Result<Value, ExprFault> {
    Ok(match literal {
        LiteralValue::Boolean(truth) => Value::Bool(*truth.inner()),
        LiteralValue::Int(number) => Value::from(*number.inner()),
        LiteralValue::Double(number) => Value::from(*number.inner()),
        LiteralValue::String(text) => Value::from(text.inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::UInt(_) | LiteralValue::Bytes(_) => {
            return Err(fault(at.clone(), "unsigned numbers and byte strings are not supported"));
        }
    })
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        operators::ADD => Operator::Add,
        operators::SUBSTRACT => Operator::Subtract,
        operators::MULTIPLY => Operator::Multiply,
        operators::DIVIDE => Operator::Divide,
        operators::MODULO => Operator::Modulo,
        operators::EQUALS => Operator::Equal,
        operators::NOT_EQUALS => Operator::Unequal,
        operators::LESS => Operator::Less,
        operators::LESS_EQUALS => Operator::LessEqual,
        operators::GREATER => Operator::Greater,
        operators::GREATER_EQUALS => Operator::GreaterEqual,
        operators::IN => Operator::In,
        operators::LOGICAL_AND => Operator::And,
        operators::LOGICAL_OR => Operator::Or,
        _ => return None,
    })
}

fn count(arguments: usize) -> String {
    if arguments == 1 { "one argument".to_owned() } else { format!("{arguments} arguments") }
}

fn fault(at: Range<usize>, message: &str) -> ExprFault {
    ExprFault { pointer: String::new(), at, message: message.to_owned(), help: None }
}
