//! Evaluates a tree over values of which some are not known. What an unknown decides is unknown, carrying the step; what
//! it cannot change is known (`false && unknown`). It must not know types: the checker has seen the tree before.

use super::ast::{Each, Kind, Node, Operator, Verb};
use super::value::{Val, kind};
use super::{COST, ExprFault, Scope};
use crate::partial::Partial;
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;

/// The value of a tree.
pub(super) fn evaluate(node: &Node, scope: &Scope) -> Result<Partial, ExprFault> {
    let mut walk = Walk { scope, variables: Vec::new(), left: COST };
    match walk.node(node) {
        Ok(value) => Ok(value.into_partial()),
        Err(Stop::Unknown(step)) => Ok(Partial::after(&step)),
        Err(Stop::Fault(fault)) => Err(*fault),
    }
}

/// Why there is no value.
enum Stop {
    /// It is known after this step.
    Unknown(String),
    Fault(Box<ExprFault>),
}

struct Walk<'a> {
    scope: &'a Scope,
    variables: Vec<(String, Val<'a>)>,
    left: u64,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &Node) -> Result<Val<'a>, Stop> {
        self.pay(1, node)?;
        match &node.kind {
            Kind::Literal(value) => Ok(Val::known(value.clone())),
            Kind::Name(name) => self.name(name, node),
            Kind::Member(of, name) => self.member(of, name, node),
            Kind::Has(of, name) => {
                if !self.is_steps(of) {
                    let holder = self.node(of)?;
                    if holder.unknown().is_none() && holder.peek().is_null() {
                        return Ok(Val::known(false.into()));
                    }
                }
                let found = self.member(of, name, node)?;
                match found.unknown() {
                    Some(step) => Err(Stop::Unknown(step.to_owned())),
                    None => Ok(Val::known((!found.peek().is_null()).into())),
                }
            }
            Kind::Index(of, index) => self.index(of, index, node),
            Kind::List(items) => {
                let mut list = Gathered::default();
                for item in items {
                    let value = self.or_hole(item)?;
                    list.push(value);
                }
                Ok(list.into_list())
            }
            Kind::Map(entries) => self.map(entries, node),
            Kind::Not(of) => Ok(Val::known((!self.truth(of)?).into())),
            Kind::Negate(of) => {
                let value = self.known(of)?;
                let negated = match &value {
                    Value::Number(number) if number.is_f64() => number.as_f64().and_then(|f| number_of(-f)),
                    Value::Number(number) => number.as_i64().and_then(i64::checked_neg).map(Value::from),
                    _ => None,
                };
                negated
                    .map(Val::known)
                    .ok_or_else(|| fault(node, format!("`-` does not take {}", kind(&value))))
            }
            Kind::Binary(Operator::And, a, b) => self.logic(false, a, b),
            Kind::Binary(Operator::Or, a, b) => self.logic(true, a, b),
            Kind::Binary(operator, a, b) => {
                let (left, right) = (self.known(a)?, self.known(b)?);
                let value = binary(*operator, &left, &right).map_err(|words| fault(node, words))?;
                self.pay(weight(&value), node)?;
                Ok(Val::known(value))
            }
            Kind::If(condition, yes, no) => {
                if self.truth(condition)? {
                    self.node(yes)
                } else {
                    self.node(no)
                }
            }
            Kind::Call(function, arguments) => {
                let mut values = Vec::new();
                for argument in arguments {
                    values.push(self.known(argument)?);
                }
                self.pay(values.iter().map(weight).sum(), node)?;
                function.apply(&values).map(Val::known).map_err(|words| fault(node, words))
            }
            Kind::Each(each) => self.each(each, node),
        }
    }

    fn name(&self, name: &str, node: &Node) -> Result<Val<'a>, Stop> {
        if let Some((_, value)) = self.variables.iter().rev().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        match name {
            "inputs" => Ok(Val::borrowed(&self.scope.inputs)),
            "each" => Ok(Val::borrowed(&self.scope.each)),
            "run" => Ok(Val::borrowed(&self.scope.run)),
            "hosts" => Ok(Val::borrowed(&self.scope.hosts)),
            "steps" => Err(fault(node, "`steps` stands for nothing without the name of a step".to_owned())),
            _ => Err(fault(node, format!("there is no `{name}`"))),
        }
    }

    /// An absent member is null; a member of null is a fault.
    fn member(&mut self, of: &Node, name: &str, node: &Node) -> Result<Val<'a>, Stop> {
        if self.is_steps(of) {
            return Ok(self.scope.steps.get(name).map_or_else(|| Val::known(Value::Null), Val::partial));
        }
        let value = self.node(of)?;
        if value.unknown().is_some() {
            return Ok(value);
        }
        match value.peek() {
            Value::Object(_) => Ok(value.below(name).unwrap_or_else(|| Val::known(Value::Null))),
            Value::Null => Err(fault(
                node,
                match of.path().as_deref() {
                    Some(["steps", step]) => format!("`{step}` was skipped, it has no `{name}`"),
                    Some(path) => format!("`{}` is not there, it has no `{name}`", path.join(".")),
                    None => format!("nothing is there that could have `{name}`"),
                },
            )),
            other => Err(fault(node, format!("{} has no `{name}`", kind(other)))),
        }
    }

    fn is_steps(&self, node: &Node) -> bool {
        matches!(&node.kind, Kind::Name(root) if root == "steps" && !self.variables.iter().any(|(known, _)| known == root))
    }

    fn index(&mut self, of: &Node, index: &Node, node: &Node) -> Result<Val<'a>, Stop> {
        let value = self.node(of)?;
        if value.unknown().is_some() {
            return Ok(value);
        }
        let place = self.known(index)?;
        let name = match (&place, value.peek()) {
            (Value::String(name), Value::Object(_)) => name.clone(),
            (Value::Number(number), Value::Array(_)) => number.to_string(),
            (place, value) => {
                return Err(fault(node, format!("{} has no place that {} names", kind(value), kind(place))));
            }
        };
        let size = match value.peek() {
            Value::Array(items) => items.len(),
            Value::Object(map) => map.len(),
            _ => 0,
        };
        value.below(&name).ok_or_else(|| fault(node, format!("there is no place `{name}` among {size}")))
    }

    fn map(&mut self, entries: &[(Node, Node)], node: &Node) -> Result<Val<'a>, Stop> {
        let mut partial = Partial::known(Value::Object(Map::new()));
        for (key, value) in entries {
            let Value::String(key) = self.known(key)? else {
                return Err(fault(node, "a map's keys are strings".to_owned()));
            };
            let value = self.or_hole(value)?;
            for (at, step) in value.unknown {
                partial.unknown.insert(format!("/{}{at}", crate::schema::escape(&key)), step);
            }
            if let Value::Object(map) = &mut partial.value {
                map.insert(key, value.value);
            }
        }
        Ok(Val::Own(partial))
    }

    /// `&&` (deciding value false) and `||` (true): a known decider decides, whatever is unknown or fails beside it.
    fn logic(&mut self, decider: bool, a: &Node, b: &Node) -> Result<Val<'a>, Stop> {
        let left = self.truth(a);
        if matches!(left, Ok(value) if value == decider) {
            return Ok(Val::known(decider.into()));
        }
        let right = self.truth(b);
        if matches!(right, Ok(value) if value == decider) {
            return Ok(Val::known(decider.into()));
        }
        left.and(right).map(|_| Val::known((!decider).into()))
    }

    fn each(&mut self, each: &Each, node: &Node) -> Result<Val<'a>, Stop> {
        let over = self.node(&each.over)?;
        if let Some(step) = over.unknown() {
            return Err(Stop::Unknown(step.to_owned()));
        }
        let elements: Vec<Val<'a>> = match over.peek() {
            Value::Array(items) => {
                (0..items.len()).filter_map(|index| over.below(&index.to_string())).collect()
            }
            Value::Object(map) => {
                let mut keys: Vec<&String> = map.keys().collect();
                keys.sort_unstable();
                keys.into_iter().map(|key| Val::known(key.as_str().into())).collect()
            }
            other => return Err(fault(node, format!("{} has no elements", kind(other)))),
        };
        self.pay(elements.len() as u64, node)?;
        let mut list = Gathered::default();
        let mut undecided: Option<Stop> = None;
        for element in elements {
            self.variables.push((each.variable.clone(), element.clone()));
            let outcome = self.element(each, element, &mut list);
            self.variables.pop();
            match (outcome, each.verb) {
                (Ok(Some(decided)), _) => return Ok(Val::known(decided.into())),
                (Ok(None), _) => {}
                (Err(stop), Verb::Exists | Verb::All) => undecided = undecided.or(Some(stop)),
                (Err(stop), _) => return Err(stop),
            }
        }
        match (undecided, each.verb) {
            (Some(stop), _) => Err(stop),
            (None, Verb::Exists) => Ok(Val::known(false.into())),
            (None, Verb::All) => Ok(Val::known(true.into())),
            (None, Verb::Map | Verb::Filter) => {
                let value = list.into_list();
                self.pay(weight(value.peek()), node)?;
                Ok(value)
            }
        }
    }

    /// One element; an answer where it decides the whole.
    fn element(&mut self, each: &Each, element: Val<'a>, list: &mut Gathered) -> Result<Option<bool>, Stop> {
        match each.verb {
            Verb::Map => {
                if each.keep.as_ref().map_or(Ok(true), |keep| self.truth(keep))? {
                    let value = self.or_hole(&each.body)?;
                    list.push(value);
                }
                Ok(None)
            }
            Verb::Filter => {
                if self.truth(&each.body)? {
                    list.push(element.into_partial());
                }
                Ok(None)
            }
            Verb::Exists => Ok(self.truth(&each.body)?.then_some(true)),
            Verb::All => Ok((!self.truth(&each.body)?).then_some(false)),
        }
    }

    /// The value, or a hole in its place.
    fn or_hole(&mut self, node: &Node) -> Result<Partial, Stop> {
        match self.node(node) {
            Ok(value) => Ok(value.into_partial()),
            Err(Stop::Unknown(step)) => Ok(Partial::after(&step)),
            Err(stop) => Err(stop),
        }
    }

    /// The value, all of it known.
    fn known(&mut self, node: &Node) -> Result<Value, Stop> {
        let value = self.node(node)?;
        match value.first_hole() {
            Some(step) => Err(Stop::Unknown(step)),
            None => {
                self.pay(weight(value.peek()), node)?;
                Ok(value.into_partial().value)
            }
        }
    }

    fn truth(&mut self, node: &Node) -> Result<bool, Stop> {
        match self.known(node)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(fault(node, format!("true or false is wanted here, this is {}", kind(&other)))),
        }
    }

    fn pay(&mut self, cost: u64, node: &Node) -> Result<(), Stop> {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(fault(node, "the expression takes too many steps to evaluate".to_owned()))
            }
        }
    }
}

