//! Fills the expressions in a whole JSON value. It must not know what the value is for.

use super::{ExprFault, Scope, Template, first};
use crate::partial::Partial;
use crate::schema::escape;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How deep a value may nest.
const DEPTH: usize = 128;

/// The value with each text that holds `${{ … }}` evaluated: places that depend on what is not known hold null and are
/// named in `unknown`, with the step after which they are.
///
/// # Errors
/// The first text that cannot be evaluated, with its pointer.
pub fn render(value: &Value, scope: &Scope) -> Result<Partial, ExprFault> {
    let mut unknown = BTreeMap::new();
    let value = place(value, scope, &mut String::new(), 0, &mut unknown)?;
    Ok(Partial { value, unknown })
}

fn place(
    value: &Value,
    scope: &Scope,
    at: &mut String,
    depth: usize,
    unknown: &mut BTreeMap<String, String>,
) -> Result<Value, ExprFault> {
    if depth > DEPTH {
        let message = format!("the value nests deeper than {DEPTH}");
        return Err(ExprFault { pointer: at.clone(), at: 0..0, message, help: None });
    }
    let mut below = |name: &str, value: &Value, at: &mut String| {
        let length = at.len();
        at.push('/');
        at.push_str(&escape(name));
        let rendered = place(value, scope, at, depth + 1, unknown);
        at.truncate(length);
        rendered
    };
    match value {
        Value::String(text) if text.contains("${{") => {
            let evaluated =
                Template::parse(text).map_err(first).and_then(|template| template.evaluate(scope));
            let partial = evaluated.map_err(|fault| ExprFault { pointer: at.clone(), ..fault })?;
            unknown.extend(partial.unknown.into_iter().map(|(below, step)| (format!("{at}{below}"), step)));
            Ok(partial.value)
        }
        Value::Array(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                list.push(below(&index.to_string(), item, at)?);
            }
            Ok(Value::Array(list))
        }
        Value::Object(map) => {
            let mut object = Map::new();
            for (name, item) in map {
                object.insert(name.clone(), below(name, item, at)?);
            }
            Ok(Value::Object(object))
        }
        other => Ok(other.clone()),
    }
}
