//! Text to tree: the events of the YAML parser become nodes. Everything hostile ends here, before any recursive code
//! sees it: size, nesting, aliases, long texts, second documents, tags, duplicate keys. It must not know workflows.
//!
//! It stands on granit-parser, the parser beneath serde-saphyr: its events carry the span of every key, which a
//! deserialiser drops, and it goes on after a duplicate key, which a deserialiser does not.

use super::node::{Entry, Node, What};
use super::scalar;
use super::source::{Source, Span, Spanned};
use crate::fault::{Code, Fault, Faults, codes};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput};
use std::collections::HashMap;

/// The largest document, in bytes.
pub const LARGEST: usize = 8 << 20;
/// The deepest nesting.
pub const DEEPEST: usize = 48;
/// The most values, those that aliases stand for included.
pub const MOST: usize = 500_000;
/// The longest single text, in bytes.
pub const LONGEST: usize = 256 << 10;

/// Reads the one document of a text: the tree, as far as there is one, and everything that is wrong with the text as
/// YAML. Only a syntax error or a passed bound ends the reading early, without a tree.
pub fn read(source: &Source) -> (Option<Node>, Faults) {
    let mut reader = Reader {
        source,
        open: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        count: 0,
        kept: 0,
        faults: Faults::default(),
        documents: 0,
    };
    if source.text.len() > LARGEST {
        let size = source.text.len();
        let fault = Fault::error(codes::TOO_LARGE, &source.file, format!("the document has {size} bytes"));
        reader.faults.push(fault.help(format!("a document has at most {LARGEST} bytes")));
        return (None, reader.faults);
    }
    let ended = reader.events();
    let root = reader.root.take().filter(|_| ended);
    if root.is_none() && reader.faults.is_empty() {
        let fault = Fault::error(codes::VERSION, &source.file, "the file is empty");
        reader.faults.push(fault.help("begin with `cutwater: 1`"));
    }
    (root, reader.faults)
}

struct Reader<'a> {
    source: &'a Source,
    open: Vec<Open>,
    root: Option<Node>,
    /// Anchored nodes and how many values each stands for.
    anchors: HashMap<usize, (Node, usize)>,
    count: usize,
    /// How many values were kept a second time because an anchor stands on them.
    kept: usize,
    faults: Faults,
    documents: usize,
}

/// A list or mapping that has not ended yet.
struct Open {
    span: Span,
    anchor: usize,
    /// The count of values when it began.
    began: usize,
    what: OpenWhat,
}

enum OpenWhat {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, keys: HashMap<String, Span>, key: Option<Spanned<String>> },
}

