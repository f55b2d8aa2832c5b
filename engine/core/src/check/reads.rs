//! What each step reads and therefore waits for, and the type of everything it reads. It must not know order.

use super::checker::Checker;
use super::repeat;
use super::with::With;
use crate::document::{Does, Span};
use crate::expr::{Env, Reference};
use crate::fault::codes;
use crate::schema::{Field, Fields, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// Why a step waits for another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// The other step.
    pub on: usize,
    /// Where it says so.
    pub span: Span,
    /// Whether it reads its output (else: `needs`, or the order inside a hold or outage).
    pub data: bool,
}

/// For each step what it waits for, by its own words; the same step may stand there more than once.
pub(super) type Waits = Vec<Vec<Wait>>;

/// Checks everything that steps are given, and says what they wait for.
pub(super) fn steps(check: &mut Checker<'_>) -> Waits {
    let doc = check.doc;
    let inputs: Arc<Type> = Arc::new((*check.input_types).clone());
    let run: Arc<Type> = Arc::new(crate::expr::run_type());
    let plain = Env::new().with("inputs", inputs).with("run", run);
    let mut waits: Waits = Vec::with_capacity(doc.steps.len());
    for (index, step) in doc.steps.iter().enumerate() {
        let mut found = Vec::new();
        needs(check, index, &mut found);
        let mut texts: Vec<(&str, Span, bool)> = Vec::new();
        if let Some(text) = &step.condition {
            texts.push((&text.value, text.span, true));
        }
        if let Does::Approve { message, .. } = &step.does {
            texts.push((&message.value, message.span, false));
        }
        let mut collect = |node: &'_ crate::document::node::Node| {
            let mut list = Vec::new();
            node.texts(&mut |text, span| list.push((text.to_owned(), span)));
            list
        };
        let with = step.with.as_ref().map(&mut collect).unwrap_or_default();
        let over = step.for_each.as_ref().map(|repeat| collect(&repeat.over)).unwrap_or_default();
        texts.extend(with.iter().chain(&over).map(|(text, span)| (text.as_str(), *span, false)));
        let mut types = BTreeMap::new();
        for (text, span, condition) in &texts {
            for reference in check.references(text, *condition) {
                read(check, Some(index), &reference, text, *span, &mut types, &mut found);
            }
        }
        let env = plain.clone().with("steps", steps_type(types));
        typed(check, index, env);
        waits.push(found);
    }
    waits
}

/// Checks the workflow's outputs, which read everything.
pub(super) fn outputs(check: &mut Checker<'_>) {
    let doc = check.doc;
    for entry in &doc.outputs {
        let mut texts = Vec::new();
        entry.value.texts(&mut |text, span| texts.push((text, span)));
        let mut types = BTreeMap::new();
        for (text, span) in &texts {
            for reference in check.references(text, false) {
                read(check, None, &reference, text, *span, &mut types, &mut Vec::new());
            }
        }
        let env = Env::new()
            .with("inputs", (*check.input_types).clone())
            .with("run", crate::expr::run_type())
            .with("steps", steps_type(types));
        let mut with = With { check, env: &env, at: entry.key.span };
        with.place(&Type::Any, &entry.value, &mut format!("outputs.{}", entry.key.value));
    }
}

fn steps_type(types: BTreeMap<String, Type>) -> Type {
    let named = types.into_iter().map(|(name, of)| (name, Field::required(of))).collect();
    Type::Object(Fields { named, rest: None })
}

/// What a step says under `needs`.
fn needs(check: &mut Checker<'_>, index: usize, found: &mut Vec<Wait>) {
    let doc = check.doc;
    for need in doc.steps[index].needs.iter().flatten() {
        match check.index.get(need.value.as_str()).copied() {
            Some(on) if on == index || doc.around(index).any(|around| around == on) => {
                let what = if on == index { "itself" } else { "what it stands in" };
                let message = format!("step `{}` needs {what}", check.name(index));
                let fault = check.error(codes::NEEDS_AROUND, need.span, message);
                check.push(fault.help("remove it: an inner step starts after what encloses it anyway"));
            }
            Some(on) => found.push(Wait { on, span: need.span, data: false }),
            None => unknown(check, codes::UNKNOWN_NEED, &need.value, need.span, "needs"),
        }
    }
}

