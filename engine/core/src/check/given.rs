//! The inputs' values: what was given, what is the default, what is missing. It must not know what reads them.

use super::checker::Checker;
use crate::document::Input;
use crate::fault::{Fault, codes};
use crate::schema::{Field, Fields, Type};
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The inputs that a run is given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// By name. A text stands for a value of the declared type (`"5"` for an integer, JSON for lists and maps), as on
    /// the command line; anything else must be of that type.
    pub values: BTreeMap<String, Value>,
    /// Inputs without a value are no fault: for looking at a document without running it. What depends on them is not
    /// proved then, and the result is no ground for a plan.
    pub partial: bool,
}

/// Fills in the inputs and says what is wrong with them.
pub(super) fn inputs(check: &mut Checker<'_>, given: &Given) {
    let mut types = Fields::default();
    let doc = check.doc;
    for input in &doc.inputs {
        let (of, value) = one(check, input, given);
        types.named.insert(input.name.value.clone(), Field::required(of));
        if let Some(value) = value {
            check.inputs.insert(input.name.value.clone(), value);
        } else {
            check.complete = false;
        }
    }
    for name in given.values.keys() {
        if !types.named.contains_key(name) {
            let fault = Fault::error(codes::UNKNOWN_INPUT, "", format!("the workflow has no input `{name}`"));
            let fault = fault.help_names(name, types.named.keys().map(String::as_str));
            check.push(fault);
        }
    }
    check.input_types = Rc::new(Type::Object(types));
}

fn one(check: &mut Checker<'_>, input: &Input, given: &Given) -> (Type, Option<Value>) {
    let name = &input.name.value;
    let of = Type::from_schema(&input.schema).unwrap_or(Type::Any);
    let mut default = None;
    let mut nullable = false;
    if let Some(node) = &input.default {
        let value = node.to_json();
        nullable = value.is_null();
        let mut computed = false;
        node.texts(&mut |text, _| computed |= text.contains("${{"));
        if computed {
            let fault = check.error(
                codes::BAD_DECLARATION,
                node.span,
                "a default is a fixed value, not an expression",
            );
            check.push(fault);
        } else if let Err(faults) = of.accepts(&value)
            && !nullable
        {
            for (pointer, words) in faults {
                let message = format!("the default of input `{name}` does not fit: {words}");
                let fault = check.error(codes::BAD_DECLARATION, node.nearest(&pointer).span, message);
                check.push(fault);
            }
        } else {
            default = Some(value);
        }
    }
    let of = if nullable { of.nullable() } else { of };
    let value = match given.values.get(name) {
        Some(value) => told(check, input, &of, value),
        None if input.default.is_some() => default,
        None => {
            if !given.partial {
                let message = format!("input `{name}` has no value");
                let fault = check.error(codes::MISSING_INPUT, input.name.span, message);
                let example = example(&of);
                check.push(fault.help(format!("give it with --input {name}={example}, or a `default`")));
            }
            None
        }
    };
    (of, value)
}

/// A value that was given, as its type has it.
fn told(check: &mut Checker<'_>, input: &Input, of: &Type, value: &Value) -> Option<Value> {
    let name = &input.name.value;
    let read = match value {
        Value::String(text) => from_text(of, text),
        other => Some(other.clone()),
    };
    let faults = match &read {
        Some(read) => of.accepts(read).err().unwrap_or_default(),
        None => vec![(String::new(), format!("{value} is no {of}"))],
    };
    for (pointer, words) in &faults {
        let message = format!(
            "input `{name}`: {words}{}",
            if pointer.is_empty() { String::new() } else { format!(" (at {pointer})") }
        );
        let fault = check.error(codes::BAD_INPUT, input.name.span, message);
        check.push(fault.label("declared here").help(format!("it was given as {value}")));
    }
    let control = value
        .as_str()
        .is_some_and(|text| text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')));
    if control {
        let fault =
            check.error(codes::CONTROL, input.name.span, format!("input `{name}` holds a control character"));
        check.push(fault.help(format!("it was given as {value}")));
    }
    read.filter(|_| faults.is_empty() && !control)
}

/// What a text on the command line stands for.
fn from_text(of: &Type, text: &str) -> Option<Value> {
    match of {
        Type::Nullable(of) if matches!(text, "" | "none" | "null") && !matches!(**of, Type::Enum(_)) => {
            Some(Value::Null)
        }
        Type::Nullable(of) => from_text(of, text),
        Type::Integer { .. } => text.parse::<i64>().ok().map(Value::from),
        Type::Number => text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number),
        Type::Boolean => text.parse::<bool>().ok().map(Value::Bool),
        Type::Array(_) | Type::Object(_) => serde_json::from_str(text).ok(),
        _ => Some(Value::String(text.to_owned())),
    }
}

fn example(of: &Type) -> String {
    match of {
        Type::Unit(unit) => unit.example().to_owned(),
        Type::Integer { .. } => "5".to_owned(),
        Type::Number => "1.5".to_owned(),
        Type::Boolean => "true".to_owned(),
        Type::Enum(words) => words.first().cloned().unwrap_or_default(),
        Type::Array(_) => "'[\"a\",\"b\"]'".to_owned(),
        Type::Object(_) => "'{\"a\":\"b\"}'".to_owned(),
        _ => "TEXT".to_owned(),
    }
}
