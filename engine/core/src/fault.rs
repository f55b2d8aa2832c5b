//! What is wrong with a document, an input or a grant, as data: code, place, words, way out. It must not know the
//! terminal, nor what the faults are about.

pub mod codes;
mod nearest;
mod render;

pub use codes::Code;
pub use nearest::nearest;
pub use render::escaped;

use serde::Serialize;

/// How many faults are kept in full; the others are only counted.
pub const KEPT: usize = 200;

/// Whether it stops the document from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// It runs, but is probably not what was meant.
    Warning,
}

/// A place in a text: line and column count from 1 (columns in characters), offset and length in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Byte offset in the text.
    pub offset: usize,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub col: u32,
    /// Length in bytes; may be 0.
    pub len: usize,
}

/// Another place that has to do with a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there.
    pub label: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its stable code; [`codes`] has the advice for each.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// One lower-case fragment.
    pub message: String,
    /// The file as the user named it; empty for what stands in no file (a `--input`).
    pub file: String,
    /// Where in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Words beside the marked text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places that have to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
}

impl Fault {
    /// An error in `file`, nowhere in particular yet. Control characters in its words are escaped, here and below.
    pub fn error(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: escaped(&message.into()),
            file: file.into(),
            place: None,
            label: None,
            help: None,
            related: Vec::new(),
        }
    }

    /// The same as a warning.
    pub fn warning(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, file, message) }
    }

    /// At this place.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// With words beside the marked text.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(escaped(&text.into()));
        self
    }

    /// With a way out.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(escaped(&text.into()));
        self
    }

    /// With the nearest of the known names, or all of them where they are few, as the way out.
    pub fn help_names<'a>(self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest::suggestion(given, known) {
            Some(text) => self.help(text),
            None => self,
        }
    }

    /// With another place that has to do with it.
    pub fn related(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push(Related { place, label: escaped(&label.into()) });
        self
    }
}

/// Everything that is wrong, in the order of the text; at most [`KEPT`] in full.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// The faults.
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub more: usize,
}

impl Faults {
    /// Adds one, or counts it once there are enough.
    pub fn push(&mut self, fault: Fault) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.faults.push(fault);
        }
    }

    /// The same, but makes it only where it is kept: for what a hostile document can have by the million.
    pub fn push_with(&mut self, fault: impl FnOnce() -> Fault) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.faults.push(fault());
        }
    }

    /// Adds all of the others.
    pub fn append(&mut self, others: Faults) {
        for fault in others.faults {
            self.push(fault);
        }
        self.more += others.more;
    }

    /// Whether another fault would only be counted: looking for its nearest name is wasted then.
    pub fn is_full(&self) -> bool {
        self.faults.len() >= KEPT
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether one of them stops the document from being used.
    pub fn has_errors(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// In the order of the text, errors and warnings mixed; what stands nowhere comes first.
    pub fn sorted(mut self) -> Self {
        self.faults.sort_by(|a, b| (&a.file, a.place, a.code).cmp(&(&b.file, b.place, b.code)));
        self.faults.dedup();
        self
    }

    /// As text with source excerpts, one fault after the other, and the count of those not shown. `source` gives the
    /// text of a file, where there is one. With `colour`, ANSI colours.
    pub fn render<'a>(&self, source: impl Fn(&str) -> Option<&'a str>, colour: bool) -> String {
        let mut out = String::new();
        for fault in &self.faults {
            out.push_str(&fault.render(source(&fault.file).unwrap_or(""), colour));
            out.push('\n');
        }
        if self.more > 0 {
            out.push_str(&format!("and {} more of the same document\n", self.more));
        }
        out
    }
}
