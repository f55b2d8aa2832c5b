//! Types of expressions: one walk that finds every fault, then goes on as if the faulty place could be anything, so
//! that one mistake is told once. It must not know values.

use super::ast::{Each, Kind, Node, Operator, Verb};
use super::function::{Function, pattern};
use super::{Env, ExprFault, ROOTS};
use crate::fault::nearest;
use crate::schema::{NoField, Type};
use serde_json::Value;

/// The type of a tree, and all that is wrong with it.
pub(super) fn check(node: &Node, env: &Env) -> (Type, Vec<ExprFault>) {
    let mut walk = Walk { env, variables: Vec::new(), present: Vec::new(), faults: Vec::new() };
    let of = walk.node(node);
    (of, walk.faults)
}

/// Whether a value of this type may stand inside a text.
pub(super) const fn is_writable(of: &Type) -> bool {
    !matches!(of, Type::Null | Type::Nullable(_) | Type::Array(_) | Type::Object(_))
}

struct Walk<'a> {
    env: &'a Env,
    variables: Vec<(String, Type)>,
    /// Places that a condition around this one has found to be there: `steps.copy.base`.
    present: Vec<String>,
    faults: Vec<ExprFault>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node) -> Type {
        let of = self.bare(node);
        match (of, node.path()) {
            (Type::Nullable(of), Some(path)) if self.present.contains(&path.join(".")) => *of,
            (of, _) => of,
        }
    }

    fn bare(&mut self, node: &Node) -> Type {
        match &node.kind {
            Kind::Literal(value) => constant(value),
            Kind::Name(name) => self.name(name, node),
            Kind::Member(of, name) => self.member(of, name, node, false),
            Kind::Has(of, name) => {
                self.member(of, name, node, true);
                Type::Boolean
            }
            Kind::Index(of, index) => self.index(of, index, node),
            Kind::List(items) => {
                let mut all = Vec::new();
                for item in items {
                    all.push(self.node(item));
                }
                let of = all.into_iter().reduce(|a, b| join(&a, &b).unwrap_or(Type::Any));
                Type::Array(Box::new(of.unwrap_or(Type::Any)))
            }
            Kind::Map(entries) => self.map(entries),
            Kind::Not(of) => {
                self.boolean(of);
                Type::Boolean
            }
            Kind::Negate(of) => match self.there(of) {
                Type::Integer { .. } => Type::integer(),
                Type::Number => Type::Number,
                Type::Any => Type::Any,
                other => self.fault(node, format!("`-` does not take {other}")),
            },
            Kind::Binary(operator @ (Operator::And | Operator::Or), a, b) => {
                self.boolean(a);
                self.given(&facts(a, *operator == Operator::And), |walk| walk.boolean(b));
                Type::Boolean
            }
            Kind::Binary(operator, a, b) => self.binary(*operator, a, b, node),
            Kind::If(condition, yes, no) => {
                self.boolean(condition);
                let yes = self.given(&facts(condition, true), |walk| walk.node(yes));
                let no = self.given(&facts(condition, false), |walk| walk.node(no));
                join(&yes, &no)
                    .unwrap_or_else(|| self.fault(node, format!("one branch gives {yes}, the other {no}")))
            }
            Kind::Call(function, arguments) => self.call(*function, arguments, node),
            Kind::Each(each) => self.each(each),
        }
    }

    fn name(&mut self, name: &str, node: &Node) -> Type {
        if let Some((_, of)) = self.variables.iter().rev().find(|(known, _)| known == name) {
            return of.clone();
        }
        if name == "steps" && self.env.root(name).is_some() {
            return self.fault(
                node,
                "`steps` is followed by the name of a step, as in `steps.copy.bytes`".to_owned(),
            );
        }
        match self.env.root(name) {
            Some(of) => of.clone(),
            None => self.no_root(name, node),
        }
    }

    fn no_root(&mut self, name: &str, node: &Node) -> Type {
        let here = self.env.names();
        let list = here.iter().map(|root| format!("`{root}`")).collect::<Vec<_>>().join(", ");
        if ROOTS.contains(&name) {
            let help = if list.is_empty() {
                "nothing may be read here".to_owned()
            } else {
                format!("here only {list} may be read")
            };
            return self.fault_with(node, format!("`{name}` cannot be read here"), Some(help));
        }
        let variables = self.variables.iter().map(|(name, _)| name.as_str());
        let near = nearest(name, here.iter().copied().chain(variables));
        let help = match near {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if list.is_empty() => None,
            None => Some(format!("an expression begins with {list}; a text stands in quotes")),
        };
        self.fault_with(node, format!("there is no `{name}`"), help)
    }

    /// The type of `of.name`; `asked`: only whether it is there.
    fn member(&mut self, of: &Node, name: &str, node: &Node, asked: bool) -> Type {
        let root = match &of.kind {
            Kind::Name(root) if !self.variables.iter().any(|(known, _)| known == root) => self.env.root(root),
            _ => None,
        };
        // A root is looked into where it stands: it may have thousands of places.
        let found = match root {
            Some(root) => root.field(name),
            None => {
                let mut holder = if asked { self.node(of) } else { self.there(of) };
                if let (true, Type::Nullable(inner)) = (asked, &holder) {
                    holder = inner.as_ref().clone();
                }
                if !holder.describes_fields() {
                    return self.fault(node, format!("{holder} has no `{name}`"));
                }
                holder.field(name)
            }
        };
        found.unwrap_or_else(|missing| self.no_field(of, name, node, &missing))
    }

    fn no_field(&mut self, of: &Node, name: &str, node: &Node, missing: &NoField) -> Type {
        let message = match of.path().as_deref() {
            Some(["steps"]) => format!("there is no step `{name}`"),
            Some(["inputs"]) => format!("there is no input `{name}`"),
            Some(["steps", step]) => format!("step `{step}` gives no `{name}`"),
            Some(path) => format!("`{}` has no `{name}`", path.join(".")),
            None => format!("there is no `{name}` here"),
        };
        let help = match (&missing.nearest, missing.known.len()) {
            (Some(near), _) => Some(format!("did you mean `{near}`?")),
            (None, 1..=12) => {
                let list =
                    missing.known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
                Some(format!("there is {list}"))
            }
            (None, _) => None,
        };
        self.fault_with(node, message, help)
    }

    fn index(&mut self, of: &Node, index: &Node, node: &Node) -> Type {
        let holder = self.there(of);
        let place = self.there(index);
        match (&holder, &place) {
            (Type::Any, _) | (_, Type::Any) => Type::Any,
            (Type::Array(of), Type::Integer { .. }) => of.as_ref().clone(),
            (Type::Object(fields), place) if place.fits(&Type::Text) => match &fields.rest {
                Some(rest) if fields.named.is_empty() => rest.as_ref().clone(),
                _ => Type::Any,
            },
            _ => self.fault(node, format!("{holder} has no place that {place} names")),
        }
    }

    fn map(&mut self, entries: &[(Node, Node)]) -> Type {
        let mut named = Vec::new();
        let mut constant = true;
        for (key, value) in entries {
            let of = self.node(value);
            match (&key.kind, self.node(key)) {
                (Kind::Literal(Value::String(name)), _) => named.push((name.clone(), of)),
                (_, name) => {
                    constant = false;
                    if !name.fits(&Type::Text) {
                        self.fault(key, "a map's keys are strings".to_owned());
                    }
                }
            }
        }
        if constant { Type::object(named) } else { Type::Any }
    }

    fn binary(&mut self, operator: Operator, a: &Node, b: &Node, node: &Node) -> Type {
        if operator == Operator::Subtract && self.dashed(a, b, node) {
            return Type::Any;
        }
        if matches!(operator, Operator::Equal | Operator::Unequal) {
            let (left, right) = (self.node(a), self.node(b));
            if !comparable(&left, &right) {
                self.fault(node, format!("{left} is never equal to {right}"));
            }
            return Type::Boolean;
        }
        let (left, right) = (self.there(a), self.there(b));
        let result = match operator {
            Operator::In => match (&left, &right) {
                (_, Type::Any) => Some(Type::Boolean),
                (left, Type::Array(of)) => comparable(left, of).then_some(Type::Boolean),
                (left, Type::Object(_)) => left.fits(&Type::Text).then_some(Type::Boolean),
                _ => None,
            },
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
                ordered(&left, &right).then_some(Type::Boolean)
            }
            _ => arithmetic(operator, &left, &right),
        };
        result.unwrap_or_else(|| {
            let units = [&left, &right].iter().any(|of| matches!(of, Type::Unit(_)));
            let help = units.then(|| {
                "`bytes(…)` and `milliseconds(…)` make integers of sizes, rates and durations".to_owned()
            });
            self.fault_with(node, format!("`{}` does not take {left} and {right}", operator.sign()), help)
        })
    }

    /// `steps.first-pass` is a subtraction to CEL: where the dashed name exists, that is what was meant.
    fn dashed(&mut self, a: &Node, b: &Node, node: &Node) -> bool {
        let Kind::Member(of, first) = &a.kind else { return false };
        let Some(second) = b.path().and_then(|path| path.first().map(|name| (*name).to_owned())) else {
            return false;
        };
        let root = match &of.kind {
            Kind::Name(root) => self.env.root(root).cloned(),
            _ => {
                let before = self.faults.len();
                let holder = self.node(of);
                self.faults.truncate(before);
                Some(holder)
            }
        };
        let Some(Type::Object(fields)) = root else { return false };
        let begins = format!("{first}-{second}");
        let Some(name) = fields.named.keys().find(|name| name.starts_with(&begins)) else { return false };
        if fields.named.contains_key(first) {
            return false;
        }
        let holder = of.path().map(|path| path.join(".")).unwrap_or_default();
        let help = format!("a name with a dash is written `{holder}[\"{name}\"]`");
        self.fault_with(node, format!("this subtracts `{second}` from `{first}`"), Some(help));
        true
    }

    fn call(&mut self, function: Function, arguments: &[Node], node: &Node) -> Type {
        let mut given = Vec::new();
        for argument in arguments {
            given.push(self.there(argument));
        }
        let text = |of: &Type| of.fits(&Type::Text);
        let number = |of: &Type| of.fits(&Type::Number);
        let result = match (function, given.as_slice()) {
            (Function::Size, [of]) => (text(of) || matches!(of, Type::Array(_) | Type::Object(_)))
                .then_some(Type::Integer { least: Some(0), most: None }),
            (Function::Text, [of]) => is_writable(of).then_some(Type::Text),
            (Function::Int, [of]) => (text(of) || number(of)).then(Type::integer),
            (Function::Double, [of]) => (text(of) || number(of)).then_some(Type::Number),
            (Function::Bytes | Function::Milliseconds, [of]) => {
                (text(of) || number(of)).then_some(Type::Integer { least: Some(0), most: None })
            }
            (Function::StartsWith | Function::EndsWith | Function::Contains, [a, b]) => {
                (text(a) && text(b)).then_some(Type::Boolean)
            }
            (Function::Matches, [a, b]) => {
                if let Some(Kind::Literal(Value::String(words))) =
                    arguments.get(1).map(|argument| &argument.kind)
                    && let Err(message) = pattern(words)
                {
                    return self.fault(node, message);
                }
                (text(a) && text(b)).then_some(Type::Boolean)
            }
            _ => None,
        };
        result.unwrap_or_else(|| {
            let given: Vec<String> = given.iter().map(ToString::to_string).collect();
            self.fault(node, format!("`{}` does not take {}", function.name(), given.join(" and ")))
        })
    }

    fn each(&mut self, each: &Each) -> Type {
        let over = self.there(&each.over);
        let element = match &over {
            Type::Any => Type::Any,
            Type::Array(of) => of.as_ref().clone(),
            Type::Object(_) => Type::Text,
            other => self.fault(&each.over, format!("{other} has no elements")),
        };
        self.variables.push((each.variable.clone(), element.clone()));
        if let Some(keep) = &each.keep {
            self.boolean(keep);
        }
        let result = match each.verb {
            Verb::Map => Type::Array(Box::new(self.node(&each.body))),
            Verb::Filter => {
                self.boolean(&each.body);
                Type::Array(Box::new(element))
            }
            Verb::Exists | Verb::All => {
                self.boolean(&each.body);
                Type::Boolean
            }
        };
        self.variables.pop();
        result
    }

    fn boolean(&mut self, node: &Node) {
        let of = self.there(node);
        if !matches!(of, Type::Boolean | Type::Any) {
            self.fault(node, format!("true or false is wanted here, this is {of}"));
        }
    }

    /// The type of a node that must be there.
    fn there(&mut self, node: &Node) -> Type {
        match self.node(node) {
            Type::Nullable(of) => {
                let (name, guard) = match node.path() {
                    Some(path) => (
                        format!("`{}`", path.join(".")),
                        format!("ask first: `{0} != null ? … : …`", path.join(".")),
                    ),
                    None => ("this".to_owned(), "ask first whether it is null".to_owned()),
                };
                self.fault_with(node, format!("{name} may be nothing"), Some(guard));
                // Told once; beyond it the value is taken as there.
                *of
            }
            Type::Null => self.fault(node, "this is always nothing".to_owned()),
            of => of,
        }
    }

    fn given<T>(&mut self, facts: &[String], walk: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.present.len();
        self.present.extend_from_slice(facts);
        let result = walk(self);
        self.present.truncate(before);
        result
    }

    fn fault(&mut self, node: &Node, message: String) -> Type {
        self.fault_with(node, message, None)
    }

    fn fault_with(&mut self, node: &Node, message: String, help: Option<String>) -> Type {
        self.faults.push(ExprFault { pointer: String::new(), at: node.at.clone(), message, help });
        Type::Any
    }
}

