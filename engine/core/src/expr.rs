//! Expressions: texts that hold `${{ … }}` with CEL inside. The grammar is CEL's own (parsed by the `cel` crate, without
//! macros); types and values are found by walks of ours, because values may be unknown until a step has run, because
//! the order of a map must not change a plan's hash, and because evaluation must have a bound.
//!
//! What is understood: the roots `inputs`, `steps`, `each`, `run`, `hosts`; members, indices, lists, maps, arithmetic,
//! comparison, logic, `?:`, `in`, `has()`, `size()`, `string()`, `int()`, `double()`, `bytes()` (`"80MiB"` → integer),
//! `milliseconds()`, `startsWith`, `endsWith`, `contains`, `matches`, `map`, `filter`, `exists`, `all`. A name with a dash
//! is written `steps["first-pass"]`. A place that is absent is null.
//!
//! Bounds, all looked at before recursive code sees the text: an expression has at most [`SOURCE`] bytes, its brackets
//! nest at most [`NESTING`] deep, its tree is at most [`DEPTH`] deep (looked at without recursion), its comprehensions
//! nest at most twice, evaluating it takes at most [`COST`] steps. The CEL parser recurses once for each operator, so
//! core is entered on a thread with a stack of [`STACK`] bytes: the binary and the tests of other crates start one, and
//! core itself starts none.

mod ast;
mod check;
mod env;
mod eval;
mod function;
mod lower;
mod render;
mod scope;
mod text;
mod value;

pub use env::{Env, ROOTS, run_type, run_value};
pub use render::render;
pub use scope::Scope;
pub use text::Template;

use crate::schema::Type;
use std::ops::Range;

/// The stack that a thread needs on which core is entered, in bytes.
pub const STACK: usize = 64 << 20;
/// How long one expression may be, in bytes.
pub const SOURCE: usize = 1024;
/// How deep its brackets may nest.
pub const NESTING: usize = 24;
/// How deep its tree may be.
pub const DEPTH: usize = 64;
/// How many steps evaluating it may take: one for each node visited, and one for each 16 bytes made.
pub const COST: u64 = 100_000;

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprFault {
    /// JSON pointer of the text inside the value that was given ("" where a text was given).
    pub pointer: String,
    /// The bytes of that text which it is about.
    pub at: Range<usize>,
    /// One lower-case fragment.
    pub message: String,
    /// The way out, where there is one.
    pub help: Option<String>,
}

/// A place under a root that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `inputs`, `steps`, `each`, `run`, `hosts`.
    pub root: String,
    /// The names and constant indices below it, as far as they are written out. For `steps` the first is the step.
    pub path: Vec<String>,
    /// Where it stands in the text, in bytes.
    pub at: Range<usize>,
}

/// The type of a text: that of the expression when the text is exactly one `${{ … }}`, else a string.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_text(text: &str, env: &Env) -> Result<Type, Vec<ExprFault>> {
    Template::parse(text)?.check(env)
}

/// Whether the text is a condition: CEL that is true or false, with or without `${{ … }}` around it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_condition(text: &str, env: &Env) -> Result<(), Vec<ExprFault>> {
    let template = Template::condition(text)?;
    let of = template.check(env)?;
    if matches!(of, Type::Boolean | Type::Any) {
        return Ok(());
    }
    let message = format!("a condition is true or false, this is {of}");
    Err(vec![ExprFault { pointer: String::new(), at: 0..text.len(), message, help: None }])
}

/// What a text reads.
///
/// # Errors
/// Where it cannot be parsed.
pub fn references(text: &str) -> Result<Vec<Reference>, Vec<ExprFault>> {
    Ok(Template::parse(text)?.references())
}

/// What a condition reads.
///
/// # Errors
/// Where it cannot be parsed.
pub fn condition_references(text: &str) -> Result<Vec<Reference>, Vec<ExprFault>> {
    Ok(Template::condition(text)?.references())
}

/// Whether the condition holds; none: that is not known yet.
///
/// # Errors
/// Where it cannot be evaluated, or is neither true nor false.
pub fn condition(text: &str, scope: &Scope) -> Result<Option<bool>, ExprFault> {
    let template = Template::condition(text).map_err(first)?;
    let partial = template.evaluate(scope)?;
    match partial.value {
        _ if !partial.is_known() => Ok(None),
        serde_json::Value::Bool(holds) => Ok(Some(holds)),
        other => Err(ExprFault {
            pointer: String::new(),
            at: 0..text.len(),
            message: format!("a condition is true or false, this is {}", value::kind(&other)),
            help: None,
        }),
    }
}

fn first(faults: Vec<ExprFault>) -> ExprFault {
    faults.into_iter().next().unwrap_or(ExprFault {
        pointer: String::new(),
        at: 0..0,
        message: "the expression cannot be read".to_owned(),
        help: None,
    })
}

#[cfg(test)]
mod tests;
