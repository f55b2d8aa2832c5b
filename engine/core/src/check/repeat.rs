//! `for-each`: what it goes over, and that the plan can know it. It must not know how it is expanded.

use super::checker::Checker;
use super::reads::Waits;
use super::with::With;
use crate::describe::Kind;
use crate::document::node::What;
use crate::document::{Does, Repeat};
use crate::expr::Env;
use crate::fault::codes;
use crate::schema::Type;
use std::collections::HashSet;

/// The type of `each` inside a step that is repeated over this; what it goes over is checked on the way.
pub(super) fn each(check: &mut Checker<'_>, repeat: &Repeat, env: &Env) -> Type {
    let of = match &repeat.over.what {
        What::Text(text) => check.type_of(text, repeat.over.span, env, false).unwrap_or(Type::Any),
        What::List(_) | What::Map(_) => {
            let mut with = With { check, env, at: repeat.span };
            with.place(&Type::Any, &repeat.over, &mut "for-each".to_owned());
            Type::Any
        }
        _ => Type::Null,
    };
    let value = match of {
        Type::Any => Type::Any,
        Type::Array(of) => *of,
        Type::Object(fields) => match fields.rest {
            Some(rest) if fields.named.is_empty() => *rest,
            _ => Type::Any,
        },
        other => {
            let message = format!("`for-each` goes over a list or a map, and this gives {other}");
            let fault = check.error(codes::WRONG_KIND, repeat.over.span, message);
            check.push(fault);
            Type::Any
        }
    };
    Type::object([("key", Type::Text), ("value", value)])
}

/// Whether the plan can know every `for-each`: it reads only steps that check, outside holds and outages, and those
/// read only such steps again.
pub(super) fn fixed(check: &mut Checker<'_>, waits: &Waits) {
    let doc = check.doc;
    for (index, step) in doc.steps.iter().enumerate() {
        let Some(repeat) = &step.for_each else { continue };
        if !matches!(step.does, Does::Uses(_) | Does::Broken) {
            let fault =
                check.error(codes::NO_FOR_EACH, repeat.span, "what holds something cannot be repeated");
            check.push(fault.help("repeat a step inside it"));
        }
        let mut texts = Vec::new();
        repeat.over.texts(&mut |text, _| texts.push(text));
        let mut next: Vec<usize> = Vec::new();
        for text in texts {
            for reference in check.references(text, false) {
                let named = reference.path.first().filter(|_| reference.root == "steps");
                next.extend(named.and_then(|name| check.index.get(name.as_str())));
            }
        }
        if let Some(culprit) = not_fixed(check, waits, next, index) {
            let message = format!("the plan cannot know this: `{}` does not only check", check.name(culprit));
            let fault = check.error(codes::NOT_FIXED, repeat.over.span, message);
            let place = check.source().place(doc.steps[culprit].name.span);
            check.push(fault.related(place, "it runs after the plan is made"));
        }
    }
}

fn not_fixed(check: &Checker<'_>, waits: &Waits, mut next: Vec<usize>, index: usize) -> Option<usize> {
    let mut seen = HashSet::from([index]);
    while let Some(at) = next.pop() {
        if !seen.insert(at) {
            continue;
        }
        let step = &check.doc.steps[at];
        let checks = match &check.signatures[at] {
            Some(signature) => signature.step.kind == Kind::Check,
            None => matches!(step.does, Does::Broken | Does::Uses(_)),
        };
        if !checks || step.within.is_some() || step.finally {
            return Some(at);
        }
        next.extend(waits[at].iter().filter(|wait| wait.data).map(|wait| wait.on));
    }
    None
}