/// The places that are there when the condition has this outcome.
fn facts(condition: &Node, outcome: bool) -> Vec<String> {
    match (&condition.kind, outcome) {
        (Kind::Has(of, name), true) => {
            let mut found = Vec::new();
            if let Some(path) = of.path() {
                found.push(path.join("."));
                found.push(format!("{}.{name}", path.join(".")));
            }
            found
        }
        (Kind::Binary(Operator::Unequal, a, b), true) | (Kind::Binary(Operator::Equal, a, b), false) => {
            let null = |node: &Node| matches!(node.kind, Kind::Literal(Value::Null));
            let place = if null(b) {
                a.path()
            } else if null(a) {
                b.path()
            } else {
                None
            };
            place.map(|path| path.join(".")).into_iter().collect()
        }
        (Kind::Binary(Operator::And, a, b), true) | (Kind::Binary(Operator::Or, a, b), false) => {
            let mut found = facts(a, outcome);
            found.extend(facts(b, outcome));
            found
        }
        (Kind::Not(of), outcome) => facts(of, !outcome),
        _ => Vec::new(),
    }
}

fn constant(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Boolean,
        Value::Number(number) => match number.as_i64() {
            Some(n) => Type::Integer { least: Some(n), most: Some(n) },
            None => Type::Number,
        },
        Value::String(text) => Type::Enum(vec![text.clone()]),
        Value::Array(_) | Value::Object(_) => Type::Any,
    }
}

