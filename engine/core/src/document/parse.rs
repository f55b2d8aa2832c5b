//! The top of a workflow file. It must not know plugins; whether names lead anywhere is the checker's business.

use super::inputs::inputs;
use super::node::{Entry, Node, What};
use super::read::read;
use super::source::{Source, Spanned};
use super::steps::{self, Steps};
use super::tree::Document;
use super::walk::{Fields, Walk};
use crate::fault::{Faults, codes};
use crate::plan::{OnFailure, Purpose};

/// The keys of a document, in the order in which they are usually written.
pub const KEYS: [&str; 13] = [
    "cutwater",
    "name",
    "summary",
    "purpose",
    "inputs",
    "grants",
    "window",
    "on-failure",
    "lock",
    "steps",
    "finally",
    "outputs",
    "host",
];
/// Those that this version knows of but does not carry out.
const LATER: [&str; 3] = ["notifications", "host", "call"];
/// The version of the language.
const VERSION: u64 = 1;

/// What came of reading a text: the document as far as it could be understood, and everything that is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The document; none when the text is no YAML, passes a bound, or is no workflow at all.
    pub document: Option<Document>,
    /// Everything that is wrong.
    pub faults: Faults,
}

/// Reads a workflow file: `text` is all of it, `file` its name as the user gave it.
///
/// # Errors
/// Everything that is wrong with its form.
pub fn parse(text: &str, file: &str) -> Result<Document, Faults> {
    let parsed = parse_leniently(text, file);
    match parsed.document {
        Some(document) if parsed.faults.is_empty() => Ok(document),
        _ => Err(parsed.faults.sorted()),
    }
}

/// The same, but gives what could be understood even where something is wrong, so that the checker can say in one go
/// what else is.
pub fn parse_leniently(text: &str, file: &str) -> Parsed {
    let source = Source::new(file, text);
    let (root, faults) = read(&source);
    let mut walk = Walk { source: &source, faults };
    let parts = root.as_ref().and_then(|root| document(&mut walk, root));
    let faults = walk.faults;
    Parsed { document: parts.map(|parts| Document { source, ..parts }), faults }
}

/// The tree of any YAML text within the bounds, workflow or not.
///
/// # Errors
/// Everything that is wrong with it as YAML.
pub fn tree_of(text: &str, file: &str) -> Result<Node, Faults> {
    match read(&Source::new(file, text)) {
        (Some(root), faults) if faults.is_empty() => Ok(root),
        (_, faults) => Err(faults.sorted()),
    }
}

fn document(walk: &mut Walk<'_>, root: &Node) -> Option<Document> {
    let mut fields = walk.fields("a workflow", root)?;
    if !version(walk, &mut fields) {
        return None;
    }
    let name = fields.need(walk, "the workflow", "name").and_then(|entry| walk.text("`name`", &entry.value));
    if let Some(name) = &name {
        walk.name("a workflow", name);
    }
    let summary = fields.take("summary").and_then(|entry| walk.text("`summary`", &entry.value));
    let purpose = fields.take("purpose").and_then(|entry| purpose(walk, &entry.value));
    let inputs = fields.take("inputs").map(|entry| inputs(walk, &entry.value)).unwrap_or_default();
    let grants = entries(walk, &mut fields, "grants");
    let window = fields.take("window").map(|entry| entry.value.clone());
    let on_failure =
        fields.take("on-failure").map(|entry| on_failure(walk, &entry.value)).unwrap_or_default();
    let lock = fields.take("lock").map(|entry| lock(walk, &entry.value)).unwrap_or_default();
    let mut list = Steps::default();
    if let Some(entry) = fields.need(walk, "the workflow", "steps") {
        steps::read(walk, &mut list, &entry.value, None, false);
    }
    if let Some(entry) = fields.take("finally") {
        steps::read(walk, &mut list, &entry.value, None, true);
    }
    let outputs = entries(walk, &mut fields, "outputs");
    walk.finish(fields, "a workflow", &KEYS, &LATER);
    Some(Document {
        source: Source::new("", ""),
        name: name.unwrap_or_else(|| Spanned::new(String::new(), root.span)),
        summary: summary.map(|text| text.value).unwrap_or_default(),
        purpose,
        inputs,
        grants,
        window,
        on_failure,
        lock,
        steps: list.steps,
        outputs,
    })
}

/// Whether the document is of a version that this program knows; nothing else is looked at where it is not.
fn version(walk: &mut Walk<'_>, fields: &mut Fields<'_>) -> bool {
    let first = fields.first().map(|entry| entry.key.clone());
    let Some(entry) = fields.take("cutwater") else {
        let at = first.as_ref().map_or(fields.span, |key| key.span);
        let fault =
            walk.error(codes::VERSION, at, "this is not a workflow: it does not begin with `cutwater: 1`");
        walk.push(fault.help("make `cutwater: 1` the first line"));
        return first.is_some_and(|_| fields.has("steps"));
    };
    if first.is_some_and(|key| key.span != entry.key.span) {
        let fault = walk.error(codes::VERSION, entry.key.span, "`cutwater` is not the first key");
        walk.push(fault.help("make `cutwater: 1` the first line"));
    }
    match &entry.value.what {
        What::Number(number) if number.as_u64() == Some(VERSION) => true,
        What::Number(number) => {
            let message =
                format!("the document is of version {number}; this program knows version {VERSION}");
            let fault = walk.error(codes::VERSION, entry.value.span, message);
            walk.push(fault.help("use a Cutwater of that version"));
            false
        }
        _ => {
            let fault = walk.error(codes::VERSION, entry.value.span, "the version is a number");
            walk.push(fault.help(format!("write `cutwater: {VERSION}`")));
            true
        }
    }
}

fn entries(walk: &mut Walk<'_>, fields: &mut Fields<'_>, key: &str) -> Vec<Entry> {
    match fields.take(key).map(|entry| &entry.value) {
        Some(Node { what: What::Map(entries), .. }) => entries.clone(),
        Some(node) => {
            walk.wrong_kind(&format!("`{key}`"), "a mapping", node);
            Vec::new()
        }
        None => Vec::new(),
    }
}

fn purpose(walk: &mut Walk<'_>, node: &Node) -> Option<Spanned<Purpose>> {
    let text = walk.text("`purpose`", node)?;
    let purpose = match text.value.as_str() {
        "migration" => Purpose::Migration,
        "disaster-recovery" => Purpose::DisasterRecovery,
        other => {
            let message = format!("`purpose` is migration or disaster-recovery, not `{other}`");
            let fault = walk.error(codes::WRONG_KIND, node.span, message);
            walk.push(fault.help_names(other, ["migration", "disaster-recovery"]));
            return None;
        }
    };
    Some(Spanned::new(purpose, text.span))
}

fn on_failure(walk: &mut Walk<'_>, node: &Node) -> OnFailure {
    let Some(text) = walk.text("`on-failure`", node) else { return OnFailure::default() };
    match text.value.as_str() {
        "undo" => OnFailure::Undo,
        "pause" => OnFailure::Pause,
        "keep" => OnFailure::Keep,
        other => {
            let fault = walk.error(
                codes::WRONG_KIND,
                node.span,
                format!("`on-failure` is undo, pause or keep, not `{other}`"),
            );
            walk.push(fault.help_names(other, ["undo", "pause", "keep"]));
            OnFailure::default()
        }
    }
}

fn lock(walk: &mut Walk<'_>, node: &Node) -> Vec<Spanned<String>> {
    match &node.what {
        What::Text(text) => vec![Spanned::new(text.clone(), node.span)],
        _ => walk.texts("`lock`", node),
    }
}