fn unknown(check: &mut Checker<'_>, code: crate::fault::Code, name: &str, span: Span, verb: &str) {
    if check.faults.is_full() {
        check.faults.more += 1;
        return;
    }
    let fault = check.error(code, span, format!("this {verb} step `{name}`, and there is none"));
    let fault = fault.help_names(name, check.doc.steps.iter().map(|step| step.name.value.as_str()));
    check.push(fault);
}

/// One reference of a step (none: of the outputs): notes the type of the step it leads to, and the wait.
fn read(
    check: &mut Checker<'_>,
    reader: Option<usize>,
    reference: &Reference,
    text: &str,
    span: Span,
    types: &mut BTreeMap<String, Type>,
    found: &mut Vec<Wait>,
) {
    if reference.root != "steps" {
        return;
    }
    let at = check.source().within(span, text, reference.at.clone());
    let Some(name) = reference.path.first() else {
        let fault = check.error(codes::EXPRESSION, at, "an expression names the step that it reads");
        check.push(fault.help("write `steps.NAME`, or `steps[\"NAME\"]`"));
        return;
    };
    let Some(&on) = check.index.get(name.as_str()) else {
        if !types.contains_key(name) {
            unknown(check, codes::EXPRESSION, name, at, "reads");
        }
        types.insert(name.clone(), Type::Any);
        return;
    };
    if !types.contains_key(name) {
        types.insert(name.clone(), output(check, reader, on));
    }
    let inside = reader.is_some_and(|reader| check.doc.around(reader).any(|around| around == on));
    if !inside {
        found.push(Wait { on, span: at, data: true });
    }
}

/// The type of a step's output as `reader` sees it.
fn output(check: &Checker<'_>, reader: Option<usize>, on: usize) -> Type {
    let doc = check.doc;
    let step = &doc.steps[on];
    let around: BTreeSet<usize> = reader.into_iter().flat_map(|reader| doc.around(reader)).collect();
    let of = match (&step.does, &check.signatures[on]) {
        (Does::Broken, _) | (Does::Uses(_) | Does::Hold { .. }, None) => return Type::Any,
        (Does::Hold { .. }, Some(signature)) if around.contains(&on) => return signature.taken.clone(),
        (Does::Uses(_) | Does::Hold { .. }, Some(signature)) => signature.output.clone(),
        (Does::Outage { .. } | Does::Approve { .. }, _) => Type::Object(Fields::default()),
    };
    let of = match &step.for_each {
        Some(_) => Type::Object(Fields { named: BTreeMap::new(), rest: Some(Box::new(of)) }),
        None => of,
    };
    let may_be_skipped = step.condition.is_some()
        || doc.around(on).any(|outer| !around.contains(&outer) && doc.steps[outer].condition.is_some());
    let at_the_end = reader.is_some_and(|reader| doc.steps[reader].finally) && !step.finally;
    if may_be_skipped || at_the_end { of.nullable() } else { of }
}

/// Checks a step's condition, message, `for-each` and `with` by type.
fn typed(check: &mut Checker<'_>, index: usize, env: Env) {
    let doc = check.doc;
    let step = &doc.steps[index];
    if let Does::Approve { message, .. } = &step.does {
        check.type_of(&message.value, message.span, &env, false);
    }
    let env = match &step.for_each {
        Some(over) => env.clone().with("each", repeat::each(check, over, &env)),
        None => env,
    };
    if let Some(condition) = &step.condition
        && let Some(of) = check.type_of(&condition.value, condition.span, &env, true)
        && !matches!(of, Type::Boolean | Type::Any)
    {
        let message = format!("`if` is true or false, and this gives {of}");
        let fault = check.error(codes::EXPRESSION, condition.span, message);
        check.push(fault);
    }
    let signature = check.signatures[index].as_ref().map(Rc::clone);
    let mut with = With { check, env: &env, at: step.name.span };
    match signature {
        Some(signature) => with.whole(&signature.input, step.with.as_ref()),
        None => {
            if let Some(node) = &step.with {
                with.place(&Type::Any, node, &mut "with".to_owned());
            }
        }
    }
}