impl Reader<'_> {
    /// Takes in all events; false when it had to stop early.
    fn events(&mut self) -> bool {
        let options = granit_parser::options! {
            disallow_directives: true,
            emit_comments: false,
            flow_nesting_limit: DEEPEST,
            block_nesting_limit: DEEPEST,
        };
        for next in Parser::<StrInput<'_>>::new_from_str_with_options(&self.source.text, options) {
            let going_on = match next {
                Ok((event, span)) => {
                    let start = span.start.byte_offset().unwrap_or(0);
                    let end = span.end.byte_offset().unwrap_or(start);
                    self.event(event, Span::new(start..end))
                }
                Err(error) => {
                    self.scan_error(&error);
                    false
                }
            };
            if !going_on {
                return false;
            }
        }
        true
    }

    /// Takes in one event; false to stop.
    fn event(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fault(codes::SEVERAL, span, "a second document begins here");
                    return false;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.untagged(tag.is_some(), span);
                if text.len() > LONGEST {
                    let size = text.len();
                    self.fault(
                        codes::LONG_TEXT,
                        span,
                        format!("this text has {size} bytes, of at most {LONGEST}"),
                    );
                    return false;
                }
                return self.scalar(&text, style, anchor, span);
            }
            Event::SequenceStart(_, anchor, tag) => {
                return self.begin(OpenWhat::List(Vec::new()), anchor, tag.is_some(), span);
            }
            Event::MappingStart(_, anchor, tag) => {
                let what = OpenWhat::Map { entries: Vec::new(), keys: HashMap::new(), key: None };
                return self.begin(what, anchor, tag.is_some(), span);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.end(span),
            Event::Alias(id) => return self.alias(id, span),
            _ => {}
        }
        true
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, span: Span) -> bool {
        let is_key = matches!(self.open.last(), Some(Open { what: OpenWhat::Map { key: None, .. }, .. }));
        if let Some(c) =
            text.chars().find(|&c| c.is_control() && (is_key || !matches!(c, '\n' | '\t' | '\r')))
        {
            let what = if is_key { "key" } else { "text" };
            self.fault(
                codes::CONTROL,
                span,
                format!("this {what} holds the control character U+{:04X}", c as u32),
            );
        }
        if let Some(Open { what: OpenWhat::Map { key: key @ None, .. }, .. }) = self.open.last_mut() {
            *key = Some(Spanned::new(text.to_owned(), span));
            return self.counted(span);
        }
        let what = match style {
            ScalarStyle::Plain => scalar::plain(text),
            _ => What::Text(text.to_owned()),
        };
        let node = Node { what, span };
        self.keep(anchor, &node, 1) && self.counted(span) && self.put(node)
    }

    fn begin(&mut self, what: OpenWhat, anchor: usize, tagged: bool, span: Span) -> bool {
        self.untagged(tagged, span);
        if self.open.len() >= DEEPEST {
            self.fault(codes::TOO_DEEP, span, format!("this is nested more than {DEEPEST} deep"));
            return false;
        }
        self.open.push(Open { span, anchor, began: self.count, what });
        self.counted(span)
    }

    fn end(&mut self, span: Span) -> bool {
        let Some(open) = self.open.pop() else { return false };
        let what = match open.what {
            OpenWhat::List(items) => What::List(items),
            OpenWhat::Map { entries, .. } => What::Map(entries),
        };
        let mut whole = open.span.to(span);
        if let Some(raw) = self.source.text.get(whole.range()) {
            whole.len = u32::try_from(raw.trim_end().len()).unwrap_or(whole.len).max(open.span.len);
        }
        let node = Node { what, span: whole };
        let size = self.count - open.began;
        self.keep(open.anchor, &node, size) && self.put(node)
    }

    /// Keeps what an anchor stands on.
    fn keep(&mut self, anchor: usize, node: &Node, size: usize) -> bool {
        if anchor == 0 {
            return true;
        }
        self.kept += size;
        if self.kept > MOST {
            self.fault(codes::ALIASES, node.span, format!("anchors stand on more than {MOST} values"));
            return false;
        }
        self.anchors.insert(anchor, (node.clone(), size));
        true
    }

    fn alias(&mut self, id: usize, span: Span) -> bool {
        let Some((node, size)) = self.anchors.get(&id) else {
            self.fault(codes::ALIASES, span, "this alias stands inside what it stands for");
            return false;
        };
        if self.count + size > MOST || self.open.len() + node.depth() > DEEPEST {
            self.fault(codes::ALIASES, span, "the aliases of this document expand to too much");
            return false;
        }
        self.count += size;
        let mut node = node.clone();
        if let Some(Open { what: OpenWhat::Map { key: key @ None, .. }, .. }) = self.open.last_mut() {
            if let What::Text(text) = node.what {
                *key = Some(Spanned::new(text, span));
                return true;
            }
            self.fault(codes::KEY_NOT_TEXT, span, "this key is no text");
            return false;
        }
        node.span = span;
        self.put(node)
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, node: Node) -> bool {
        let mut duplicate = None;
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { what: OpenWhat::List(items), .. }) => items.push(node),
            Some(Open { what: OpenWhat::Map { entries, keys, key }, .. }) => match key.take() {
                None => {
                    self.fault(codes::KEY_NOT_TEXT, node.span, format!("this key is {}", node.kind()));
                    return false;
                }
                Some(key) => match keys.get(&key.value) {
                    Some(&first) => duplicate = Some((key, first)),
                    None => {
                        keys.insert(key.value.clone(), key.span);
                        entries.push(Entry { key, value: node });
                    }
                },
            },
        }
        if let Some((key, first)) = duplicate {
            let source = self.source;
            self.faults.push_with(|| {
                Fault::error(codes::DUPLICATE_KEY, &source.file, format!("`{}` stands here twice", key.value))
                    .at(source.place(key.span))
                    .label("again")
                    .related(source.place(first), "first here")
            });
        }
        true
    }

    fn untagged(&mut self, tagged: bool, span: Span) {
        if tagged {
            let fault = self.at(codes::TAG, span, "this has a tag");
            self.faults.push(fault.help("remove the `!`: types come from the plugins' schemas"));
        }
    }

    fn counted(&mut self, span: Span) -> bool {
        self.count += 1;
        if self.count > MOST {
            self.fault(codes::TOO_LARGE, span, format!("the document holds more than {MOST} values"));
        }
        self.count <= MOST
    }

    fn scan_error(&mut self, error: &ScanError) {
        let at = error.marker().byte_offset().unwrap_or(0);
        let span = Span::new(at..(at + 1).min(self.source.text.len().max(at)));
        let fault = match error.kind() {
            ErrorKind::RecursionLimitExceeded => {
                self.at(codes::TOO_DEEP, span, format!("this is nested more than {DEEPEST} deep"))
            }
            ErrorKind::DirectiveDisallowed => {
                self.at(codes::TAG, span, "this is a directive").help("remove it")
            }
            ErrorKind::UnknownAnchor => self.at(codes::ALIASES, span, "this alias stands for nothing"),
            kind => self.at(codes::SYNTAX, span, kind.to_string()),
        };
        self.faults.push(fault);
    }

    fn at(&self, code: Code, span: Span, message: impl Into<String>) -> Fault {
        Fault::error(code, &self.source.file, message).at(self.source.place(span))
    }

    fn fault(&mut self, code: Code, span: Span, message: impl Into<String>) {
        let fault = self.at(code, span, message);
        self.faults.push(fault);
    }
}