/// A list in the making.
#[derive(Default)]
struct Gathered {
    items: Vec<Value>,
    partial: Partial,
}

impl Gathered {
    fn push(&mut self, item: Partial) {
        for (at, step) in item.unknown {
            self.partial.unknown.insert(format!("/{}{at}", self.items.len()), step);
        }
        self.items.push(item.value);
    }

    fn into_list<'a>(self) -> Val<'a> {
        Val::Own(Partial { value: Value::Array(self.items), unknown: self.partial.unknown })
    }
}

/// What a value costs to copy: one for each place and for each 16 bytes of text.
fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64 / 16,
        Value::Array(items) => items.iter().map(|item| 1 + weight(item)).sum(),
        Value::Object(map) => map.iter().map(|(key, item)| 1 + key.len() as u64 / 16 + weight(item)).sum(),
        _ => 0,
    }
}

fn binary(operator: Operator, left: &Value, right: &Value) -> Result<Value, String> {
    let wrong = || format!("`{}` does not take {} and {}", operator.sign(), kind(left), kind(right));
    let order = |wanted: fn(Ordering) -> bool| {
        compare(left, right).map(|order| wanted(order).into()).ok_or_else(wrong)
    };
    match operator {
        Operator::Equal => Ok(equal(left, right).into()),
        Operator::Unequal => Ok((!equal(left, right)).into()),
        Operator::Less => order(Ordering::is_lt),
        Operator::LessEqual => order(Ordering::is_le),
        Operator::Greater => order(Ordering::is_gt),
        Operator::GreaterEqual => order(Ordering::is_ge),
        Operator::In => match (left, right) {
            (_, Value::Array(items)) => Ok(items.iter().any(|item| equal(left, item)).into()),
            (Value::String(name), Value::Object(map)) => Ok(map.contains_key(name).into()),
            _ => Err(wrong()),
        },
        Operator::Add => match (left, right) {
            (Value::String(a), Value::String(b)) => Ok(format!("{a}{b}").into()),
            (Value::Array(a), Value::Array(b)) => Ok(a.iter().chain(b).cloned().collect()),
            _ => arithmetic(operator, left, right).unwrap_or_else(|| Err(wrong())),
        },
        _ => arithmetic(operator, left, right).unwrap_or_else(|| Err(wrong())),
    }
}

/// Numbers: whole ones in 64 bits, refused where they overflow; with a fraction on either side both as doubles.
fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Option<Result<Value, String>> {
    let (Value::Number(left), Value::Number(right)) = (left, right) else { return None };
    let result = match (left.as_i64(), right.as_i64()) {
        (Some(a), Some(b)) => match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide => a.checked_div(b),
            Operator::Modulo => a.checked_rem(b),
            _ => None,
        }
        .map(Value::from),
        _ => {
            let (a, b) = (left.as_f64()?, right.as_f64()?);
            match operator {
                Operator::Add => number_of(a + b),
                Operator::Subtract => number_of(a - b),
                Operator::Multiply => number_of(a * b),
                Operator::Divide => number_of(a / b),
                _ => None,
            }
        }
    };
    Some(result.ok_or_else(|| format!("`{left} {} {right}` has no result", operator.sign())))
}

fn number_of(value: f64) -> Option<Value> {
    Number::from_f64(value).map(Value::Number)
}

fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Equality in which 1 and 1.0 are the same number.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => compare(left, right) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

fn fault(node: &Node, message: String) -> Stop {
    Stop::Fault(Box::new(ExprFault { pointer: String::new(), at: node.at.clone(), message, help: None }))
}