/// The least type that both fit.
fn join(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (Type::Any, _) | (_, Type::Any) => Some(Type::Any),
        (a, b) if a == b => Some(a.clone()),
        (Type::Null, of) | (of, Type::Null) => Some(of.clone().nullable()),
        (Type::Nullable(a), Type::Nullable(b)) => join(a, b).map(Type::nullable),
        (Type::Nullable(of), other) | (other, Type::Nullable(of)) => join(of, other).map(Type::nullable),
        (Type::Enum(a), Type::Enum(b)) => {
            let mut words = a.clone();
            words.extend(b.iter().filter(|word| !a.contains(word)).cloned());
            Some(Type::Enum(words))
        }
        (Type::Integer { .. }, Type::Integer { .. }) => Some(Type::integer()),
        (Type::Enum(words), Type::Unit(unit)) | (Type::Unit(unit), Type::Enum(words))
            if words.iter().all(|word| unit.holds(word)) =>
        {
            Some(Type::Unit(*unit))
        }
        (a, b) if a.fits(&Type::Text) && b.fits(&Type::Text) => Some(Type::Text),
        (a, b) if a.fits(b) => Some(b.clone()),
        (a, b) if b.fits(a) => Some(a.clone()),
        _ => None,
    }
}

fn comparable(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Nullable(a), b) | (b, Type::Nullable(a)) => matches!(b, Type::Null) || comparable(a, b),
        (Type::Null, _) | (_, Type::Null) => matches!((a, b), (Type::Null | Type::Any, _) | (_, Type::Any)),
        (Type::Enum(a), Type::Enum(b)) => a.iter().any(|word| b.contains(word)),
        (a, b) => a.fits(b) || b.fits(a) || (a.fits(&Type::Number) && b.fits(&Type::Number)),
    }
}

