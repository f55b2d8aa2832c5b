//! What all checks share: the document, what is known around it, parsed expressions, the faults so far. It must not
//! know any rule.

use crate::describe::{Catalog, StepType};
use crate::document::{Document, Source, Span};
use crate::expr::{Env, ExprFault, Reference, Template};
use crate::fault::{Code, Fault, Faults, codes};
use crate::policy::Policy;
use crate::schema::Type;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// A plugin's step, with its schemas read.
pub(super) struct Signature {
    pub step: StepType,
    pub input: Type,
    pub output: Type,
    /// Holds: what inner steps see.
    pub taken: Type,
}

/// The state of one checking.
pub(super) struct Checker<'a> {
    pub doc: &'a Document,
    pub catalog: &'a Catalog,
    pub policy: Option<&'a Policy>,
    pub faults: Faults,
    /// Index of each step.
    pub index: HashMap<&'a str, usize>,
    /// The type of `inputs`.
    pub input_types: Rc<Type>,
    /// The values of inputs; those that are not known are absent.
    pub inputs: Map<String, Value>,
    /// Whether every input has a value, so that everything made of inputs must be known.
    pub complete: bool,
    /// Names of inputs that something reads.
    pub read: BTreeSet<String>,
    /// The plugin's step of each step, where there is one.
    pub signatures: Vec<Option<Rc<Signature>>>,
    templates: HashMap<(String, bool), Parsed>,
}

type Parsed = Rc<Result<Template, Vec<ExprFault>>>;

impl<'a> Checker<'a> {
    pub fn new(doc: &'a Document, catalog: &'a Catalog, policy: Option<&'a Policy>) -> Self {
        let index = doc.steps.iter().enumerate().map(|(at, step)| (step.name.value.as_str(), at)).collect();
        Self {
            doc,
            catalog,
            policy,
            faults: Faults::default(),
            index,
            input_types: Rc::new(Type::Any),
            inputs: Map::new(),
            complete: true,
            read: BTreeSet::new(),
            signatures: Vec::new(),
            templates: HashMap::new(),
        }
    }

    pub fn source(&self) -> &'a Source {
        &self.doc.source
    }

    pub fn error(&self, code: Code, span: Span, message: impl Into<String>) -> Fault {
        Fault::error(code, &self.doc.source.file, message).at(self.doc.source.place(span))
    }

    pub fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub fn name(&self, step: usize) -> &'a str {
        &self.doc.steps[step].name.value
    }

    /// A text that may hold `${{ }}`, parsed once.
    pub fn template(&mut self, text: &str, condition: bool) -> Parsed {
        let key = (text.to_owned(), condition);
        if let Some(parsed) = self.templates.get(&key) {
            return Rc::clone(parsed);
        }
        let parsed = Rc::new(if condition { Template::condition(text) } else { Template::parse(text) });
        self.templates.insert(key, Rc::clone(&parsed));
        parsed
    }

    /// What a text reads; nothing where it cannot be parsed (that is reported where it is typed).
    pub fn references(&mut self, text: &str, condition: bool) -> Vec<Reference> {
        if !condition && !text.contains("${{") {
            return Vec::new();
        }
        let found = match self.template(text, condition).as_ref() {
            Ok(template) => template.references(),
            Err(_) => Vec::new(),
        };
        let inputs = found.iter().filter(|reference| reference.root == "inputs");
        self.read.extend(inputs.filter_map(|reference| reference.path.first().cloned()));
        found
    }

    /// The type of a text; faults are reported where the text stands, and there is no type then.
    pub fn type_of(&mut self, text: &str, span: Span, env: &Env, condition: bool) -> Option<Type> {
        let parsed = self.template(text, condition);
        let typed = match parsed.as_ref() {
            Ok(template) => template.check(env),
            Err(faults) => Err(faults.clone()),
        };
        match typed {
            Ok(of) => Some(of),
            Err(faults) => {
                for fault in faults {
                    self.expression_fault(fault, text, span);
                }
                None
            }
        }
    }

    pub fn expression_fault(&mut self, fault: ExprFault, text: &str, span: Span) {
        let at = self.doc.source.within(span, text, fault.at);
        let mut reported = self.error(codes::EXPRESSION, at, fault.message);
        if let Some(help) = fault.help {
            reported = reported.help(help);
        }
        self.push(reported);
    }

    /// The value of a text that reads nothing but inputs with values; none where something is not known.
    pub fn value_of(&mut self, text: &str) -> Option<Value> {
        if !text.contains("${{") {
            return Some(Value::String(text.to_owned()));
        }
        let references = self.references(text, false);
        let known = references.iter().all(|reference| {
            reference.root == "inputs"
                && reference.path.first().is_some_and(|name| self.inputs.contains_key(name))
        });
        if !known {
            return None;
        }
        let parsed = self.template(text, false);
        let scope = crate::expr::Scope { inputs: Value::Object(self.inputs.clone()), ..Default::default() };
        let partial = parsed.as_ref().as_ref().ok()?.evaluate(&scope).ok()?;
        partial.is_known().then_some(partial.value)
    }
}