fn ordered(a: &Type, b: &Type) -> bool {
    let both = |of: &Type| a.fits(of) && b.fits(of);
    both(&Type::Number)
        || both(&Type::Boolean)
        || (both(&Type::Text)
            && !matches!((a, b), (Type::Unit(unit), _) | (_, Type::Unit(unit)) if !textual(*unit)))
}

/// Whether the order of the texts is the order of what they mean.
const fn textual(unit: crate::schema::Unit) -> bool {
    matches!(unit, crate::schema::Unit::Device | crate::schema::Unit::Path)
}

fn arithmetic(operator: Operator, a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (Type::Any, of) | (of, Type::Any) => matches!(of, Type::Any | Type::Integer { .. } | Type::Number)
            .then_some(Type::Any)
            .or_else(|| (operator == Operator::Add && of.fits(&Type::Text)).then_some(Type::Text))
            .or_else(|| (operator == Operator::Add && matches!(of, Type::Array(_))).then_some(Type::Any)),
        (Type::Integer { .. }, Type::Integer { .. }) => Some(Type::integer()),
        (a, b) if a.fits(&Type::Number) && b.fits(&Type::Number) => {
            (operator != Operator::Modulo).then_some(Type::Number)
        }
        (a, b) if operator == Operator::Add && a.fits(&Type::Text) && b.fits(&Type::Text) => Some(Type::Text),
        (Type::Array(a), Type::Array(b)) if operator == Operator::Add => {
            join(a, b).map(|of| Type::Array(Box::new(of)))
        }
        _ => None,
    }
}
